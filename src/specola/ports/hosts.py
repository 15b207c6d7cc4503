"""The port to hosts: machines on which the platform works with an account's rights, by SSH or right here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from specola.ports.computing import Stream

__all__ = ["Finished", "Host", "Hosts", "Identities", "SshIdentity", "Where"]

Where: TypeAlias = str | int | tuple[str, int]
"""A Unix socket by its path, a TCP port of the machine's own loopback, or an address with a port that the machine reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended: its exit code (128 + N for signal N) and what it wrote."""

    code: int
    output: bytes
    errors: bytes

    @property
    def text(self) -> str:
        """Its output as text."""
        return self.output.decode(errors="replace")

    @property
    def complaint(self) -> str:
        """What it complained of, as text."""
        return self.errors.decode(errors="replace").strip()


class Host(Protocol):
    """One account on one machine. All users of one account share one connection, which is made when it is needed.

    Every verb raises `ComputingUnreachableError` when the machine could not be asked, `AccountRefusedError` when it does
    not let this account in, and `HostKeyChangedError` when it is not the machine that was registered.
    """

    async def run(self, command: Sequence[str], *, given: bytes = b"", seconds: float = 30.0) -> Finished:
        """Run a command to its end.

        Parameters
        ----------
        command
            The program and its arguments; no shell of ours reads them, and each arrives as it is.
        given
            Its input. What is secret is given here, since arguments are seen by everybody on the machine.
        seconds
            How long it may take; then it is ended, and the machine counts as not answering.
        """

    async def open(self, command: Sequence[str]) -> Stream:
        """Start a command and return its input and output as one stream; closing it hangs up."""

    async def connect(self, where: Where) -> Stream:
        """Connect to a Unix socket by its path, to a TCP port of the machine's own loopback, or to an address that it reaches.

        Raises
        ------
        ConnectionRefusedError
            Nobody listens there, or this account may not connect.
        """

    async def beyond(self, machine: str, where: str | int) -> Stream:
        """Connect to a socket or port of another machine that this one leads to, logged in there as the same account."""

    async def read(self, path: str, *, most: int = 16 * 1024**2) -> bytes | None:
        """Return a file's content, at most `most` bytes; None: there is none."""

    async def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """Write a file, whole or not at all; missing folders are made, closed to others."""


class Hosts(Protocol):
    """All hosts that this process may work on, by the computing they belong to."""

    def host(self, computing: str, account: str) -> Host:
        """Return an account on the host of a computing; nothing is asked of it yet."""

    async def accounts(self, computing: str) -> Sequence[str]:
        """Return the accounts there that belong to somebody here.

        Raises
        ------
        ConnectorUnreachableError
            Nothing is known of them at the moment.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SshIdentity:
    """What opens an account: a private key in OpenSSH's format, and a certificate of it if there is one.

    `until` is when it stops being good; connections that are open by then go on.
    """

    account: str
    private_key: str = field(repr=False)
    certificate: str | None = None
    until: datetime | None = None


class Identities(Protocol):
    """Where the connector gets what opens accounts."""

    async def identity(self, computing: str, account: str) -> SshIdentity:
        """Return what opens an account on the host of a computing, now.

        Raises
        ------
        AccountRefusedError
            Nobody here has proven that this account is theirs.
        ConnectorUnreachableError
            It cannot be had at the moment.
        """

    async def accounts(self, computing: str) -> Sequence[str]:
        """Return the accounts there that somebody here has proven to be theirs."""
