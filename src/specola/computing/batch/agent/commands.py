"""Commands inside a task: started, fed, read, and ended with all that they have started."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import struct
import termios
from collections.abc import Mapping, Sequence

from .children import Child, Children
from .entering import Entry, Size
from .pipes import Sink, Source, readable
from .placed import Placed
from .processes import members, outlives, started

__all__ = ["Command", "NoWayError", "start", "start_server"]

START_SECONDS = 20.0
PATIENCE, PAUSE, ROUNDS = 2.0, 0.1, 100


class NoWayError(Exception):
    """The task gives no way to run commands in it."""


class Command:
    """A command that runs; it is a session of its own, which its number names."""

    def __init__(self, child: Child, number: int, terminal: int | None, streams: tuple[Sink, Source, Source]) -> None:
        self.child = child
        self.number = number
        self.began = started(number)
        self.terminal = terminal
        self.input, self.output, self.errors = streams

    def resize(self, size: Size) -> None:
        """Give its terminal another size; without one, nothing happens."""
        if self.terminal is not None:
            columns, rows = size
            with contextlib.suppress(OSError):
                fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("=HHHH", rows, columns, 0, 0))

    async def hang_up(self) -> None:
        """End it, with all that it has started.

        All of it is asked, as a terminal that hangs up does it, and has two seconds; then it is killed, also what is
        started meanwhile. What has asked to outlive that goes on: what ignores the signal, or has made a session of its own.
        """
        if self.began is None or started(self.number) not in (None, self.began):
            return
        for number in (signal.SIGHUP, signal.SIGCONT):
            for one in members(self.number):
                _signal(one.pid, number)
        for turn in range(ROUNDS):
            left = [one.pid for one in members(self.number) if one.pid == self.number or not outlives(one.pid)]
            if not left:
                return
            if turn * PAUSE >= PATIENCE:
                for pid in left:
                    _signal(pid, signal.SIGKILL)
            await asyncio.sleep(PAUSE)

    def close(self) -> None:
        """Give back its descriptors."""
        self.input.abort()
        self.output.close()
        self.errors.close()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


async def start(
    children: Children, entry: Entry, command: Sequence[str], *, environment: Mapping[str, str], size: Size | None
) -> Command:
    """Start a command inside, as the task's own user, with the task's variables and others.

    Parameters
    ----------
    size
        Columns and rows of the terminal that it runs on; None: without one.

    Raises
    ------
    NoWayError
        It cannot be started; the text tells what was said.
    """
    words = Placed.run(tuple(command))
    found = await _begin(children, entry, words, environment, size)
    line = b""
    with contextlib.suppress(asyncio.TimeoutError):
        line = await asyncio.wait_for(found.output.line(), START_SECONDS)
    if not line.startswith(b"specola "):
        said = line if size else line + await found.errors.read(4096)
        await found.hang_up()
        found.close()
        raise NoWayError(said.decode(errors="replace").strip() or "Nothing in it can be started.")
    return found


async def start_server(children: Children, entry: Entry) -> Command:
    """Start the server of files inside. Raises NoWayError."""
    # What the image has preloaded is made for its own C library.
    return await _begin(children, entry, Placed.run(Placed.server()), {"LD_PRELOAD": ""}, None)


async def _begin(
    children: Children, entry: Entry, words: Sequence[str], variables: Mapping[str, str], size: Size | None
) -> Command:
    pipes = [os.pipe() for _ in range(3)]
    ours, theirs = socket.socketpair()
    streams = (pipes[0][0], pipes[1][1], pipes[2][1])

    def inside() -> int:
        os.dup2(streams[2], 2)
        return entry.run(words, variables, streams=streams, control=theirs, size=size)

    child = children.fork(inside)
    theirs.close()
    for descriptor in streams:
        os.close(descriptor)
    ours.setblocking(False)
    try:
        number, terminal = await asyncio.wait_for(_announced(ours), START_SECONDS)
    except (asyncio.TimeoutError, OSError) as error:
        child.signal(signal.SIGKILL)
        with open(pipes[2][0], "rb") as complaint:
            said = complaint.read(4096).decode(errors="replace").strip()
        for descriptor in (pipes[0][1], pipes[1][0]):
            os.close(descriptor)
        raise NoWayError(said or str(error)) from error
    finally:
        ours.close()
    if terminal is None:
        ends = (pipes[0][1], pipes[1][0])
    else:
        os.close(pipes[0][1])
        os.close(pipes[1][0])
        ends = (os.dup(terminal), os.dup(terminal))
    command_input, output = await Sink.of(ends[0]), await Source.of(ends[1])
    return Command(child, number, terminal, (command_input, output, await Source.of(pipes[2][0])))


async def _announced(control: socket.socket) -> tuple[int, int | None]:
    """Read which process it is, and take over its terminal."""
    await readable(control.fileno())
    data, descriptors, _, _ = socket.recv_fds(control, 4, 1)
    if len(data) < 4:
        raise OSError("Nothing in it can be started.")
    number: int = struct.unpack("=i", data)[0]
    return number, descriptors[0] if descriptors else None
