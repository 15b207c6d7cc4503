"""Proof that an account on a host is somebody's: a connection of its own, which sees where it came to."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncssh

from specola.connector.identities import ConnectorIdentities
from specola.domain.account_link import READ_PROOF, SHOW_ACCOUNT, AccountSeen
from specola.domain.errors import AccountRefusedError, ComputingUnreachableError
from specola.hosts.config import HostSettings
from specola.hosts.dialling import Patience, dial

__all__ = ["Prover"]

SECONDS = 30.0
MOST = 64 * 1024


class Prover:
    """Enters accounts with what only their owners can have prepared.

    Parameters
    ----------
    settings
        Gives the host of a computing.
    own
        Tells whether a computing is a person's own.
    """

    def __init__(
        self,
        settings: Callable[[str], Awaitable[HostSettings]],
        identities: ConnectorIdentities,
        *,
        own: Callable[[str], bool],
    ) -> None:
        self._settings = settings
        self._own = own
        self._identities = identities

    async def prove(self, computing: str, account: str, person: str) -> AccountSeen:
        """Connect as an account and tell what is there; nothing of it is shared with connections for work.

        Raises
        ------
        AccountRefusedError
            It does not let the platform in, or runs no commands.
        ComputingUnreachableError, HostKeyChangedError
            The host does not answer, or is another machine.
        """
        host = await self._settings(computing)
        identity = await self._identities.proving(computing, account, person)
        dialled = await dial(computing, host, identity, patience=Patience(), elsewhere=self._own(computing))
        try:
            # With a certificate, its own command runs in place of this one.
            command = SHOW_ACCOUNT if identity.certificate is None else READ_PROOF
            async with asyncio.timeout(SECONDS):
                output = await _newest(dialled.connection, command)
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise ComputingUnreachableError(computing, f"“{account}” was entered and ran no command") from error
        finally:
            dialled.abort()
        return _seen(computing, account, output.decode(errors="replace"), challenged=bool(identity.certificate))


async def _newest(connection: asyncssh.SSHClientConnection, command: str) -> bytes:
    """Run a command and return the end of what it wrote; a host may write without end."""
    kept = b""
    async with connection.create_process(command, encoding=None, stderr=asyncssh.DEVNULL) as process:
        while data := await process.stdout.read(MOST):
            kept = (kept + data)[-MOST:]
    return kept


def _seen(computing: str, account: str, output: str, *, challenged: bool) -> AccountSeen:
    """Read what the command wrote, behind whatever the account's own shell wrote before."""
    lines = output.splitlines()
    place = next((number for number in range(len(lines) - 2, -1, -1) if _is_number(lines, number, account)), None)
    if place is None:
        raise AccountRefusedError(computing, account, "it runs no commands, or other ones than it is asked to")
    proof = lines[place + 2] if challenged and len(lines) > place + 2 else ""
    return AccountSeen(number=int(lines[place]), name=lines[place + 1].strip(), proof=proof)


def _is_number(lines: list[str], place: int, account: str) -> bool:
    """Tell whether a line is the account's number, and the next one its name, as it may be written there."""
    return lines[place].strip().isdecimal() and lines[place + 1].strip().lower() == account.lower()
