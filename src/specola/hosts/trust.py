"""Which host keys a machine may show, from its settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from specola.domain.errors import InvalidError
from specola.hosts.config import MachineSettings

__all__ = ["ALGORITHMS", "CERTIFIED", "Trust"]

WEAK = {"ssh-rsa", "ssh-rsa-cert-v01@openssh.com"}
"""Signatures with SHA-1."""
ALGORITHMS = tuple(name.decode() for name in get_default_public_key_algs() if name.decode() not in WEAK)
CERTIFIED = tuple(name.decode() for name in get_default_certificate_algs() if name.decode() not in WEAK)


@dataclass(frozen=True, slots=True)
class Trust:
    """Host keys, and authorities that certify host keys; nothing else makes a machine the right one."""

    keys: tuple[asyncssh.SSHKey, ...]
    authorities: tuple[asyncssh.SSHKey, ...]

    @classmethod
    def of(cls, machine: MachineSettings) -> "Trust":
        """Read what is registered of a machine.

        Raises
        ------
        InvalidError
            Nothing is, or a line of it is no public key.
        """
        if not machine.keys and not machine.authorities:
            raise InvalidError(
                f"No host key of {machine.address} is registered, so nobody could tell it from another machine.",
                hint="Give its host keys, or the authority that certifies them; specola hosts scan shows the keys.",
                field="host.keys",
            )
        return cls(_read(machine.keys, "keys"), _read(machine.authorities, "authorities"))

    @property
    def known(self) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]:
        """Keys, authorities and revoked keys, as a connection is told them."""
        return list(self.keys), list(self.authorities), []

    def orders(self) -> Iterator[Sequence[str]]:
        """Yield the algorithms of host keys to ask for, as often as it is worth asking.

        Notes
        -----
        A server has several keys, and shows the first kind that it is asked for. So what is registered comes first; all
        others follow, since a machine that has none of these kinds should show what it has, and be refused by name. A
        certificate may be too old where a key of the machine is registered as well: then it is asked once more, for keys.
        """
        ours = [name.decode() for key in self.keys for name in key.sig_algorithms if name.decode() not in WEAK]
        plain = [*dict.fromkeys([*ours, *ALGORITHMS])]
        if self.authorities:
            yield [*CERTIFIED, *plain]
        if self.keys:
            yield plain


def _read(lines: Sequence[str], field: str) -> tuple[asyncssh.SSHKey, ...]:
    try:
        return tuple(asyncssh.import_public_key(line.strip()) for line in lines)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise InvalidError(
            "A registered host key is not a public key.",
            hint="Each is a line such as “ssh-ed25519 AAAA…”, as specola hosts scan prints it.",
            field=f"host.{field}",
        ) from error
