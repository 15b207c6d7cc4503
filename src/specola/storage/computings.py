"""The collection of computings in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Select, delete, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert_postgres
from sqlalchemy.dialects.sqlite import insert as upsert_sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.computing import Audience, Computing, ComputingState, Handle, Intake
from specola.domain.errors import MissingError
from specola.domain.task import TaskId
from specola.storage.changes import Changes, Topic
from specola.storage.documents import OFFER, PROBE, storable
from specola.storage.schema.computings import ComputingRow, LeaseRow, OrphanRow

__all__ = ["Computings"]


class Computings:
    """Reads and writes computings."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    # -- records ----------------------------------------------------------------------------------------------------

    async def all(self) -> Sequence[Computing]:
        """Return every computing, the default one first."""
        query = select(ComputingRow).order_by(ComputingRow.place, ComputingRow.name)
        return [_computing(row) for row in await self._fresh(query)]

    async def get(self, name: str) -> Computing:
        """Return one computing. Raises MissingError."""
        rows = await self._fresh(select(ComputingRow).where(ComputingRow.name == storable(name)))
        if not rows:
            raise MissingError("computing", name)
        return _computing(rows[0])

    async def save(self, computing: Computing, *, sealed: bytes | None = None) -> None:
        """Write a computing's record, but not its state, which a worker writes.

        Parameters
        ----------
        sealed
            Its secret settings, sealed already, whose names stand in the record; None: it has none.
        """
        if bool(computing.secrets) != (sealed is not None):
            raise ValueError("secrets are written together with their names")
        fields = {
            "title": storable(computing.title),
            "kind": computing.kind,
            "description": storable(computing.description),
            "owner": computing.owner,
            "audience": computing.audience.value,
            "groups": list(computing.groups),
            "intake": computing.intake.value,
            "place": computing.order,
            "offer": OFFER.write(computing.offer),
            "settings": storable(dict(computing.settings)),
            "secrets": sealed,
            "secret_names": list(computing.secrets),
            "revision": computing.revision,
        }
        known = await self.known([computing.name])
        if known:
            query = update(ComputingRow).where(ComputingRow.name == computing.name).values(**fields)
            await self._session.execute(query)
        else:
            row = insert(ComputingRow).values(
                id=computing.id, name=computing.name, created=computing.created, error="", **fields
            )
            await self._session.execute(row)
        self._changes.note(Topic.COMPUTING, computing.name, computing.owner)

    async def known(self, names: Collection[str]) -> Mapping[str, Computing]:
        """Return those of many computings that have a record, by name; the others are left out."""
        query = select(ComputingRow).where(ComputingRow.name.in_([storable(name) for name in names]))
        return {row.name: _computing(row) for row in await self._fresh(query)}

    async def sealed(self) -> Mapping[str, bytes]:
        """Return the sealed settings of every computing that has some, by name."""
        query = select(ComputingRow.name, ComputingRow.secrets).where(ComputingRow.secrets.is_not(None))
        return {row[0]: row[1] for row in await self._session.execute(query) if row[1] is not None}

    async def set_intake(self, name: str, intake: Intake) -> None:
        """Write whether a computing takes new tasks; silent if it is so already. Raises MissingError."""
        before = await self.get(name)
        if before.intake is not intake:
            query = update(ComputingRow).where(ComputingRow.name == name).values(intake=intake.value)
            await self._session.execute(query)
            self._changes.note(Topic.COMPUTING, name, before.owner)

    async def remove(self, name: str) -> None:
        """Remove a record with all that hangs on it; silent if it is gone."""
        owner = (await self.known([name])).get(name)
        await self._session.execute(delete(ComputingRow).where(ComputingRow.name == storable(name)))
        self._changes.note(Topic.COMPUTING, name, owner.owner if owner else None)

    async def save_state(self, name: str, state: ComputingState) -> None:
        """Write how a computing was when a worker last asked it.

        It is told as a change only if more than the moment of asking is different.
        """
        record = await self.get(name)
        before, owner = record.state, record.owner
        fields = {
            "asked": state.asked,
            "probe": None if state.probe is None else PROBE.write(state.probe),
            "unreachable_since": state.unreachable_since,
            "error": storable(state.error),
        }
        await self._session.execute(update(ComputingRow).where(ComputingRow.name == name).values(**fields))
        told = (state.probe, state.unreachable_since, state.error)
        if told != (before.probe, before.unreachable_since, before.error):
            self._changes.note(Topic.COMPUTING, name, owner)

    # -- leases -----------------------------------------------------------------------------------------------------

    async def lease(self, name: str, *, holder: str, until: datetime, now: datetime) -> bool:
        """Take a computing's lease, or renew it: one statement that compares and sets.

        Parameters
        ----------
        holder
            Which worker process asks; unlike for each start of a process.
        until
            When the lease is to run out unless it is renewed.
        now
            The present moment; a lease that ran out before it is anybody's.

        Returns
        -------
        bool
            False: another holds it, and it has not run out; or there is no such computing any more.
        """
        if not await self.known([name]):
            return False
        upsert = upsert_postgres if self._session.get_bind().dialect.name == "postgresql" else upsert_sqlite
        query = upsert(LeaseRow).values(computing=name, holder=holder, until=until)
        query = query.on_conflict_do_update(
            index_elements=[LeaseRow.computing],
            set_={"holder": holder, "until": until},
            where=or_(LeaseRow.holder == holder, LeaseRow.until <= now),
        )
        taken = await self._session.execute(query.returning(LeaseRow.holder))
        return taken.first() is not None

    async def release(self, name: str, *, holder: str) -> None:
        """Give a lease back; silent if another holds it by now."""
        await self._session.execute(delete(LeaseRow).where(LeaseRow.computing == name, LeaseRow.holder == holder))

    async def leases(self) -> Mapping[str, datetime]:
        """Return until when each computing's lease runs; those without a lease are left out."""
        rows = await self._session.execute(select(LeaseRow.computing, LeaseRow.until))
        return {row[0]: row[1] for row in rows}

    # -- orphans ----------------------------------------------------------------------------------------------------

    async def save_orphans(self, name: str, found: Mapping[TaskId, Handle]) -> None:
        """Write what carries our label on a computing without a record, in place of what was found before.

        One that an administrator wants removed stays unwanted for as long as it is found.
        """
        before = await self.orphans(name)
        unwanted = set(await self.orphans_to_remove(name)) & set(found)
        if before == dict(found):
            return
        await self._session.execute(delete(OrphanRow).where(OrphanRow.computing == name))
        rows = [
            {"computing": name, "task": task, "handle": handle, "unwanted": task in unwanted}
            for task, handle in found.items()
        ]
        if rows:
            await self._session.execute(insert(OrphanRow), rows)
        self._changes.note(Topic.COMPUTING, name)

    async def orphans(self, name: str) -> Mapping[TaskId, Handle]:
        """Return what a computing was last found to have without a record, by task id."""
        query = select(OrphanRow.task, OrphanRow.handle).where(OrphanRow.computing == name).order_by(OrphanRow.task)
        return {row[0]: row[1] for row in await self._session.execute(query)}

    async def orphans_to_remove(self, name: str) -> Sequence[TaskId]:
        """Return those that an administrator wants removed."""
        query = select(OrphanRow.task).where(OrphanRow.computing == name, OrphanRow.unwanted)
        return (await self._session.scalars(query.order_by(OrphanRow.task))).all()

    async def want_removed(self, name: str, task: TaskId) -> bool:
        """Want one removed; tell whether there is such a one."""
        query = (
            update(OrphanRow).where(OrphanRow.computing == name, OrphanRow.task == storable(task)).values(unwanted=True)
        )
        found = (await self._session.execute(query.returning(OrphanRow.task))).first() is not None
        if found:
            self._changes.note(Topic.COMPUTING, name)
        return found

    async def _fresh(self, query: Select[ComputingRow]) -> Sequence[ComputingRow]:
        return (await self._session.scalars(query.execution_options(populate_existing=True))).all()


def _computing(row: ComputingRow) -> Computing:
    state = ComputingState(
        asked=row.asked,
        probe=None if row.probe is None else PROBE.read(row.probe),
        unreachable_since=row.unreachable_since,
        error=row.error,
    )
    return Computing(
        id=row.id,
        name=row.name,
        title=row.title,
        kind=row.kind,
        description=row.description,
        owner=row.owner,
        audience=Audience(row.audience),
        groups=tuple(row.groups),
        intake=Intake(row.intake),
        order=row.place,
        offer=OFFER.read(row.offer),
        settings=row.settings,
        secrets=tuple(row.secret_names),
        revision=row.revision,
        state=state,
        created=row.created,
    )
