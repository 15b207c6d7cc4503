"""Trials: computings that are asked before they have a record, or with other settings than their record has."""

from collections.abc import Sequence

from specola.domain.errors import SpecolaError
from specola.ports.hosts import Identities, SshIdentity

__all__ = ["TrialIdentities", "named_as_recorded", "trial_name"]

# No name of a record has it, so a trial meets neither the record's settings nor its connections.
MARK = "~"


def trial_name(name: str, number: int) -> str:
    """Return the name under which a computing is tried while its record goes on."""
    return f"{name}{MARK}{number}"


def _recorded(name: str) -> str:
    return name.partition(MARK)[0]


def named_as_recorded(error: SpecolaError, trial: str) -> SpecolaError:
    """Return a failure of a trial with the name that people know."""
    error.sentence = error.sentence.replace(trial, _recorded(trial))
    error.hint = error.hint.replace(trial, _recorded(trial))
    return error


class TrialIdentities:
    """What opens accounts, for trials as for the record they are of; implements `specola.ports.hosts.Identities`."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    async def identity(self, computing: str, account: str) -> SshIdentity:
        """Return what opens an account."""
        return await self._identities.identity(_recorded(computing), account)

    async def accounts(self, computing: str) -> Sequence[str]:
        """Return the accounts there that somebody here has proven to be theirs."""
        return await self._identities.accounts(_recorded(computing))
