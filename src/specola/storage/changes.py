"""Changes: what a transaction tells everybody else, numbered in the order of commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from specola.clock import Clock
from specola.storage.schema.change import ChangeRow

__all__ = ["CHANNEL", "KEPT", "Change", "Changes", "Topic"]

KEPT = timedelta(hours=1)
"""How long a change can be asked for again."""

CHANNEL = "specola_change"
"""The channel on which PostgreSQL tells that there are changes."""


class Topic(StrEnum):
    """What a change is about."""

    TASK = "task"
    SOFTWARE = "software"
    COMPUTING = "computing"
    PERSON = "person"
    REVOKED = "revoked"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """That something changed: `topic` and its id.

    `owner` is the person whom it concerns, None: everybody. The key of a `revoked` change is a mark (`session:…`,
    `token:…`, `key:…`, `certificate:…`, `person:…`, `task:…`,
    `account:…`). A `gap` has no key: changes were missed, so anything may be different; what
    follows goes on after its sequence.
    """

    sequence: int
    topic: str
    key: str
    owner: str | None


class Changes:
    """The changes of one transaction, and those that were committed before it."""

    def __init__(self, session: AsyncSession, *, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._noted: dict[tuple[str, str, str | None], None] = {}

    def note(self, topic: Topic, key: str, owner: str | None = None) -> None:
        """Tell, when this transaction commits, that something changed; saying it twice is saying it once."""
        self._noted[topic.value, key, owner] = None

    def revoke(self, mark: str) -> None:
        """Tell the gateways, when this transaction commits, to end all that was let in under `mark`."""
        self.note(Topic.REVOKED, mark)

    async def newest(self) -> int:
        """Return the number of the last change; 0: there was none yet."""
        answer = await self._session.execute(select(func.coalesce(func.max(ChangeRow.sequence), 0)))
        return answer.scalar_one()

    async def after(self, sequence: int, *, most: int = 1000) -> Sequence[Change]:
        """Return the changes after a number, oldest first, at most `most`; a gap if they are not all known any more.

        A number that is higher than the newest is a gap as well: the database was restored from a backup.
        """
        bounds = select(func.coalesce(func.min(ChangeRow.sequence), 1), func.coalesce(func.max(ChangeRow.sequence), 0))
        oldest, newest = (await self._session.execute(bounds)).one()
        if sequence == newest:
            return []
        if not oldest - 1 <= sequence < newest:
            return [Change(sequence=newest, topic=Topic.GAP, key="", owner=None)]
        rows = await self._session.scalars(
            select(ChangeRow).where(ChangeRow.sequence > sequence).order_by(ChangeRow.sequence).limit(most)
        )
        return [Change(sequence=row.sequence, topic=row.topic, key=row.key, owner=row.owner) for row in rows]

    async def write(self) -> bool:
        """Write down what was noted, and forget what is too old; tell whether there was anything. Called once, last.

        Numbers are taken under the write lock, so they are committed in their order and without holes: a reader that
        has seen N never finds a number below N later. The newest change is never forgotten, so numbers never restart.
        """
        if not self._noted:
            return False
        now = self._clock.now()
        newest = await self.newest()
        rows = [
            {"sequence": newest + place, "at": now, "topic": topic, "key": key, "owner": owner}
            for place, (topic, key, owner) in enumerate(self._noted, start=1)
        ]
        # By number, not by time alone: a clock that was set back must not leave a hole between two that are kept.
        forgotten = select(func.max(ChangeRow.sequence)).where(ChangeRow.at < now - KEPT).scalar_subquery()
        await self._session.execute(delete(ChangeRow).where(ChangeRow.sequence <= forgotten))
        await self._session.execute(insert(ChangeRow), rows)
        if self._session.get_bind().dialect.name == "postgresql":
            await self._session.execute(text(f"NOTIFY {CHANNEL}"))
        return True
