"""The collection of software in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.person import PersonId
from specola.domain.software import Release, Software
from specola.storage.changes import Changes, Topic
from specola.storage.documents import RELEASE, storable
from specola.storage.schema.software import ReleaseRow, ShippedRow, SoftwareRow
from specola.storage.schema.tasks import TaskRow

__all__ = ["Catalogue"]


class Catalogue:
    """Reads and writes software."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    async def visible(self, person: PersonId) -> Sequence[Software]:
        """Return what a person sees: their own entries, the installation's, and those shared by others; by title."""
        seen = or_(SoftwareRow.owner == person, SoftwareRow.owner.is_(None), SoftwareRow.shared)
        return await self._many(select(SoftwareRow).where(seen).order_by(SoftwareRow.title, SoftwareRow.id))

    async def all(self) -> Sequence[Software]:
        """Return every entry of everybody, by title."""
        return await self._many(select(SoftwareRow).order_by(SoftwareRow.title, SoftwareRow.id))

    async def named(self, name: str) -> Sequence[Software]:
        """Return all entries whose id or name is `name`, whoever owns them, oldest first."""
        same = or_(SoftwareRow.id == storable(name), SoftwareRow.name == storable(name))
        return await self._many(select(SoftwareRow).where(same).order_by(SoftwareRow.created, SoftwareRow.id))

    async def last_used(self, person: PersonId) -> Mapping[str, datetime]:
        """Return when a person last started each entry, by the entry's id."""
        rows = await self._session.execute(
            select(TaskRow.software, func.max(TaskRow.created))
            .where(TaskRow.owner == person, TaskRow.software.is_not(None))
            .group_by(TaskRow.software)
        )
        return {software: at for software, at in rows if software is not None}

    async def save(self, software: Software) -> None:
        """Write an entry with exactly its releases; those that are there already are only put in order."""
        fields = {
            "name": software.name,
            "owner": software.owner,
            "title": software.title,
            "description": software.description,
            "shared": software.shared,
            "needs_registry": software.needs_registry,
            "tags": list(software.tags),
            "homepage": software.homepage,
        }
        was_shared = await self._session.scalar(select(SoftwareRow.shared).where(SoftwareRow.id == software.id))
        if was_shared is None:
            await self._session.execute(insert(SoftwareRow).values(id=software.id, created=software.created, **fields))
        else:
            await self._session.execute(update(SoftwareRow).where(SoftwareRow.id == software.id).values(**fields))
        await self._save_releases(software)
        self._note(software)
        if was_shared and not software.shared:
            # Everybody has to learn that it is gone for them; who may not see it finds it missing.
            self._changes.note(Topic.SOFTWARE, software.id, None)

    async def _save_releases(self, software: Software) -> None:
        known = set(await self._session.scalars(select(ReleaseRow.id).where(ReleaseRow.software == software.id)))
        gone = known - {release.id for release in software.releases}
        await self._session.execute(delete(ReleaseRow).where(ReleaseRow.id.in_(gone)))
        for place, release in enumerate(software.releases):
            if release.id in known:
                await self._session.execute(update(ReleaseRow).where(ReleaseRow.id == release.id).values(place=place))
                continue
            row = insert(ReleaseRow).values(
                id=release.id,
                software=software.id,
                place=place,
                version=release.version,
                body=RELEASE.write(release),
                created=release.created,
            )
            await self._session.execute(row)

    async def remove(self, software: Software) -> None:
        """Remove an entry with its releases."""
        await self._session.execute(delete(SoftwareRow).where(SoftwareRow.id == software.id))
        self._note(software)

    async def shipped(self) -> Mapping[str, str]:
        """Return the fingerprint of the text of each entry that came with the installation, by name."""
        rows = await self._session.execute(select(ShippedRow.name, ShippedRow.fingerprint))
        return {row[0]: row[1] for row in rows}

    async def save_shipped(self, name: str, fingerprint: str) -> None:
        """Remember which text of a shipped entry is installed."""
        await self._session.execute(delete(ShippedRow).where(ShippedRow.name == name))
        await self._session.execute(insert(ShippedRow).values(name=name, fingerprint=fingerprint))

    def _note(self, software: Software) -> None:
        everybody = software.shared or software.owner is None
        self._changes.note(Topic.SOFTWARE, software.id, None if everybody else software.owner)

    async def _many(self, query: Select[SoftwareRow]) -> Sequence[Software]:
        rows = (await self._session.scalars(query.execution_options(populate_existing=True))).all()
        below = select(ReleaseRow).where(ReleaseRow.software.in_([row.id for row in rows])).order_by(ReleaseRow.place)
        releases: dict[str, list[Release]] = {row.id: [] for row in rows}
        for release in await self._session.scalars(below.execution_options(populate_existing=True)):
            read = replace(RELEASE.read(release.body), id=release.id, created=release.created)
            releases[release.software].append(read)
        return [_software(row, releases[row.id]) for row in rows]


def _software(row: SoftwareRow, releases: Sequence[Release]) -> Software:
    return Software(
        id=row.id,
        name=row.name,
        title=row.title,
        description=row.description,
        owner=row.owner,
        shared=row.shared,
        needs_registry=row.needs_registry,
        tags=tuple(row.tags),
        homepage=row.homepage,
        releases=tuple(releases),
        created=row.created,
    )
