"""`specola connect`: a client that finds an interface of a task as if it were on this machine."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

import click
import uvloop

from specola.cli import output
from specola.cli.client import connected
from specola.cli.clients import SECRET, filled, variables
from specola.cli.listening import listen
from specola.cli.reaching import Target, credential_of, reach
from specola.cli.stdio import joined
from specola.cli.tunnels import Door, Failure, Tally, carry
from specola.domain.errors import InvalidError
from specola.piping import Early

__all__ = ["COMMANDS"]

HERE = "127.0.0.1"
NOT_FOUND = 127
NOT_EXECUTABLE = 126
SIGNALLED = 128
DRAIN_SECONDS = 5.0
FROM_KEYBOARD = (signal.SIGINT, signal.SIGQUIT)
FROM_ELSEWHERE = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Telling:
    """Says on standard error what goes wrong, beside the client's own output."""

    def changed(self, door: Door) -> None:
        """Say nothing."""

    def failed(self, door: Door, error: Failure) -> None:
        """Say what went wrong with one connection."""
        output.note(f"specola: {door.target.interface}: {error.sentence}")


@click.command("connect")
@click.argument("task")
@click.argument("interface")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.option("--stdio", is_flag=True, help="Carry standard input and output, as an SSH ProxyCommand does.")
def connect(task: str, interface: str, command: Sequence[str], *, stdio: bool) -> None:
    r"""Run a COMMAND against an INTERFACE of a TASK, and end with its exit code.

    The variables that usual clients read are set (PGHOST, PGPASSWORD, MYSQL_HOST, REDIS_URL, SPECOLA_HOST,
    SPECOLA_PORT, SPECOLA_PASSWORD, …); in the words of the command, {host}, {port} and {password} are filled in.

    \b
    specola connect mytask database -- psql
    specola connect mytask store -- redis-cli -h {host} -p {port}
    ssh -o ProxyCommand="specola connect mytask ssh --stdio" person@mytask
    """
    if stdio is bool(command):
        raise InvalidError("Give either a command or --stdio.", hint="specola connect TASK INTERFACE -- COMMAND")
    client = connected()
    (target,) = reach(client, task, [interface])
    if stdio:
        carry_stdio(target)
        return
    password = credential_of(client, target)
    if any(SECRET in word for word in command):
        if password is None:
            raise InvalidError(f"“{target.interface}” needs no password.", hint=f"Leave {SECRET} out.")
        output.note(f"Others on this machine may see what {SECRET} stands for; SPECOLA_PASSWORD keeps it to you.")
    sys.exit(uvloop.run(run_client(target, command, password)))


def carry_stdio(target: Target) -> None:
    """Carry standard input and output; raises what went wrong."""

    async def run(ours: socket.socket) -> Failure | None:
        _, stream = await asyncio.get_running_loop().create_unix_connection(Early, sock=ours)
        return await carry(target, stream, Tally())

    with joined() as ours:
        error = uvloop.run(run(ours))
    if error is not None:
        raise error


async def run_client(target: Target, command: Sequence[str], password: str | None) -> int:
    """Run a client as long as it likes; return the exit code to end with."""
    loop = asyncio.get_running_loop()
    made = listen(HERE, 0, exactly=True)
    port = made.getsockname()[1]
    door = Door(target, Telling())
    server = await loop.create_server(door.accept, sock=made)
    environment = {**os.environ, **variables(target, HERE, port, password, os.environ)}
    try:
        process = await asyncio.create_subprocess_exec(*filled(command, HERE, port, password), env=environment)
        for number in (*FROM_KEYBOARD, *FROM_ELSEWHERE):
            loop.add_signal_handler(number, pass_on, process, number)
        code = await process.wait()
        server.close()
        await door.drain(DRAIN_SECONDS)
    except OSError as error:
        return not_run(command[0], error)
    finally:
        server.close()
        await door.close()
    return SIGNALLED - code if code < 0 else code


def pass_on(process: asyncio.subprocess.Process, number: int) -> None:
    """Let the client have a signal that came to us."""
    # What is typed at a terminal goes to every process there: the client has it already.
    if number in FROM_KEYBOARD and in_foreground():
        return
    if process.returncode is None:
        process.send_signal(number)


def in_foreground() -> bool:
    """Tell whether this process would get what is typed at its terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def not_run(command: str, error: OSError) -> int:
    """Say why a command could not be run; return the exit code that shells give then."""
    missing = isinstance(error, FileNotFoundError)
    output.note(f"specola: {command}: {'there is no such command' if missing else error.strerror}")
    return NOT_FOUND if missing else NOT_EXECUTABLE


COMMANDS: Mapping[str, click.Command] = {"connect": connect}
