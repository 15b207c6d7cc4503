"""The whole platform on one machine, in the foreground: `specola up`."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console

from specola import __version__, logging
from specola.catalogue import shipped
from specola.clock import Clock
from specola.config import Settings
from specola.factory import Services, open_process
from specola.installation import installation_id
from specola.lifetime import asked_to_end
from specola.supervisor import engines
from specola.supervisor.child import Child
from specola.supervisor.prepare import alone, prepare
from specola.supervisor.readiness import check_address, wait_until_up

__all__ = ["run"]

GRACE = 5.0
PROCESSES = ("web", "worker", "signer", "connector", "gateway")
LOCAL = "local"


def run(settings: Settings) -> None:
    """Run the platform until SIGINT or SIGTERM.

    Raises
    ------
    SpecolaError
        It cannot be started; the sentence says why.
    """
    logging.configure(settings, process="up")
    asyncio.run(_up(settings, Console(highlight=False, soft_wrap=True)))


async def _up(settings: Settings, terminal: Console) -> None:
    stop = asked_to_end()
    with alone(settings):
        check_address(settings)
        clock = Clock()
        await prepare(settings, clock)
        place = await engines.find(settings)
        await _install(settings, clock, place)
        _report(terminal, settings, place)
        async with _running(settings, place) as children:
            await _unless(stop, wait_until_up(settings, children))
            if not stop.is_set():
                await _welcome(terminal, settings, clock)
            _ = await stop.wait()
            terminal.print("Stopping; running tasks go on.")


async def _install(settings: Settings, clock: Clock, place: engines.Place) -> None:
    """Bring the records of the local computing and of the shipped software up to date."""
    async with open_process(settings, clock=clock) as context:
        services = Services.of(context)
        _ = await services.computings.install(LOCAL, title="This machine", kind=place.kind, settings=place.settings)
        _ = await services.catalogue.install(shipped())
        async with context.store.read() as transaction:
            computings = await transaction.computings.all()
    await engines.tidy(installation_id(settings), computings)


async def _welcome(terminal: Console, settings: Settings, clock: Clock) -> None:
    """Say that all is up, and let the first administrator in."""
    terminal.print(f"\nSpecola is ready at [bold]{settings.url}[/]")
    async with open_process(settings, clock=clock) as context:
        services = Services.of(context)
        administrator = await services.people.first_administrator()
        if administrator is not None:
            link = await services.people.sign_in_link(administrator.name)
            terminal.print(
                "\nNobody has signed in yet. This link signs you in as the administrator, once, within a day:"
            )
            terminal.print(f"\n    {services.addresses.sign_in_link(link.secret)}\n", markup=False)
    terminal.print("Ctrl-C stops the platform; running tasks go on.\n", style="dim")


def _report(terminal: Console, settings: Settings, place: engines.Place) -> None:
    database = "SQLite in the data folder" if settings.database_url is None else "PostgreSQL"
    account = settings.run_as if os.geteuid() == 0 else "this user (not root)"
    lines = (
        ("data", str(settings.data)),
        ("database", database),
        ("engine", place.words),
        ("address", f"{settings.url} (listening on {settings.bind})"),
        ("ssh", f"{settings.ssh_names[0]} port {settings.ssh_port}" if settings.ssh_port else "off"),
        ("web, gateway run as", account),
    )
    terminal.print(f"[bold]Specola {__version__}[/]")
    for name, value in lines:
        terminal.print(f"  {name:<20} {value}", markup=False)


@asynccontextmanager
async def _running(settings: Settings, place: engines.Place) -> AsyncIterator[Sequence[Child]]:
    """Keep every process running for the body, then end them in the opposite order: who asks before who answers."""
    children = _children(settings, place)
    keeping = [asyncio.create_task(child.keep(), name=child.name) for child in children]
    try:
        yield children
    finally:
        for task in keeping:
            task.cancel()
        _ = await asyncio.gather(*keeping, return_exceptions=True)
        for child in reversed(children):
            await child.end(GRACE)


def _children(settings: Settings, place: engines.Place) -> Sequence[Child]:
    """Return the processes in the order in which they start."""
    python = [sys.executable, "-m", "specola"]
    children = [Child(name, [*python, name], run=settings.run) for name in PROCESSES]
    if place.service is not None:
        place.service.socket.unlink(missing_ok=True)
        service = place.service
        # What watches over a container writes a file where the engine works when that container runs out of memory.
        folder = service.socket.parent
        variables = service.environment()
        engine = Child("engine", service.argv(), run=settings.run, environment=variables, quiet=True, folder=folder)
        children.insert(0, engine)
    return children


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Await `work`, but only until `stop` is set."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    _ = await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
    _ = await asyncio.gather(working, stopping, return_exceptions=True)
    if not working.cancelled() and (error := working.exception()) is not None:
        raise error
