"""`specola forward`: interfaces of a task, as if they listened on this machine."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_address
from typing import NoReturn

import click
import uvloop

from specola.cli import output
from specola.cli.client import Client, connected, part
from specola.cli.listening import listen
from specola.cli.progress import teller
from specola.cli.reaching import Target, Wanted, reach
from specola.cli.running import followed
from specola.cli.tables import Opened, shown
from specola.cli.tunnels import Door, Failure, Watcher, is_final
from specola.cli.watching import until_over
from specola.domain.errors import InvalidError

__all__ = ["COMMANDS"]


class Relay:
    """Passes on what happens to whoever shows it, and notes what ends everything."""

    def __init__(self) -> None:
        self.shower: Watcher | None = None
        self.over: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()

    def changed(self, door: Door) -> None:
        """See Watcher."""
        if self.shower is not None:
            self.shower.changed(door)

    def failed(self, door: Door, error: Failure) -> None:
        """See Watcher."""
        if is_final(error):
            if not self.over.done():
                self.over.set_result(error)
        elif self.shower is not None:
            self.shower.failed(door, error)


@click.command("forward")
@click.argument("task")
@click.argument("interfaces", nargs=-1, required=True, metavar="INTERFACE[:LOCALPORT]...")
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Listen at this address.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Wait until the task is ready, for instance in a queue.",
)
@output.json_option
def forward(task: str, interfaces: Sequence[str], *, bind: str, wait: float, as_json: bool) -> None:
    r"""Listen on this machine, and carry what comes to interfaces of a TASK.

    An INTERFACE is named, or given by its port. On this machine it has the same port, or the next one that is free;
    LOCALPORT chooses another. It goes on until Ctrl-C, or until the task ends.

    \b
    specola forward mytask database
    psql -h 127.0.0.1 -U postgres
    """
    wanted = [Wanted.read(one) for one in interfaces]
    check_address(bind)
    client = connected()
    if wait:
        with teller(quiet=as_json) as telling:
            _ = followed(client, client.get(f"/tasks/{part(task)}"), seconds=wait, telling=telling)
    targets = reach(client, task, [one.interface for one in wanted])
    sockets = [
        listen(bind, target.port if one.port is None else one.port, exactly=one.port is not None)
        for one, target in zip(wanted, targets, strict=True)
    ]
    places = [(target, bind, made) for target, made in zip(targets, sockets, strict=True)]

    async def run() -> NoReturn:
        relay = Relay()
        async with AsyncExitStack() as stack:
            opened = []
            for target, host, made in places:
                door = Door(target, relay)
                port = made.getsockname()[1]
                server = await asyncio.get_running_loop().create_server(door.accept, sock=made)
                stack.push_async_callback(door.close)
                stack.callback(server.close)
                opened.append(Opened(door, host, port))
            relay.shower = stack.enter_context(shown(opened, as_json=as_json))
            error = await first(relay.over, client, targets[0])
        raise error

    uvloop.run(run())


async def first(over: asyncio.Future[Failure], client: Client, target: Target) -> Failure:
    """Return what ends everything, whoever notices it first."""
    watching = asyncio.create_task(until_over(client, target))
    try:
        await asyncio.wait({over, watching}, return_when=asyncio.FIRST_COMPLETED)
        return over.result() if over.done() else watching.result()
    finally:
        watching.cancel()


def check_address(bind: str) -> None:
    """Refuse what is no address, and warn of one that others can reach."""
    try:
        address = ip_address(bind)
    except ValueError:
        raise InvalidError(f"“{bind}” is no address.", hint="For example 127.0.0.1, or 0.0.0.0 for all.") from None
    if not address.is_loopback:
        output.note(f"Warning: whoever can reach {bind} can use the task as you.")


COMMANDS: Mapping[str, click.Command] = {"forward": forward}
