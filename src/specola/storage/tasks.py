"""The collection of tasks in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.errors import MissingError, StateError
from specola.domain.person import PersonId
from specola.domain.placement import Placement
from specola.domain.task import FINAL, RANK, Desired, Event, Task, TaskId, TaskState
from specola.domain.waits import Wait
from specola.storage.changes import Changes, Topic
from specola.storage.documents import FORECAST, IMAGE, INTERFACES, PLACEMENT, REASON, RELEASE, RESOURCES, storable
from specola.storage.schema.tasks import EventRow, TaskRow, WishKeyRow

__all__ = ["Tasks", "WishKey"]

LIVE = TaskRow.state.not_in([state.value for state in FINAL])
LONGEST_WORD = 200
KEPT = TaskRow.desired != Desired.DELETED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class WishKey:
    """What an idempotency key was used for."""

    fingerprint: str
    task: TaskId


class Tasks:
    """Reads and writes tasks. Who writes what: services `desired` and `name`, the worker all that a computing tells."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    # -- for services -----------------------------------------------------------------------------------------------

    async def add(self, task: Task, *, credential: bytes) -> None:
        """Write a task's first record; `credential` is sealed already."""
        row = insert(TaskRow).values(
            id=task.id,
            owner=task.owner,
            software=task.software,
            title=task.title,
            release=RELEASE.write(task.release),
            computing=task.computing,
            resources=RESOURCES.write(task.resources),
            placement=PLACEMENT.write(task.placement),
            environment=dict(task.environment),
            parameters=dict(task.parameters),
            again_of=task.again_of,
            account=task.account,
            credential=credential,
            created=task.created,
            name=task.name,
            desired=task.desired.value,
            **_told(task),
        )
        await self._session.execute(row)
        self._note(task)

    async def of(
        self,
        person: PersonId | None,
        *,
        live_only: bool = False,
        before: tuple[datetime, TaskId] | None = None,
        most: int = 50,
    ) -> Sequence[Task]:
        """Return a person's tasks (None: everybody's), the latest first, without deleted ones.

        Parameters
        ----------
        before
            Creation and id of the last task of the page before; the page goes on after it.
        most
            How many at most.
        """
        query = select(TaskRow).where(KEPT).order_by(TaskRow.created.desc(), TaskRow.id.desc()).limit(most)
        if person is not None:
            query = query.where(TaskRow.owner == person)
        if live_only:
            query = query.where(LIVE)
        if before is not None:
            created, last = before
            query = query.where(or_(TaskRow.created < created, and_(TaskRow.created == created, TaskRow.id < last)))
        return await self._many(query)

    async def live(self, person: PersonId) -> Sequence[Task]:
        """Return all live tasks of a person, the latest first."""
        query = select(TaskRow).where(TaskRow.owner == person, LIVE, KEPT)
        return await self._many(query.order_by(TaskRow.created.desc(), TaskRow.id.desc()))

    async def named(self, person: PersonId, name: str) -> Sequence[Task]:
        """Return a person's tasks of that name, in capitals or not, without deleted ones, the latest first."""
        query = select(TaskRow).where(
            TaskRow.owner == person, func.lower(TaskRow.name) == func.lower(storable(name)), KEPT
        )
        return await self._many(query.order_by(TaskRow.created.desc(), TaskRow.id.desc()))

    async def rename(self, task: Task, name: str) -> Task:
        """Give a task another name."""
        await self._session.execute(update(TaskRow).where(TaskRow.id == task.id).values(name=name))
        self._note(task)
        return replace(task, name=name)

    async def want(self, task: Task, desired: Desired) -> Task:
        """Write what is wanted of a task; it only ever moves to a later value."""
        order = list(Desired)
        if order.index(desired) <= order.index(task.desired):
            return task
        await self._session.execute(update(TaskRow).where(TaskRow.id == task.id).values(desired=desired.value))
        self._changes.revoke(f"task:{task.id}")
        self._note(task)
        return replace(task, desired=desired)

    async def wish_key(self, person: PersonId, key: str, *, since: datetime) -> WishKey | None:
        """Return what an idempotency key was used for since a moment."""
        query = select(WishKeyRow).where(WishKeyRow.owner == person, WishKeyRow.key == key, WishKeyRow.created >= since)
        row = (await self._session.scalars(query)).one_or_none()
        return None if row is None else WishKey(fingerprint=row.fingerprint, task=row.task)

    async def save_wish_key(self, person: PersonId, key: str, wish: WishKey, *, at: datetime, since: datetime) -> None:
        """Write down what an idempotency key was used for, and forget those of before `since`."""
        await self._session.execute(delete(WishKeyRow).where(WishKeyRow.created < since))
        row = insert(WishKeyRow).values(owner=person, key=key, fingerprint=wish.fingerprint, task=wish.task, created=at)
        await self._session.execute(row)

    async def events(self, task: TaskId, *, after: int = 0) -> Sequence[Event]:
        """Return a task's history, oldest first, from the sequence after `after`."""
        query = select(EventRow).where(EventRow.task == task, EventRow.sequence > after).order_by(EventRow.sequence)
        return [_event(row) for row in await self._session.scalars(query)]

    async def credential(self, task: TaskId) -> bytes:
        """Return a task's credential as it was sealed. Raises MissingError."""
        sealed = await self._session.scalar(select(TaskRow.credential).where(TaskRow.id == storable(task)))
        if sealed is None:
            raise MissingError("task", task)
        return sealed

    async def waits(self, computing: str, *, most: int = 500) -> Sequence[Wait]:
        """Return how long the latest tasks of a computing that started waited for it, the latest first."""
        query = select(TaskRow.created, TaskRow.begun, TaskRow.placement, TaskRow.resources)
        query = query.where(TaskRow.computing == computing, TaskRow.begun.is_not(None))
        rows = await self._session.execute(query.order_by(TaskRow.begun.desc()).limit(most))
        return [
            Wait(
                took=max(row.begun - row.created, timedelta()),
                partition=(Placement() if row.placement is None else PLACEMENT.read(row.placement)).partition,
                resources=RESOURCES.read(row.resources),
            )
            for row in rows
        ]

    # -- for the worker ---------------------------------------------------------------------------------------------

    async def get(self, task: TaskId) -> Task:
        """Return a task by id, wanted deleted or not. Raises MissingError."""
        found = await self._many(select(TaskRow).where(TaskRow.id == storable(task)))
        if not found:
            raise MissingError("task", task)
        return found[0]

    async def known(self, tasks: Collection[TaskId]) -> Mapping[TaskId, Task]:
        """Return those of many tasks that have a record, by id; the others are left out."""
        found = await self._many(select(TaskRow).where(TaskRow.id.in_([storable(task) for task in tasks])))
        return {task.id: task for task in found}

    async def wanted(self, computing: str) -> Sequence[Task]:
        """Return the tasks of a computing that are not settled, oldest first.

        These are the live ones, those wanted deleted, and ended ones of which something may be left there (`handle`
        is set; once it is removed, the worker saves None).
        """
        open_ = or_(LIVE, TaskRow.desired == Desired.DELETED.value, TaskRow.handle.is_not(None))
        query = select(TaskRow).where(TaskRow.computing == computing, open_)
        return await self._many(query.order_by(TaskRow.created, TaskRow.id))

    async def save(self, task: Task) -> Task:
        """Write what a computing tells of a task: all but `desired` and `name`, which are others' to write.

        Returns
        -------
        Task
            The record as it is now, with the `desired` and `name` of this moment.

        Raises
        ------
        MissingError
            The record was removed.
        StateError
            The record has a later state: this worker looked before another wrote, and its lease is over.

        Notes
        -----
        It is told as a change only if more than `seen` is different.
        """
        before = await self.get(task.id)
        if task.state is not before.state and RANK[task.state] <= RANK[before.state]:
            raise StateError(task.id, before.state, task.state)
        after = replace(task, desired=before.desired, name=before.name)
        if after != before:
            await self._session.execute(update(TaskRow).where(TaskRow.id == task.id).values(**_told(task)))
        if replace(after, seen=before.seen) != before:
            self._note(task)
        return after

    async def add_event(
        self,
        task: TaskId,
        *,
        at: datetime,
        code: str,
        sentence: str,
        data: Mapping[str, Any] | None = None,
        replaces: bool = False,
    ) -> Event:
        """Add to a task's history.

        Parameters
        ----------
        replaces
            Earlier events of this task with this code are taken away first, so that a progress told a hundred times
            stands there once. The new one gets a new sequence all the same: who follows sees it.

        Raises
        ------
        MissingError
            There is no such task.
        """
        owner = await self._session.scalar(select(TaskRow.owner).where(TaskRow.id == task))
        if owner is None:
            raise MissingError("task", task)
        last = await self._session.scalar(select(func.max(EventRow.sequence)).where(EventRow.task == task))
        if replaces:
            await self._session.execute(delete(EventRow).where(EventRow.task == task, EventRow.code == code))
        said, facts = storable(sentence), storable(data or {})
        event = Event(sequence=(last or 0) + 1, task=task, at=at, code=code, sentence=said, data=facts)
        row = insert(EventRow).values(task=task, sequence=event.sequence, at=at, code=code, sentence=said, data=facts)
        await self._session.execute(row)
        self._changes.note(Topic.TASK, task, owner)
        return event

    async def remove(self, task: TaskId) -> None:
        """Remove a task's record and history for good; silent if it is gone."""
        owner = await self._session.scalar(select(TaskRow.owner).where(TaskRow.id == task))
        if owner is not None:
            await self._session.execute(delete(TaskRow).where(TaskRow.id == task))
            self._changes.note(Topic.TASK, task, owner)

    # -- rows -------------------------------------------------------------------------------------------------------

    def _note(self, task: Task) -> None:
        self._changes.note(Topic.TASK, task.id, task.owner)

    async def _many(self, query: Select[TaskRow]) -> Sequence[Task]:
        # A row read before in this transaction may have been written since, by a statement and not by the session.
        rows = await self._session.scalars(query.execution_options(populate_existing=True))
        return [_task(row) for row in rows]


