"""An account on a host by SSH: every verb goes over one shared connection."""

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

import asyncssh

from specola.domain.errors import AccountRefusedError, ComputingUnreachableError
from specola.hosts.channel import Channel
from specola.hosts.command_files import CommandFiles
from specola.hosts.commands import Marked, line_for, new_mark
from specola.hosts.config import HostSettings, MachineSettings
from specola.hosts.dialling import Dialled, Patience
from specola.hosts.limits import CHUNK, MOST_OUTPUT
from specola.hosts.pool import NotGrantedError, Pool
from specola.hosts.sftp import NoSftpError, SftpFiles
from specola.ports.computing import Stream
from specola.ports.hosts import Finished, Where

__all__ = ["Dial", "SshHost"]

T = TypeVar("T")
HERE = "127.0.0.1"
NOISE_SHOWN = 300
FILE_SECONDS = 60.0

Dial: TypeAlias = "Callable[[SshHost, MachineSettings, asyncssh.SSHClientConnection | None], Awaitable[Dialled]]"


class SshHost:
    """One account on a host, by the settings of one moment; implements `specola.ports.hosts.Host`.

    Parameters
    ----------
    dial
        Connects to a machine as this account, directly or through a connection.
    """

    def __init__(
        self, computing: str, account: str, settings: HostSettings, *, dial: Dial, patience: Patience, idle: float
    ) -> None:
        self.computing = computing
        self.account = account
        self.settings = settings
        self._dial = dial
        self._patience = patience
        self._idle = idle
        self._pool = Pool(computing, lambda: dial(self, settings, None), patience=patience, idle=idle)
        self._files: SftpFiles | CommandFiles = SftpFiles(computing, self._pool)
        self._beyond: dict[str, Pool] = {}
        self._home = ""

    @property
    def connections(self) -> int:
        """How many connections are open, those to machines beyond it included."""
        return self._pool.connections + sum(pool.connections for pool in self._beyond.values())

    async def run(self, command: Sequence[str], *, given: bytes = b"", seconds: float = 30.0) -> Finished:
        """See `Host.run`."""
        return await self._run(command, given=given, seconds=seconds, most=MOST_OUTPUT)

    async def _run(self, command: Sequence[str], *, given: bytes, seconds: float, most: int) -> Finished:
        channel, mark = await self._started(command, lasting=False)
        try:
            async with asyncio.timeout(seconds):
                finished = await self._finished(channel, command[0], given, most)
        except TimeoutError as error:
            self._pool.doubt()
            raise ComputingUnreachableError(
                self.computing, f"“{command[0]}” was not done within {seconds:g} s"
            ) from error
        except OSError as error:
            raise ComputingUnreachableError(
                self.computing, f"the connection broke off while “{command[0]}” ran ({error})"
            ) from error
        finally:
            channel.hang_up()
        _, marked, after = finished.errors.partition(mark)
        return replace(finished, errors=after) if marked else finished

    async def open(self, command: Sequence[str]) -> Stream:
        """See `Host.open`."""
        channel, _ = await self._started(command, lasting=True)
        return channel

    async def connect(self, where: Where) -> Stream:
        """See `Host.connect`."""
        return await self._connected(self._pool, await self._absolute(where))

    async def beyond(self, machine: str, where: str | int) -> Stream:
        """See `Host.beyond`; the machine's host key has to be one that is registered for the host, or be certified alike."""
        pool = self._beyond.get(machine)
        if pool is None:
            further = self.settings.model_copy(update={"address": machine, "port": 22, "jump": None})
            pool = Pool(self.computing, lambda: self._dial_beyond(further), patience=self._patience, idle=self._idle)
            self._beyond[machine] = pool
        return await self._connected(pool, where)

    async def read(self, path: str, *, most: int = 16 * 1024**2) -> bytes | None:
        """See `Host.read`."""
        return await self._with_files(path, lambda files: files.read(path, most=most))

    async def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """See `Host.write`."""
        await self._with_files(path, lambda files: files.write(path, content, mode=mode))

    async def _with_files(self, path: str, use: "Callable[[SftpFiles | CommandFiles], Awaitable[T]]") -> T:
        """Use the account's files by SFTP, and from the first time that there is none, by commands."""
        try:
            # What opens a pipe in place of a file waits for ever.
            async with asyncio.timeout(2 * FILE_SECONDS):
                try:
                    return await use(self._files)
                except NoSftpError:
                    self._files = CommandFiles(self._run_for_files)
                    return await use(self._files)
        except TimeoutError as error:
            raise ComputingUnreachableError(self.computing, f"the file {path} was not done with in time") from error

    async def _run_for_files(self, command: Sequence[str], given: bytes, most: int) -> Finished:
        return await self._run(command, given=given, seconds=FILE_SECONDS, most=most)

    def is_of(self, computing: str, account: str) -> bool:
        """Tell whether it is this account's."""
        return (self.computing, self.account) == (computing, account)

    def retire(self) -> None:
        """Take no more; what is open goes on to its end."""
        for pool in (self._pool, *self._beyond.values()):
            pool.retire()

    def close(self) -> None:
        """Close its connections, with what goes on over them."""
        for pool in (*self._beyond.values(), self._pool):
            pool.close()

    async def _started(self, command: Sequence[str], *, lasting: bool) -> tuple[Channel, bytes]:
        """Start a command; return its channel once it has begun, with the mark before its complaints."""
        mark = new_mark()
        line = line_for(command, mark)

        async def opening(connection: asyncssh.SSHClientConnection, channel: Channel) -> None:
            await connection.create_session(lambda: channel, line, encoding=None)

        output = Marked(mark)
        try:
            channel = await self._pool.session(opening, lasting=lasting)
        except NotGrantedError as error:
            raise AccountRefusedError(self.computing, self.account, f"it runs no commands: {error}") from error
        try:
            async with asyncio.timeout(self._patience.start):
                with self._pool.watched():
                    while not output.found and (data := await channel.read(CHUNK)):
                        channel.put_back(output.feed(data))
        except TimeoutError as error:
            channel.hang_up()
            raise ComputingUnreachableError(
                self.computing, f"the login of “{self.account}” was not done within {self._patience.start:g} s"
            ) from error
        except OSError as error:
            raise ComputingUnreachableError(self.computing, f"the connection broke off ({error})") from error
        except BaseException:
            channel.hang_up()
            raise
        if not output.found:
            raise self._shut_out(output, channel)
        return channel, mark

    def _shut_out(self, output: Marked, channel: Channel) -> ComputingUnreachableError:
        """Return why a login ended before the command began: such as an account with /usr/sbin/nologin."""
        said = (output.noise or bytes(channel.errors)).decode(errors="replace").strip()
        return AccountRefusedError(
            self.computing, self.account, f"it runs no commands{f': {said[:NOISE_SHOWN]}' if said else ''}"
        )

    async def _finished(self, channel: Channel, name: str, given: bytes, most: int) -> Finished:
        """Give a command its input, and read all it writes."""
        feeding = asyncio.create_task(_feed(channel, given))
        try:
            kept, size = [], 0
            while data := await channel.read(CHUNK):
                kept.append(data)
                size += len(data)
                if size > most:
                    raise ComputingUnreachableError(
                        self.computing, f"“{name}” wrote more than {most / 1024**2:.3g} MiB"
                    )
            await channel.over()
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        if channel.code is None:
            raise ComputingUnreachableError(self.computing, f"it did not say how “{name}” ended")
        return Finished(code=channel.code, output=b"".join(kept), errors=bytes(channel.errors))

    async def _connected(self, pool: Pool, where: Where) -> Stream:
        async def opening(connection: asyncssh.SSHClientConnection, channel: Channel) -> None:
            if isinstance(where, str):
                await connection.create_unix_connection(lambda: channel, where, encoding=None)
            else:
                address, port = (HERE, where) if isinstance(where, int) else where
                await connection.create_connection(lambda: channel, address, port, encoding=None)

        try:
            async with asyncio.timeout(self._patience.connect + self._patience.enter):
                return await pool.stream(opening)
        except asyncssh.ChannelOpenError as error:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"{where} on the host of “{self.computing}”: {error.reason}"
            ) from error
        except TimeoutError as error:
            raise ComputingUnreachableError(self.computing, f"{where} could not be connected to in time") from error

    async def _dial_beyond(self, machine: MachineSettings) -> Dialled:
        """Connect through this host, whose own connection is in use for as long as the other one is open."""
        slot = await self._pool.hold()
        try:
            dialled = await self._dial(self, machine, slot.connection)
        except BaseException:
            slot.release()
            raise
        dialled.on_loss(slot.release)
        return dialled

    async def _absolute(self, where: Where) -> Where:
        """Return a socket's path as its server needs it, which knows no `~`."""
        if not isinstance(where, str) or not where.startswith("~/"):
            return where
        if not self._home:
            self._home = (await self.run(["sh", "-c", 'printf %s "$HOME"'])).text
        return self._home.rstrip("/") + where[1:]


async def _feed(channel: Channel, given: bytes) -> None:
    """Write a command's input and end it; a command need not read it."""
    with contextlib.suppress(OSError):
        for start in range(0, len(given), CHUNK):
            await channel.write(given[start : start + CHUNK])
        await channel.end()
