"""The limit on attempts to sign in: after some failures each further one has to wait longer."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from specola.domain.errors import TooManyAttemptsError
from specola.storage.attempts import Failures
from specola.storage.store import Transaction

__all__ = ["ADDRESS", "NAME", "Limit", "begin_attempt", "forgive", "subjects_of"]

FORGOTTEN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures are free, and the longest wait, in seconds, that the following ones double up to."""

    free: int
    longest: int

    def wait(self, failures: Failures, now: datetime) -> int:
        """Return the whole seconds to wait after so many failures; 0: none."""
        if failures.count < self.free:
            return 0
        # The exponent is bounded: counts can be large, and so would be the number.
        whole = min(1 << min(failures.count - self.free, 20), self.longest)
        # Where the clock was set back, the last failure lies in the future: it never makes the wait longer.
        since = max(0.0, (now - failures.last).total_seconds())
        return max(0, ceil(whole - since))


NAME = Limit(free=5, longest=60)
"""For one name: short, since anybody can make anybody wait; still a guess a minute at most, whoever guesses."""

ADDRESS = Limit(free=20, longest=900)
"""For one address: more is free, since many people may share it, and the wait grows longer."""


def subjects_of(name: str | None, address: str) -> dict[str, Limit]:
    """Return what an attempt is counted by: a name that could exist, and the address it came from, if known."""
    found = {f"name:{name}": NAME} if name is not None else {}
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return found
    # One customer has a whole /64 of IPv6 addresses to come from.
    network = ipaddress.ip_network((ip, 64 if ip.version == 6 else 32), strict=False)
    return found | {f"address:{network.network_address}": ADDRESS}


async def begin_attempt(transaction: Transaction, subjects: dict[str, Limit], *, now: datetime) -> None:
    """Count an attempt as failed before it is made, so that a hundred at the same time are a hundred.

    Raises
    ------
    TooManyAttemptsError
        One of its subjects has to wait; nothing was counted.

    Notes
    -----
    The counts lie in the database, not in memory: they hold for all `web` processes together, and restarting one,
    which a visitor might be able to cause, forgives nothing.
    """
    await transaction.attempts.forget(before=now - FORGOTTEN)
    known = await transaction.attempts.failures(list(subjects))
    wait = max((limit.wait(known[one], now) for one, limit in subjects.items() if one in known), default=0)
    if wait:
        raise TooManyAttemptsError(wait)
    for subject in subjects:
        count = known[subject].count if subject in known else 0
        await transaction.attempts.save(subject, Failures(count + 1, now))


async def forgive(transaction: Transaction, subjects: dict[str, Limit]) -> None:
    """Take back what was counted for an attempt that turned out right.

    A name begins again; an address loses this one attempt only, else somebody with one account could go on guessing at
    all others.
    """
    known = await transaction.attempts.failures(list(subjects))
    for subject, failures in known.items():
        count = 0 if subjects[subject] is NAME else failures.count - 1
        await transaction.attempts.save(subject, Failures(count, failures.last))
