"""What opens accounts where nobody has proven that one is theirs."""

from collections.abc import Sequence

from specola.domain.errors import AccountRefusedError
from specola.ports.hosts import SshIdentity

__all__ = ["NoIdentities"]


class NoIdentities:
    """Opens no account; implements `specola.ports.hosts.Identities`."""

    async def identity(self, computing: str, account: str) -> SshIdentity:
        """Raise AccountRefusedError."""
        raise AccountRefusedError(computing, account, "nobody here has proven that it is theirs")

    async def accounts(self, _computing: str) -> Sequence[str]:
        """Return no account."""
        return ()
