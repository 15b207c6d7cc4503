"""One session channel of SSH: a shell, a command, or file transfer, inside a task."""

import asyncio
import contextlib
import re
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import asyncssh
import structlog
from typing_extensions import override

from specola.connector.ssh.entrance import Entrance
from specola.connector.ssh.flow import CHUNK, Inbox, Outbox
from specola.connector.ssh.live import Open
from specola.domain.computing import Channel, Terminal, WindowSize, shell_command
from specola.domain.errors import ComputingUnreachableError, SpecolaError
from specola.ports.computing import Computing, Executes, HasFiles, Running, Stream

__all__ = ["Session"]

REFUSED = 255
"""The exit status by which OpenSSH's own failures are told."""
NOT_FOUND = 127
LAST_WORDS = 0.5
"""Seconds that a channel is given to take its last words before it is cut off."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
MOST_VARIABLES = 64
LARGEST_SIDE = 5000
LACKING = {
    "scp": "This image has no scp program. Leave out -O: scp then uses SFTP, which every task has.",
    "rsync": "This image has no rsync program. Use scp or sftp, which every task has.",
}


class Session(asyncssh.SSHServerSession[bytes]):
    """What is done on one session channel. It asks for the right to the task itself, whatever was so before."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._inbox = Inbox()
        self._outbox = Outbox(entrance.writable)
        self._terminal: Terminal | None = None
        self._text = ""
        self._subsystem = False
        self._opened: Open | None = None
        self._running: Running | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._logger = structlog.stdlib.get_logger("specola.connector")

    # -- what asyncssh tells ----------------------------------------------------------------------------------------

    @override
    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        self._inbox.attach(chan)
        chan.set_write_buffer_limits(CHUNK)

    @override
    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        kind = term_type if NAME.fullmatch(re.sub(r"[-.+]", "_", term_type)) else "xterm"
        self._terminal = Terminal(kind=kind, size=_size(term_size[0], term_size[1]))
        return True

    @override
    def shell_requested(self) -> bool:
        return True

    @override
    def exec_requested(self, command: str) -> bool:
        self._text = command
        return True

    @override
    def subsystem_requested(self, subsystem: str) -> bool:
        self._subsystem = subsystem == "sftp"
        return self._subsystem

    @override
    def session_started(self) -> None:
        self._do(self._serve())

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._inbox.put(data)

    @override
    def eof_received(self) -> bool:
        self._inbox.end()
        return True

    @override
    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._running is not None:
            self._do(self._running.resize(_size(width, height)))
        elif self._terminal is not None:
            self._terminal = Terminal(kind=self._terminal.kind, size=_size(width, height))

    @override
    def signal_received(self, signal: str) -> None:
        if signal == "INT" and self._terminal is not None:
            self._inbox.put(b"\x03")
        elif signal in {"INT", "TERM", "HUP", "KILL", "QUIT"} and self._running is not None:
            self._do(self._running.close())

    @override
    def break_received(self, msec: int) -> bool:
        return self._terminal is not None

    @override
    def pause_writing(self) -> None:
        self._outbox.pause()

    @override
    def resume_writing(self) -> None:
        self._outbox.resume()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._entrance.release()
        for work in self._work:
            work.cancel()

    # -- what is done -----------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Serve the channel to its end, and close it whatever comes."""
        kind = "sftp" if self._subsystem else "ssh"
        try:
            entered = await self._entrance.enter()
            opened = self._entrance.open(kind, entered, close=self._take_back)
            self._opened = opened
            try:
                computing, handle = await self._entrance.place(entered)
                code = await (self._files(computing, handle) if self._subsystem else self._command(computing, handle))
            finally:
                self._entrance.end(opened)
            self._channel.exit(code)
        except SpecolaError as error:
            self._entrance.refused(kind, error)
            self._last_words(f"{error.sentence} {error.hint}")
        except (OSError, TimeoutError) as error:
            self._last_words(f"The connection to the task broke off: {str(error) or type(error).__name__}.")
        except Exception:
            self._logger.exception("ssh_session_failed", task=self._entrance.task)
            self._last_words("The platform has made a mistake; it is in its log.")

    async def _command(self, computing: Computing, handle: str) -> int:
        if not isinstance(computing, Executes):
            raise ComputingUnreachableError(computing.name, "it runs no commands in tasks")
        command: Sequence[str] = shell_command(self._text) if self._text else ()
        running = await computing.execute(
            handle, command, terminal=self._terminal, environment=_environment(self._channel.get_environment())
        )
        self._running = running
        try:
            if self._terminal is not None:
                await running.resize(self._terminal.size)  # it may have changed meanwhile
            feeding = asyncio.create_task(self._feed(running))
            try:
                await self._drain_command(running)
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
            code = await running.wait()
        finally:
            self._running = None
            await self._entrance.clear(running.close())
        lacking = LACKING.get(self._text.split(" ", 1)[0])
        if code == NOT_FOUND and lacking:
            self._channel.write_stderr(f"{lacking}\n".encode())
        return code

    async def _files(self, computing: Computing, handle: str) -> int:
        if not isinstance(computing, HasFiles):
            raise ComputingUnreachableError(computing.name, "it gives no way to the files of tasks")
        stream = await computing.files(handle)
        try:
            feeding = asyncio.create_task(self._feed(stream))
            try:
                while data := await stream.read(CHUNK):
                    await self._send(data)
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
        finally:
            await self._entrance.clear(stream.close())
        return 0

    async def _feed(self, to: Running | Stream) -> None:
        """Give what the visitor sends to the task; what no longer takes it has ended, which its output tells."""
        with contextlib.suppress(OSError):
            while data := await self._inbox.take():
                await to.write(data)
                if self._opened is not None:
                    self._opened.received(len(data))
            await to.end()

    async def _drain_command(self, running: Running) -> None:
        while True:
            which, data = await running.read(CHUNK)
            if not data:
                return
            await self._send(data, errors=which is Channel.ERRORS)

    async def _send(self, data: bytes, *, errors: bool = False) -> None:
        await self._outbox.ready()
        if errors:
            self._channel.write_stderr(data)
        else:
            self._channel.write(data)
        if self._opened is not None:
            self._opened.sent(len(data))

    # -- how it ends ------------------------------------------------------------------------------------------------

    def _take_back(self, sentence: str) -> None:
        """Close the channel at once, with what runs on it."""
        for work in self._work:
            work.cancel()
        if self._opened is not None:
            self._entrance.end(self._opened)
        self._last_words(sentence)

    def _last_words(self, sentence: str) -> None:
        if self._channel.is_closing():
            return
        ending = "\r\n" if self._terminal is not None else "\n"
        with contextlib.suppress(OSError):
            self._channel.write_stderr(f"specola: {sentence.strip()}{ending}".encode())
            self._channel.exit(REFUSED)
        # A visitor who does not read would keep it open.
        asyncio.get_running_loop().call_later(LAST_WORDS, self._channel.abort)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._quietly(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (SpecolaError, OSError) as error:
            self._logger.info("ssh_request_failed", task=self._entrance.task, error=str(error))


def _size(columns: int, rows: int) -> WindowSize:
    """Return the size of a terminal; a client that knows none sends nothing."""
    return WindowSize(columns=min(columns, LARGEST_SIDE) or 80, rows=min(rows, LARGEST_SIDE) or 24)


def _environment(sent: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a client sent; it is the visitor's own task, so only their number is limited."""
    names = [name for name, value in sent.items() if NAME.fullmatch(name) and "\0" not in value]
    return {name: sent[name] for name in names[:MOST_VARIABLES]}
