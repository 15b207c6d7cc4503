"""The collection of links in one transaction, by which guests look at desktops."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.link import Link, LinkId
from specola.domain.task import TaskId
from specola.storage.changes import Changes, Topic
from specola.storage.schema.links import ViewLinkRow

__all__ = ["Links"]


class Links:
    """Reads and writes links. Secrets come and are looked for as hashes only."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    async def add(self, link: Link, *, secret: str) -> None:
        """Keep a link, and forget all that are too old."""
        await self._session.execute(delete(ViewLinkRow).where(ViewLinkRow.expires <= link.created))
        self._session.add(
            ViewLinkRow(
                id=link.id,
                secret=secret,
                task=link.task,
                interface=link.interface,
                person=link.person,
                token=link.token,
                created=link.created,
                expires=link.expires,
            )
        )
        await self._session.flush()
        self._note(link)

    async def get(self, link: LinkId) -> Link | None:
        """Return a link by id, too old or not; None: it is gone."""
        row = await self._session.get(ViewLinkRow, link)
        return _link_of(row) if row else None

    async def by_secret(self, secret: str) -> Link | None:
        """Return the link of that secret, too old or not."""
        row = await self._session.scalar(select(ViewLinkRow).where(ViewLinkRow.secret == secret))
        return _link_of(row) if row else None

    async def of(self, task: TaskId, *, now: datetime) -> Sequence[Link]:
        """Return the links to a task that are still good, the latest first."""
        rows = await self._session.scalars(
            select(ViewLinkRow)
            .where(ViewLinkRow.task == task, ViewLinkRow.expires > now)
            .order_by(ViewLinkRow.created.desc(), ViewLinkRow.id)
        )
        return [_link_of(row) for row in rows]

    async def count(self, task: TaskId, *, now: datetime) -> int:
        """Return how many links to a task are still good."""
        query = select(func.count()).where(ViewLinkRow.task == task, ViewLinkRow.expires > now)
        return (await self._session.execute(query)).scalar_one()

    async def end(self, link: Link) -> None:
        """Take a link back, and close what is open by it; silent if it is gone."""
        await self._session.execute(delete(ViewLinkRow).where(ViewLinkRow.id == link.id))
        self._changes.revoke(link.mark)
        self._note(link)

    def _note(self, link: Link) -> None:
        self._changes.note(Topic.TASK, link.task, link.person)


def _link_of(row: ViewLinkRow) -> Link:
    return Link(
        id=row.id,
        task=row.task,
        interface=row.interface,
        person=row.person,
        token=row.token,
        created=row.created,
        expires=row.expires,
    )
