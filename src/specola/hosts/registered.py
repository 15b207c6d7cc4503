"""The hosts of all computings by their records, over connections that are shared by whoever asks."""

import logging
from collections.abc import Awaitable, Callable, Sequence

import asyncssh
import structlog

from specola.domain.errors import (
    AccountRefusedError,
    ComputingUnreachableError,
    ConnectorUnreachableError,
    HostKeyChangedError,
    InvalidError,
    MissingError,
)
from specola.hosts.config import HostSettings, Identity, MachineSettings
from specola.hosts.dialling import Dialled, Patience, dial
from specola.hosts.local import LocalHost
from specola.hosts.pool import IDLE_SECONDS
from specola.hosts.ssh import SshHost
from specola.ports.computing import Stream
from specola.ports.hosts import Finished, Host, Identities, Where

__all__ = ["RegisteredHosts"]


class RegisteredHosts:
    """The hosts of all computings by their records; implements `specola.ports.hosts.Hosts`.

    Parameters
    ----------
    settings
        Gives the settings of a computing's host, as they are now.
    identities
        Gives what opens an account, anew for each connection.
    local_user
        Whom to be on this machine, if this process is root.
    own
        Tells whether a computing is a person's own, whose host is not to lead into this machine; None: none is.
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
        local_user: str | None = None,
        own: Callable[[str], bool] | None = None,
        patience: Patience | None = None,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._settings = settings
        self._own = own or _none_is
        self._identities = identities
        self._local_user = local_user
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
        """Return the accounts there that belong to somebody here; where all share one, that one."""
        settings = await self._settings(computing)
        match settings.identity:
            case Identity.LOCAL:
                return (LocalHost(computing, self._local_user).account,)
            case Identity.SHARED:
                return (settings.account,)
            case Identity.CERTIFICATE | Identity.KEY:
                return await self._identities.accounts(computing)

    async def now(self, computing: str, account: str) -> Host:
        """Return an account by the settings of this moment: a host that is reached in another way is another one.

        Raises
        ------
        ComputingUnreachableError
            Its settings are not known at the moment.
        """
        try:
            settings = await self._settings(computing)
        except (ConnectorUnreachableError, MissingError, InvalidError) as error:
            raise ComputingUnreachableError(computing, error.sentence.rstrip(".")) from error
        if settings.identity is Identity.LOCAL:
            return LocalHost(computing, self._local_user)
        known = self._known.get((computing, account))
        if known is not None and known.settings == settings:
            return known
        if known is not None:
            known.retire()
            self._retired = [host for host in (*self._retired, known) if host.connections]
        made = SshHost(computing, account, settings, dial=self._dial, patience=self._patience, idle=self._idle)
        self._known[computing, account] = made
        return made

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return sum(host.connections for host in (*self._known.values(), *self._retired))

    @property
    def open_accounts(self) -> Sequence[tuple[str, str]]:
        """The accounts that connections are open as, each with its computing."""
        hosts = (*self._known.values(), *self._retired)
        return sorted({(host.computing, host.account) for host in hosts if host.connections})

    def leave(self, computing: str, account: str) -> None:
        """Close all that is open as an account on a computing's host; silent if nothing is."""
        leaving = {host for host in (*self._known.values(), *self._retired) if host.is_of(computing, account)}
        self._known.pop((computing, account), None)
        self._retired = [host for host in self._retired if host not in leaving]
        for host in leaving:
            host.close()

    def forget(self, computing: str) -> None:
        """Close the connections to the host of a computing that is no longer asked; silent if there are none."""
        for key in [key for key in self._known if key[0] == computing]:
            self._known.pop(key).close()
        for host in self._retired:
            if host.computing == computing:
                host.close()
        self._stopped.pop(computing, None)

    def close(self) -> None:
        """Close every connection, with what goes on over it."""
        for host in (*self._known.values(), *self._retired):
            host.close()
        self._known.clear()
        self._retired.clear()

    async def _dial(
        self, host: SshHost, machine: MachineSettings, through: asyncssh.SSHClientConnection | None
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
        try:
            identity = await self._identities.identity(computing, host.account)
            if identity.account != host.account:
                raise AccountRefusedError(computing, host.account, "what was given opens another account")
            return await dial(
                computing,
                machine,
                identity,
                patience=self._patience,
                through=through,
                elsewhere=self._own(computing),
            )
        except ConnectorUnreachableError as error:
            raise ComputingUnreachableError(computing, "what opens the account cannot be had at the moment") from error
        except HostKeyChangedError as error:
            if through is None:
                self._stopped[computing] = (host.settings, error)
                self._logger.error(  # noqa: TRY400 - the trace says nothing more
                    "host_key_changed", computing=computing, machine=machine.address, shown=error.fingerprint
                )
            raise


def _none_is(_computing: str) -> bool:
    return False


class _Registered:
    """An account on a computing's host, whose settings are looked up at each use."""

    def __init__(self, hosts: RegisteredHosts, computing: str, account: str) -> None:
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

    async def _now(self) -> Host:
        return await self._hosts.now(self._computing, self._account)
