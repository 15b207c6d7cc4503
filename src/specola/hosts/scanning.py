"""Asks a machine for its host keys before anything of it is registered; a person compares them with what they know."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncssh
from typing_extensions import override

from specola.addresses import is_here, resolved
from specola.domain.errors import AccountRefusedError, MachineUnreachableError
from specola.hosts.config import MachineSettings
from specola.hosts.dialling import ELSEWHERE, Dialled, Patience, dial, reason_of
from specola.hosts.trust import ALGORITHMS, CERTIFIED
from specola.ports.hosts import SshIdentity

__all__ = ["HostKey", "host_authorities", "host_keys"]

KINDS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
)
"""What a server may have; each is asked for by itself, since it shows one key at a time."""
ANSWER_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """A key as a machine shows it.

    Parameters
    ----------
    kind
        As its line begins: `ssh-ed25519`.
    line
        What a record takes under `keys` or `authorities`.
    fingerprint
        As `ssh-keygen -l` prints it on that machine.
    """

    kind: str
    line: str
    fingerprint: str


async def host_keys(
    machine: MachineSettings, *, identity: SshIdentity | None = None, elsewhere: bool = False
) -> Sequence[HostKey]:
    """Return the host keys that a machine proves to have.

    Parameters
    ----------
    machine
        Its address and port, and the machines to be passed on the way, whose own keys have to be registered.
    identity
        What opens the account on these; without any, None.
    elsewhere
        Refuse to connect into this machine, or to where only its own link leads.

    Raises
    ------
    MachineUnreachableError
        No SSH server answers there.
    ComputingUnreachableError
        A machine on the way cannot be passed.

    Notes
    -----
    This is what whoever answers at that address says, be it the right machine or not. Only a person can know that, by
    comparing fingerprints with what the machine's operators say.
    """
    way = await _way(machine, identity)
    if elsewhere and way is None:
        machine = await _vetted(machine)
    try:
        # Whatever it shows first tells that a server is there. One that lacks what it is asked for simply hangs up.
        first = await _shown(machine, ALGORITHMS, way)
        others = await asyncio.gather(*(_shown(machine, (kind,), way) for kind in KINDS), return_exceptions=True)
    finally:
        if way is not None:
            way.close()
    found = (first, *(other for other in others if isinstance(other, asyncssh.SSHKey)))
    return list(dict.fromkeys(_described(key) for key in found))


async def host_authorities(machine: MachineSettings, *, identity: SshIdentity | None = None) -> Sequence[HostKey]:
    """Return the authorities that have certified the host keys of a machine, none if they are not certified.

    See `host_keys` for parameters and failures.
    """
    way = await _way(machine, identity)
    claimed = _Claimed()
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await asyncssh.connect(
                machine.address,
                machine.port,
                tunnel=way.connection if way is not None else (),
                client_factory=lambda: claimed,
                config=None,
                known_hosts=([], [], []),
                server_host_key_algs=list(CERTIFIED),
                username="nobody",
                client_keys=None,
                agent_path=None,
                x509_trusted_certs=None,
            )
    except (asyncssh.Error, OSError):
        # Nothing was trusted, so it cannot end otherwise; by then it has shown what it has.
        return [_described(key) for key in claimed.authorities]
    finally:
        if way is not None:
            way.close()
    raise AssertionError("it was entered though nothing was trusted")


class _Claimed(asyncssh.SSHClient):
    """Trusts nothing, and notes by whom what is shown was certified."""

    def __init__(self) -> None:
        self.authorities: list[asyncssh.SSHKey] = []

    @override
    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.authorities.append(key)
        return False


async def _vetted(machine: MachineSettings) -> MachineSettings:
    """Return a machine by the very address that its name has now."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            addresses = await resolved(machine.address, machine.port)
    except OSError as error:
        raise MachineUnreachableError(machine.address, reason_of(error)) from error
    if any(map(is_here, addresses)):
        raise MachineUnreachableError(machine.address, f"it {ELSEWHERE}")
    return machine.model_copy(update={"address": addresses[0]})


async def _way(machine: MachineSettings, identity: SshIdentity | None) -> Dialled | None:
    """Log in on the machine that has to be passed last, if there is one."""
    if machine.jump is None:
        return None
    if identity is None:
        raise AccountRefusedError(machine.jump.address, "", "nothing was given that opens an account there")
    return await dial(machine.jump.address, machine.jump, identity, patience=Patience())


async def _shown(machine: MachineSettings, algorithms: Sequence[str], way: Dialled | None) -> asyncssh.SSHKey:
    """Return the key that a machine shows if it is asked for one of some kinds."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            key = await asyncssh.get_server_host_key(
                machine.address,
                machine.port,
                tunnel=way.connection if way is not None else (),
                config=None,
                server_host_key_algs=list(algorithms),
            )
    except (asyncssh.Error, OSError) as error:
        raise MachineUnreachableError(machine.address, reason_of(error)) from error
    assert key is not None, "no other way to prove who it is was offered"
    return key


def _described(key: asyncssh.SSHKey) -> HostKey:
    line = " ".join(key.export_public_key().decode("ascii").split()[:2])
    return HostKey(kind=line.partition(" ")[0], line=line, fingerprint=key.get_fingerprint())
