"""Makes one SSH connection, machine after machine, each of which shows its host key."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncssh
from typing_extensions import override

from specola.addresses import is_here, resolved
from specola.domain.errors import (
    AccountRefusedError,
    ComputingUnreachableError,
    HostKeyChangedError,
    InvalidError,
    SpecolaError,
)
from specola.hosts.config import MachineSettings
from specola.hosts.trust import Trust
from specola.ports.hosts import SshIdentity

__all__ = ["ELSEWHERE", "Dialled", "Patience", "dial", "reason_of"]

CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
)
"""The fastest first."""
ELSEWHERE = "is on the platform's own machine, or where only that machine's link leads; an administrator can add it"
ALIVE_SECONDS = 15.0
ALIVE_MISSED = 3
"""A machine that answers none of so many questions, so many seconds apart, is gone."""
ALWAYS: Mapping[str, object] = {
    # Nothing is taken from the files, the agent or the environment of whoever started this process.
    "config": None,
    "agent_path": None,
    "x509_trusted_certs": None,
    "preferred_auth": "publickey",
    "password_auth": False,
    "kbdint_auth": False,
    "host_based_auth": False,
    "gss_auth": False,
    "gss_kex": False,
    "encryption_algs": CIPHERS,
    "compression_algs": ["none"],
    # How long each part may take is seen to here.
    "connect_timeout": None,
    "login_timeout": 0,
    "keepalive_interval": ALIVE_SECONDS,
    "keepalive_count_max": ALIVE_MISSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each part may take, in seconds.

    Parameters
    ----------
    connect
        Until a machine has accepted the connection.
    enter
        From then until it has let the account in.
    start
        Until a command has begun: what a login does before (modules, quotas, a home on a tape) takes its time.
    answer
        Until a machine has said anything at all. One that has not is asked whether it is still there.
    """

    connect: float = 15.0
    enter: float = 30.0
    start: float = 60.0
    answer: float = 5.0


