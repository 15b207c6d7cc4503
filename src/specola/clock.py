"""Where time, ids and randomness come from: handed in as an argument, so that nothing reads them behind one's back."""

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta

from typing_extensions import override

__all__ = ["Clock", "ManualClock"]

# Crockford's alphabet in lower case: no i, l, o, u, so that an id can be read aloud and fits into a host name.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class Clock:
    """The time and the randomness of this machine."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start, never going back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        await asyncio.sleep(seconds)

    def new_id(self, length: int = 10) -> str:
        """Return a random id of `length` characters, 5 bits each, that fits into a host name."""
        return "".join(secrets.choice(ALPHABET) for _ in range(length))

    def new_secret(self) -> str:
        """Return 256 random bits as URL-safe text."""
        return secrets.token_urlsafe(32)


class ManualClock(Clock):
    """A clock that stands still until it is told to go on; for tests and rehearsals."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
        self._monotonic = 0.0

    @override
    def now(self) -> datetime:
        return self._now

    @override
    def monotonic(self) -> float:
        return self._monotonic

    @override
    async def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    def advance(self, step: timedelta) -> None:
        """Let `step` pass at once."""
        self._now += step
        self._monotonic += step.total_seconds()
