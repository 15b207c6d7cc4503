"""Which account on a computing a person's tasks run with."""

from pydantic import ValidationError

from specola.domain.computing import Computing
from specola.domain.errors import AccountMissingError
from specola.domain.person import PersonId
from specola.hosts.config import HostSettings, Identity
from specola.storage.store import Transaction

__all__ = ["OWN", "account_for", "host_of"]

OWN = frozenset({Identity.CERTIFICATE, Identity.KEY})
"""Where everybody's tasks run with their own account."""


def host_of(computing: Computing) -> HostSettings | None:
    """Return the host that a computing works on; None: it works on none, or nobody can read which."""
    told = computing.settings.get("host")
    if told is None:
        return None
    try:
        return HostSettings.model_validate(told)
    except ValidationError:
        # Its adapter does not open either, and says why.
        return None


async def account_for(tx: Transaction, computing: Computing, person: PersonId) -> str | None:
    """Return the account that a person's tasks run with on a computing; None: it knows no accounts.

    Raises
    ------
    AccountMissingError
        It has to be the person's own, and they have proven none.
    """
    host = host_of(computing)
    if host is None or host.identity is Identity.LOCAL:
        return None
    if host.identity is Identity.SHARED:
        return host.account or None
    link = await tx.account_links.get(person, computing.name)
    if link is None or not link.is_proven:
        raise AccountMissingError(computing.name, pending=link is not None)
    return link.account
