"""The collection of failed attempts to sign in, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from specola.storage.schema.people import AttemptRow

__all__ = ["Attempts", "Failures"]


@dataclass(frozen=True, slots=True)
class Failures:
    """How often attempts of one subject failed in a row, and when the last one was made."""

    count: int
    last: datetime


class Attempts:
    """Reads and writes how often something failed, by subject ("name:ada", "address:192.0.2.7")."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def failures(self, subjects: Sequence[str]) -> dict[str, Failures]:
        """Return the failures of each subject that has any."""
        rows = await self._session.scalars(select(AttemptRow).where(AttemptRow.subject.in_(subjects)))
        return {row.subject: Failures(row.failures, row.last) for row in rows}

    async def save(self, subject: str, failures: Failures) -> None:
        """Write down the failures of a subject; none: forget it."""
        if failures.count <= 0:
            await self._session.execute(delete(AttemptRow).where(AttemptRow.subject == subject))
            return
        await self._session.merge(AttemptRow(subject=subject, failures=failures.count, last=failures.last))
        await self._session.flush()

    async def forget(self, *, before: datetime) -> None:
        """Forget those whose last failure is older."""
        await self._session.execute(delete(AttemptRow).where(AttemptRow.last < before))
