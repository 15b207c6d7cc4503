"""What opens the accounts of the lab, from the files of its keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.keys import Keys
from specola.domain.errors import AccountRefusedError
from specola.ports.hosts import SshIdentity

__all__ = ["LabIdentities"]


@dataclass(slots=True)
class LabIdentities:
    """Gives each person their key; implements `specola.ports.hosts.Identities`.

    Parameters
    ----------
    special
        What opens an account instead of its key.
    asked
        The accounts that were asked for, one for each connection.
    """

    keys: Keys
    people: Sequence[str] = ("ann", "ben")
    special: dict[str, SshIdentity] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def identity(self, computing: str, account: str) -> SshIdentity:
        """Return what opens an account."""
        self.asked.append(account)
        if account in self.special:
            return self.special[account]
        if account not in self.people:
            raise AccountRefusedError(computing, account, "nobody here has proven that it is theirs")
        private = self.keys.key(account).read_text(encoding="ascii")
        return SshIdentity(account=account, private_key=private)

    async def accounts(self, _computing: str) -> Sequence[str]:
        """Return everybody."""
        return tuple(self.people)
