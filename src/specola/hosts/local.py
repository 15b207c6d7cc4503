"""The machine that the platform runs on as a host: the same verbs, with the rights of the platform's own user."""

import asyncio
import contextlib
import errno
import os
import pwd
import secrets
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from specola.closing import close
from specola.domain.errors import ComputingUnreachableError
from specola.hosts.limits import CHUNK, ERRORS_KEPT, KILLED, MOST_OUTPUT
from specola.ports.computing import Stream
from specola.ports.hosts import Finished, Where
from specola.privileges import account_of, files_as
from specola.threads import in_thread

__all__ = ["LocalHost"]

T = TypeVar("T")
HERE = "127.0.0.1"
CLOSED = 0o700
HANG_UP_SECONDS = 2.0
CONNECT_SECONDS = 10.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LocalHost:
    """The machine itself; implements `specola.ports.hosts.Host`.

    Parameters
    ----------
    computing
        Whose host it is, as errors call it.
    user
        Whom to be where this process is root; None: the user that this process runs as.
    """

    def __init__(self, computing: str, user: str | None = None) -> None:
        self._computing = computing
        self._account = account_of(user) if user is not None and os.geteuid() == 0 else None
        self._home = Path(self._account.pw_dir) if self._account is not None else Path.home()

    @property
    def account(self) -> str:
        """The name of the user whose rights it is used with."""
        return self._account.pw_name if self._account is not None else pwd.getpwuid(os.geteuid()).pw_name

    async def run(self, command: Sequence[str], *, given: bytes = b"", seconds: float = 30.0) -> Finished:
        """See `Host.run`."""
        process = await self._start(command, errors=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(seconds):
                return await self._finished(process, command[0], given)
        except TimeoutError as error:
            raise ComputingUnreachableError(
                self._computing, f"“{command[0]}” was not done within {seconds:g} s"
            ) from error
        finally:
            await _hang_up(process)

    async def open(self, command: Sequence[str]) -> Stream:
        """See `Host.open`."""
        process = await self._start(command, errors=asyncio.subprocess.DEVNULL)
        return _Local(*_pipes(process), process)

    async def connect(self, where: Where) -> Stream:
        """See `Host.connect`."""
        try:
            if not isinstance(where, str):
                address, port = (HERE, where) if isinstance(where, int) else where
                return _Local(*await asyncio.open_connection(address, port))
            connected = await self._as_account(lambda: _connected(self._path(where)))
            return _Local(*await asyncio.open_unix_connection(sock=connected))
        except OSError as error:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{where}: {error.strerror or error}") from error

    async def beyond(self, machine: str, where: str | int) -> Stream:
        """See `Host.beyond`."""
        raise ComputingUnreachableError(
            self._computing,
            f"{machine}, where {where} is, is reached by SSH alone, and this host is the machine itself",
        )

    async def read(self, path: str, *, most: int = 16 * 1024**2) -> bytes | None:
        """See `Host.read`."""

        def read() -> bytes:
            with self._path(path).open("rb") as file:
                return file.read(most)

        try:
            return await self._as_account(read)
        except FileNotFoundError:
            return None

    async def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """See `Host.write`."""
        await self._as_account(lambda: _write(self._path(path), content, mode))

    async def _start(self, command: Sequence[str], *, errors: int) -> asyncio.subprocess.Process:
        # As by SSH: a program that is not there ends with 127 and a word about it.
        argv = ["/bin/sh", "-c", 'exec "$@"', "sh", *command]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SPECOLA_")}
        if self._account is not None:
            who = self._account
            become = ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--init-groups", "--"]
            argv = [*become, *argv]
            environment |= {"HOME": who.pw_dir, "USER": who.pw_name, "LOGNAME": who.pw_name, "SHELL": "/bin/sh"}
            # Root's own may lead to where that user cannot look.
            environment["PATH"] = PATH
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd=self._home if self._home.is_dir() else "/",
            start_new_session=True,
            limit=CHUNK,
        )

    async def _finished(self, process: asyncio.subprocess.Process, name: str, given: bytes) -> Finished:
        assert process.stderr is not None, "it was asked for"
        reader, writer = _pipes(process)
        complaining = asyncio.create_task(_newest(process.stderr))
        feeding = asyncio.create_task(_feed(writer, given))
        try:
            kept, size = [], 0
            while data := await reader.read(CHUNK):
                kept.append(data)
                size += len(data)
                if size > MOST_OUTPUT:
                    raise ComputingUnreachableError(
                        self._computing, f"“{name}” wrote more than {MOST_OUTPUT // 1024**2} MiB"
                    )
            code = await process.wait()
            return Finished(code=code if code >= 0 else KILLED - code, output=b"".join(kept), errors=await complaining)
        finally:
            for one in (feeding, complaining):
                one.cancel()
            await asyncio.gather(feeding, complaining, return_exceptions=True)

    async def _as_account(self, work: Callable[[], T]) -> T:
        def with_its_rights() -> T:
            with files_as(self._account):
                return work()

        return await in_thread(with_its_rights)

    def _path(self, path: str) -> Path:
        return self._home / (path.removeprefix("~").lstrip("/") if path == "~" or path.startswith("~/") else path)


class _Local:
    """A `Stream` over a connection, or over the input and output of a process."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        process: asyncio.subprocess.Process | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._process = process

    async def read(self, most: int = 65536) -> bytes:
        return await self._reader.read(most)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    async def close(self) -> None:
        if self._process is not None:
            self._writer.close()
            await _hang_up(self._process)
            return
        await close(self._writer)


def _pipes(process: asyncio.subprocess.Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    assert process.stdout is not None, "it was asked for"
    assert process.stdin is not None, "it was asked for"
    return process.stdout, process.stdin


async def _feed(writer: asyncio.StreamWriter, given: bytes) -> None:
    """Write a command's input and end it; a command need not read it."""
    with contextlib.suppress(OSError):
        writer.write(given)
        await writer.drain()
        writer.close()


async def _newest(reader: asyncio.StreamReader) -> bytes:
    """Read an output to its end, and keep the newest of it."""
    kept = bytearray()
    while data := await reader.read(CHUNK):
        kept += data
        del kept[:-ERRORS_KEPT]
    return bytes(kept)


async def _hang_up(process: asyncio.subprocess.Process) -> None:
    """End a command with all that it has started, hard if it does not go."""
    for one in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, one)
        if one is signal.SIGHUP:
            continue
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HANG_UP_SECONDS):
                await process.wait()


def _connected(path: Path) -> socket.socket:
    connecting = socket.socket(socket.AF_UNIX)
    try:
        connecting.settimeout(CONNECT_SECONDS)
        connecting.connect(os.fspath(path))
        connecting.setblocking(False)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file under another name, have it brought to the disk, and give it its name."""
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir(mode=CLOSED, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 & mode)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(content)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
