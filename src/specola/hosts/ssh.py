"""Hosts by SSH: one shared connection for each account, which every verb goes over."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import asyncssh
import structlog

from specola.domain.errors import AccountRefusedError, ComputingUnreachableError, HostKeyChangedError
from specola.hosts.channel import Channel
from specola.hosts.commands import Marked, line_for, new_mark
from specola.hosts.config import HostSettings, MachineSettings
from specola.hosts.dialling import Dialled, Patience, dial
from specola.hosts.pool import IDLE_SECONDS, Pool
from specola.hosts.sftp import Files
from specola.ports.computing import Stream
from specola.ports.hosts import Finished, Host, Identities, Where

__all__ = ["SshHost", "SshHosts"]

MOST_OUTPUT = 5 * 1024**2
HERE = "127.0.0.1"
NOISE_SHOWN = 300
CHUNK = 65536

Dial: TypeAlias = "Callable[[SshHost, MachineSettings, asyncssh.SSHClientConnection | None], Awaitable[Dialled]]"


class SshHosts:
    """The hosts of all computings; implements `specola.ports.hosts.Hosts`.

    Parameters
    ----------
    settings
        Gives the settings of a computing's host, as they are now.
    identities
        Gives what opens an account, anew for each connection.
    patience
        Other time limits than the usual ones.
    idle
        Seconds without use after which a connection is closed.
    """

    def __init__(
        self,
        settings: Callable[[str], Awaitable[HostSettings]],
        identities: Identities,
        *,
        patience: Patience | None = None,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._settings = settings
        self._identities = identities
        self._patience = patience or Patience()
        self._idle = idle
        self._known: dict[tuple[str, str], SshHost] = {}
        self._retired: list[SshHost] = []
        self._stopped: dict[str, tuple[HostSettings, HostKeyChangedError]] = {}
        self._logger = structlog.stdlib.get_logger("specola.hosts")
        # It tells of every packet's fate; what matters of it is told by us.
        logging.getLogger("asyncssh").setLevel(logging.ERROR)

    def host(self, computing: str, account: str) -> Host:
        """Return an account on the host of a computing; nothing is asked of it yet."""
        return _Registered(self, computing, account)

    async def accounts(self, computing: str) -> Sequence[str]:
        """Return the accounts there that belong to somebody here."""
        return await self._identities.accounts(computing)

    async def now(self, computing: str, account: str) -> "SshHost":
        """Return an account by the settings of this moment: a host that is reached in another way is another one."""
        settings = await self._settings(computing)
        known = self._known.get((computing, account))
        if known is not None and known.settings == settings:
            return known
        if known is not None:
            known.retire()
            self._retired = [host for host in (*self._retired, known) if host.connections]
        made = SshHost(computing, account, settings, dial=self._dial, patience=self._patience, idle=self._idle)
        self._known[computing, account] = made
        return made

    def close(self) -> None:
        """Close every connection, with what goes on over it."""
        for host in (*self._known.values(), *self._retired):
            host.close()
        self._known.clear()
        self._retired.clear()

    async def _dial(
        self, host: "SshHost", machine: MachineSettings, through: asyncssh.SSHClientConnection | None
    ) -> Dialled:
        """Connect to a host, or to a machine beyond it.

        A host key that is not registered stops the computing until its settings change: whoever is there now is asked
        nothing more, and shown no account.
        """
        computing = host.computing
        stopped = self._stopped.get(computing)
        if stopped is not None:
            if stopped[0] == host.settings:
                raise stopped[1].with_traceback(None)
            del self._stopped[computing]
        identity = await self._identities.identity(computing, host.account)
        try:
            return await dial(computing, machine, identity, patience=self._patience, through=through)
        except HostKeyChangedError as error:
            if through is None:
                self._stopped[computing] = (host.settings, error)
                self._logger.error(  # noqa: TRY400 - the trace says nothing more
                    "host_key_changed", computing=computing, machine=machine.address, shown=error.fingerprint
                )
            raise


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
        self._pool = Pool(computing, lambda: dial(self, settings, None), idle=idle)
        self._files = Files(computing, self._pool)
        self._beyond: dict[str, Pool] = {}
        self._home = ""

    @property
    def connections(self) -> int:
        """How many connections are open, those to machines beyond it included."""
        return self._pool.connections + sum(pool.connections for pool in self._beyond.values())

    async def run(self, command: Sequence[str], *, given: bytes = b"", seconds: float = 30.0) -> Finished:
        """See `Host.run`."""
        channel, mark = await self._started(command, lasting=False)
        try:
            async with asyncio.timeout(seconds):
                finished = await self._finished(channel, command[0], given)
        except TimeoutError as error:
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
            pool = Pool(self.computing, lambda: self._dial_beyond(further), idle=self._idle)
            self._beyond[machine] = pool
        return await self._connected(pool, where)

    async def read(self, path: str, *, most: int = 16 * 1024**2) -> bytes | None:
        """See `Host.read`."""
        return await self._files.read(path, most=most)

    async def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """See `Host.write`."""
        await self._files.write(path, content, mode=mode)

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
        channel = await self._pool.session(opening, lasting=lasting)
        try:
            async with asyncio.timeout(self._patience.start):
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

    async def _finished(self, channel: Channel, name: str, given: bytes) -> Finished:
        """Give a command its input, and read all it writes."""
        feeding = asyncio.create_task(_feed(channel, given))
        try:
            kept, size = [], 0
            while data := await channel.read(CHUNK):
                kept.append(data)
                size += len(data)
                if size > MOST_OUTPUT:
                    raise ComputingUnreachableError(
                        self.computing, f"“{name}” wrote more than {MOST_OUTPUT // 1024**2} MiB"
                    )
            await channel.over()
        finally:
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feeding
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
            raise ConnectionRefusedError(f"{where} on “{self.computing}”: {error.reason}") from error
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
            self._home = await self._files.home()
        return self._home.rstrip("/") + where[1:]


async def _feed(channel: Channel, given: bytes) -> None:
    """Write a command's input and end it; a command need not read it."""
    with contextlib.suppress(OSError):
        for start in range(0, len(given), CHUNK):
            await channel.write(given[start : start + CHUNK])
        await channel.end()


class _Registered:
    """An account on a computing's host, whose settings are looked up at each use."""

    def __init__(self, hosts: SshHosts, computing: str, account: str) -> None:
        self._hosts = hosts
        self._computing = computing
        self._account = account

    async def run(self, command: Sequence[str], *, given: bytes = b"", seconds: float = 30.0) -> Finished:
        return await (await self._now()).run(command, given=given, seconds=seconds)

    async def open(self, command: Sequence[str]) -> Stream:
        return await (await self._now()).open(command)

    async def connect(self, where: Where) -> Stream:
        return await (await self._now()).connect(where)

    async def beyond(self, machine: str, where: str | int) -> Stream:
        return await (await self._now()).beyond(machine, where)

    async def read(self, path: str, *, most: int = 16 * 1024**2) -> bytes | None:
        return await (await self._now()).read(path, most=most)

    async def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        await (await self._now()).write(path, content, mode=mode)

    async def _now(self) -> SshHost:
        return await self._hosts.now(self._computing, self._account)
