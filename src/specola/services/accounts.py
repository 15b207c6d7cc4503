"""Which account on a computing a person's tasks run with."""

from pydantic import ValidationError

from specola.domain.computing import Computing
from specola.domain.errors import AccountMissingError
from specola.domain.person import PersonId
from specola.hosts.config import HostSettings, Identity
from specola.storage.store import Transaction

__all__ = ["OWN", "account_for", "as_account", "end_links_of_another", "host_of", "is_shared"]

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


def is_shared(computing: Computing) -> bool:
    """Tell whether all tasks on a computing run with one account."""
    host = host_of(computing)
    return host is not None and host.identity is Identity.SHARED


def as_account(computing: Computing, account: str | None) -> str:
    """Return with which account a task runs, as the end of a sentence; empty where it knows none."""
    if account is None:
        return ""
    return f", as “{account}”{', the account of all tasks there' if is_shared(computing) else ''}"


async def end_links_of_another(tx: Transaction, before: Computing, after: Computing) -> None:
    """End everybody's links on a computing whose record leads to another machine than before.

    A name that was proven on one machine may be anybody's on another one.
    """
    host, other = host_of(before), host_of(after)
    if host is None or (other is not None and other.leads_as(host)):
        return
    for link in await tx.account_links.on(before.name):
        await tx.account_links.remove(link)


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
