"""Client certificates: what a program shows that connects to a task by TLS, and how long it is good."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from specola.domain.errors import InvalidError
from specola.domain.person import PersonId

__all__ = ["LONGEST_CERTIFICATE", "SHORTEST_CERTIFICATE", "Certificate", "valid_life"]

SHORTEST_CERTIFICATE = timedelta(minutes=5)
LONGEST_CERTIFICATE = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """An issued certificate. It is good no longer than the session or the token that it was asked for with.

    `serial` is the serial number in lower-case hex, without leading zeros: its name everywhere.
    """

    serial: str
    person: PersonId
    session: str | None
    token: str | None
    created: datetime
    expires: datetime


def valid_life(hours: float) -> timedelta:
    """Return for how long a certificate is asked for.

    Raises
    ------
    InvalidError
        It is not 5 minutes to 24 hours.
    """
    # Compared as a number first: what is no number, or too large a one, makes no timedelta.
    if not SHORTEST_CERTIFICATE <= timedelta(hours=hours if 0 < hours < 1000 else 0) <= LONGEST_CERTIFICATE:
        raise InvalidError(
            "A certificate lasts 5 minutes to 24 hours.", hint="Ask for another one when it ends.", field="hours"
        )
    return timedelta(hours=hours)