@dataclass(eq=False, slots=True)
class Dialled:
    """A connection that is open, and the ones that it goes through, the last of them the nearest to it."""

    connection: asyncssh.SSHClientConnection
    through: list[asyncssh.SSHClientConnection] = field(default_factory=list)

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be asked of it any more."""
        return self.connection.get_owner() is None

    def on_loss(self, tell: Callable[[], None]) -> None:
        """Have `tell` called once the connection is gone."""
        owner = self.connection.get_owner()
        if isinstance(owner, _Visitor):
            owner.lost.append(tell)
        else:
            tell()

    def doubt(self, seconds: float) -> None:
        """Find out within some seconds whether the machine is still there, since it has not answered in time."""
        if not self.is_lost:
            self.connection.set_keepalive(seconds / (ALIVE_MISSED + 1))
            asyncio.get_running_loop().call_later(2 * seconds, self._trust)

    def _trust(self) -> None:
        if not self.is_lost:
            self.connection.set_keepalive(ALIVE_SECONDS)

    def close(self) -> None:
        """Say goodbye."""
        for one in (self.connection, *reversed(self.through)):
            one.close()

    def abort(self) -> None:
        """Leave without a word."""
        for one in (self.connection, *reversed(self.through)):
            one.abort()


class _Visitor(asyncssh.SSHClient):
    """What happens on the way in: when the next part of it begins, and which key was not a registered one."""

    def __init__(self, limit: asyncio.Timeout, patience: Patience) -> None:
        self._limit = limit
        self._patience = patience
        self.shown = ""
        self.lost: list[Callable[[], None]] = []
        self.is_there = False

    @override
    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.is_there = True
        self._limit.reschedule(asyncio.get_running_loop().time() + self._patience.enter)

    @override
    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.shown = key.get_fingerprint()
        return False

    @override
    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.shown = f"of the authority {key.get_fingerprint()}"
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        for tell in self.lost:
            tell()


async def dial(
    computing: str,
    machine: MachineSettings,
    identity: SshIdentity,
    *,
    patience: Patience,
    through: asyncssh.SSHClientConnection | None = None,
    elsewhere: bool = False,
) -> Dialled:
    """Connect to a machine, by the machines that have to be passed on the way, and log in on each as the same account.

    Parameters
    ----------
    computing
        Whose host it is, as errors call it.
    through
        A connection to go through, instead of the ways that the settings name.
    elsewhere
        Refuse to connect into this machine, or to where only its own link leads: whoever named the host is no administrator.

    Raises
    ------
    ComputingUnreachableError
        One of them does not answer, or what is registered of it cannot be read.
    AccountRefusedError
        One of them does not let the account in.
    HostKeyChangedError
        One of them shows a host key that is not registered.
    """
    ways: list[MachineSettings] = [machine]
    while through is None and ways[-1].jump is not None:
        ways.append(ways[-1].jump)
    passed: list[asyncssh.SSHClientConnection] = []
    try:
        for one in reversed(ways):
            before = passed[-1] if passed else through
            # What a machine that was passed connects to is that machine's affair.
            vetted = await _vetted(computing, one, patience) if elsewhere and before is None else None
            passed.append(await _enter(computing, one, identity, patience=patience, through=before, at=vetted))
    except BaseException:
        for one_passed in reversed(passed):
            one_passed.abort()
        raise
    return Dialled(passed.pop(), passed)


async def _vetted(computing: str, machine: MachineSettings, patience: Patience) -> str:
    """Return the very address that is connected to: whoever owns the name could answer differently the second time."""
    try:
        async with asyncio.timeout(patience.connect):
            addresses = await resolved(machine.address, machine.port)
    except TimeoutError as error:
        raise ComputingUnreachableError(computing, f"{machine.address} was not found in time") from error
    except OSError as error:
        raise ComputingUnreachableError(computing, f"{machine.address}: {reason_of(error)}") from error
    if any(map(is_here, addresses)):
        raise ComputingUnreachableError(computing, f"{machine.address} {ELSEWHERE}")
    return addresses[0]


async def _enter(
    computing: str,
    machine: MachineSettings,
    identity: SshIdentity,
    *,
    patience: Patience,
    through: asyncssh.SSHClientConnection | None,
    at: str | None,
) -> asyncssh.SSHClientConnection:
    """Log in on one machine, `at` an address or where its name leads; what is registered of it decides how often it is asked for its key."""
    try:
        trust, key = Trust.of(machine), _client_key(computing, identity)
    except InvalidError as error:
        # Nothing was learned of any task there.
        raise ComputingUnreachableError(computing, error.sentence.rstrip(".")) from error
    failure: SpecolaError | None = None
    for algorithms in trust.orders():
        limit = asyncio.timeout(patience.connect)
        visitor = _Visitor(limit, patience)
        try:
            async with _border(computing, machine, identity.account, visitor), limit:
                return await asyncssh.connect(
                    at or machine.address,
                    machine.port,
                    # Certificates of hosts are for names.
                    host_key_alias=machine.address if at else None,
                    tunnel=through or (),
                    client_factory=lambda visitor=visitor: visitor,
                    username=identity.account,
                    client_keys=[key],
                    known_hosts=trust.known,
                    server_host_key_algs=list(algorithms),
                    **ALWAYS,
                )
        except HostKeyChangedError as error:
            failure = error
        except _UncertainError as error:
            failure = error.told
    assert failure is not None, "it was asked at least once"
    raise failure


class _UncertainError(Exception):
    """A host certificate that is not good at the moment."""

    def __init__(self, told: ComputingUnreachableError) -> None:
        super().__init__(str(told))
        self.told = told


@asynccontextmanager
async def _border(computing: str, machine: MachineSettings, account: str, visitor: _Visitor) -> AsyncIterator[None]:
    """Turn what goes wrong on the way in into failures of ours."""
    name = machine.address
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        if visitor.shown:
            raise HostKeyChangedError(computing, name, visitor.shown) from error
        # A certificate of a registered authority, but too old, or for another name: nobody has taken the machine's place.
        told = ComputingUnreachableError(computing, f"the host certificate of {name} is not good: {error.reason}")
        raise _UncertainError(told) from error
    except asyncssh.PermissionDenied as error:
        raise AccountRefusedError(computing, account, f"{name}: {error.reason}") from error
    except TimeoutError as error:
        missing = "did not finish the login" if visitor.is_there else "could not be connected to"
        raise ComputingUnreachableError(computing, f"{name} {missing} in time") from error
    except asyncssh.ChannelOpenError as error:
        raise ComputingUnreachableError(
            computing, f"{name} could not be reached from the machine before it: {error.reason}"
        ) from error
    except (asyncssh.Error, OSError) as error:
        raise ComputingUnreachableError(computing, f"{name}: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """Return what went wrong with a connection, in words."""
    if isinstance(error, asyncssh.DisconnectError):
        return error.reason or type(error).__name__
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _client_key(
    computing: str, identity: SshIdentity
) -> "asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]":
    try:
        key = asyncssh.import_private_key(identity.private_key)
        if identity.certificate is None:
            return key
        return key, asyncssh.import_certificate(identity.certificate)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError) as error:
        raise InvalidError(
            f"What opens the account “{identity.account}” on “{computing}” cannot be read.",
            hint="Keys are in OpenSSH's format, without a password.",
        ) from error