def _told(task: Task) -> dict[str, Any]:
    """Return the columns that tell what a computing told."""
    return {
        "image": IMAGE.write(task.image),
        "state": task.state.value,
        "reason": REASON.write(task.reason),
        "since": task.since,
        "started": task.started,
        "ended": task.ended,
        "handle": task.handle,
        "exit_code": task.exit_code,
        "interfaces": INTERFACES.write(task.interfaces),
        "seen": task.seen,
        "unseen_since": task.unseen_since,
        "raw": storable(task.raw)[:LONGEST_WORD],
        "node": storable(task.node)[:LONGEST_WORD],
        "forecast": None if task.forecast is None else FORECAST.write(task.forecast),
        "begun": task.begun,
        "deadline": task.deadline,
        "warned": None if task.warned is None else round(task.warned.total_seconds()),
    }


def _task(row: TaskRow) -> Task:
    return Task(
        id=row.id,
        name=row.name,
        owner=row.owner,
        software=row.software,
        title=row.title,
        release=RELEASE.read(row.release),
        computing=row.computing,
        resources=RESOURCES.read(row.resources),
        placement=Placement() if row.placement is None else PLACEMENT.read(row.placement),
        environment=row.environment,
        parameters=row.parameters,
        image=IMAGE.read(row.image),
        desired=Desired(row.desired),
        state=TaskState(row.state),
        reason=REASON.read(row.reason),
        since=row.since,
        created=row.created,
        started=row.started,
        ended=row.ended,
        handle=row.handle,
        exit_code=row.exit_code,
        interfaces=INTERFACES.read(row.interfaces),
        seen=row.seen,
        unseen_since=row.unseen_since,
        again_of=row.again_of,
        raw=row.raw or "",
        node=row.node or "",
        forecast=None if row.forecast is None else FORECAST.read(row.forecast),
        begun=row.begun,
        deadline=row.deadline,
        warned=None if row.warned is None else timedelta(seconds=row.warned),
        account=row.account,
    )


def _event(row: EventRow) -> Event:
    return Event(sequence=row.sequence, task=row.task, at=row.at, code=row.code, sentence=row.sentence, data=row.data)
