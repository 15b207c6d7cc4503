"""Tasks: asking for one, stopping it, running it again, and reading its record."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from specola.clock import Clock
from specola.config import Limits
from specola.domain.computing import LogLine, Usage
from specola.domain.errors import ConflictError, DeniedError, InvalidError, MissingError, NameTakenError
from specola.domain.person import Actor
from specola.domain.software import Interface
from specola.domain.task import Desired, Event, InterfaceState, Reason, Task, TaskState, Wish
from specola.ports.connector import Connector
from specola.secrets import Sealer
from specola.services import cursors, loglines
from specola.services.accounts import as_account
from specola.services.addresses import Addresses
from specola.services.limits import check_live
from specola.services.offers import expected_wait
from specola.services.rights import visible_task
from specola.services.software import Catalogue
from specola.services.wishes import LONGEST_NAME, Plan, check_name, fingerprint, plan, resolve
from specola.storage.logs import LogArchive
from specola.storage.store import Store, Transaction
from specola.storage.tasks import WishKey

__all__ = ["Page", "Tasks"]

KEY_LIFE = timedelta(hours=24)
LONGEST_KEY = 200
MOST_ON_A_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list; `cursor` asks for the next, None: there is none."""

    tasks: Sequence[Task]
    cursor: str | None


class Tasks:
    """Everything that is done with tasks. What one may not see is missing, not denied."""

    def __init__(  # noqa: PLR0913 - a bill of materials
        self,
        *,
        store: Store,
        clock: Clock,
        connector: Connector,
        catalogue: Catalogue,
        addresses: Addresses,
        archive: LogArchive,
        limits: Limits,
        sealer: Sealer,
    ) -> None:
        self._store = store
        self._clock = clock
        self._connector = connector
        self._catalogue = catalogue
        self._addresses = addresses
        self._archive = archive
        self._limits = limits
        self._sealer = sealer

    # -- asking -----------------------------------------------------------------------------------------------------

    async def request(self, wish: Wish, *, actor: Actor, key: str | None = None) -> Task:
        """Write down that the actor wants a task; the worker will start it.

        Parameters
        ----------
        wish
            Exactly one of software, image and again_of is set.
        key
            An idempotency key (1 to 200 characters): the same key of the same person within 24 h returns the task
            made the first time; with a different wish it is a ConflictError.

        Returns
        -------
        Task
            Queued, with the image resolved to digest, id and architecture.

        Raises
        ------
        InvalidError, MissingError, DeniedError, LimitError
            The wish is not valid, names what is not there, or passes a limit.
        NameTakenError
            A live task of the actor has that name.
        ImageUnknownError, ImageUnreachableError, ImageArchitectureError
            The image cannot be run here; found out before anything starts.
        ConnectorUnreachableError, ComputingUnreachableError
            It could not be found out.

        Notes
        -----
        The image is asked for between a first look and the one transaction that writes, since a registry may be slow.
        Ten requests with one key at once go like this: 1. all look, and find no key; 2. all resolve the image;
        3. their write transactions follow each other, the first writes task and key, the others find the key and
        return its task. Limits and names are checked in the transaction that writes, for the same reason.
        """
        if key is not None and not (1 <= len(key) <= LONGEST_KEY and key.isprintable()):
            raise InvalidError(
                f"An idempotency key has 1 to {LONGEST_KEY} printable characters.",
                hint="Send a random one.",
                field="key",
            )
        mark = fingerprint(wish)
        async with self._store.read() as tx:
            made = await self._made_before(tx, actor, key, mark)
            if made is not None:
                return made
            check_live(len(await tx.tasks.live(actor.person.id)), self._limits)
            planned = await plan(tx, wish, actor=actor, catalogue=self._catalogue, limits=self._limits)
        planned = await resolve(planned, wish=wish, connector=self._connector)
        async with self._store.write() as tx:
            made = await self._made_before(tx, actor, key, mark)
            if made is not None:
                return made
            return await self._write(tx, planned, wish=wish, actor=actor, key=key)

    async def _made_before(self, tx: Transaction, actor: Actor, key: str | None, mark: str) -> Task | None:
        """Return the task that this key was used for; raise if it was for another wish, or the task is gone."""
        if key is None:
            return None
        known = await tx.tasks.wish_key(actor.person.id, key, since=self._clock.now() - KEY_LIFE)
        if known is None:
            return None
        if known.fingerprint != mark:
            raise ConflictError("This idempotency key was used for another wish.", hint="Send another key.")
        task = (await tx.tasks.known([known.task])).get(known.task)
        if task is None or task.is_deleted:
            raise ConflictError("The task made with this idempotency key was deleted.", hint="Send another key.")
        return task

    async def _write(self, tx: Transaction, planned: Plan, *, wish: Wish, actor: Actor, key: str | None) -> Task:
        live = await tx.tasks.live(actor.person.id)
        check_live(len(live), self._limits)
        name = _name_for(wish, planned.title, {one.name for one in live})
        task = self._task(planned, actor=actor, name=name)
        wait = await expected_wait(
            tx,
            planned.computing,
            partition=task.placement.partition,
            resources=task.resources,
            limits=self._limits,
        )
        task = replace(task, forecast=wait.forecast(task.created) if wait else None)
        credential = self._sealer.seal(self._clock.new_secret(), purpose=_purpose(task.id))
        await tx.tasks.add(task, credential=credential)
        if key is not None:
            used = WishKey(fingerprint=fingerprint(wish), task=task.id)
            await tx.tasks.save_wish_key(actor.person.id, key, used, at=task.created, since=task.created - KEY_LIFE)
        await tx.tasks.add_event(
            task.id,
            at=task.created,
            code="requested",
            sentence=f"{task.title} was asked for on {task.computing}{as_account(planned.computing, task.account)}.",
            data={
                "image": task.image.reference,
                "digest": task.image.digest,
                "again_of": task.again_of,
                "account": task.account,
            },
        )
        return task

    def _task(self, planned: Plan, *, actor: Actor, name: str) -> Task:
        if planned.image is None:
            raise ValueError("a plan is resolved before its task is made")
        now = self._clock.now()
        return Task(
            id=self._clock.new_id(),
            name=name,
            owner=actor.person.id,
            software=planned.software,
            title=planned.title,
            release=planned.release,
            computing=planned.computing.name,
            resources=planned.resources,
            placement=planned.placement,
            environment=planned.environment,
            parameters=planned.parameters,
            image=planned.image,
            desired=Desired.RUNNING,
            state=TaskState.QUEUED,
            reason=Reason(code="requested", sentence=f"It waits for {planned.computing.name} to take it up."),
            since=now,
            created=now,
            interfaces=tuple(InterfaceState(name=one.name) for one in planned.release.interfaces),
            again_of=planned.again_of,
            account=planned.account,
        )

    # -- reading ----------------------------------------------------------------------------------------------------

    async def get(self, actor: Actor, name: str) -> Task:
        """Return a task by id, or by name, in capitals or not (the latest live one, else the latest). Raises MissingError."""
        async with self._store.read() as tx:
            return await self._find(tx, actor, name)

    async def _find(self, tx: Transaction, actor: Actor, name: str) -> Task:
        return await visible_task(tx, actor, name)

    async def list(
        self,
        actor: Actor,
        *,
        live_only: bool = False,
        everybody: bool = False,
        cursor: str | None = None,
        most: int = 50,
    ) -> Page:
        """Return tasks, the latest first.

        Parameters
        ----------
        live_only
            Leave out ended ones.
        everybody
            Those of all people; for administrators.
        cursor
            What the page before gave, with the same other parameters.
        most
            How many on a page, 1 to 500.

        Raises
        ------
        DeniedError
            Everybody's tasks were asked for by somebody who is no administrator.
        InvalidError
            The cursor is none of ours, or `most` is out of range.
        """
        if everybody and not actor.administers:
            raise DeniedError("Only administrators may see the tasks of everybody.")
        if not 1 <= most <= MOST_ON_A_PAGE:
            raise InvalidError(f"A page has 1 to {MOST_ON_A_PAGE} tasks.", hint="Ask for 50.", field="limit")
        owner = None if everybody else actor.person.id
        which = f"tasks of {owner or 'everybody'}"
        before = None if cursor is None else cursors.read(cursor, sealer=self._sealer, of=which)
        async with self._store.read() as tx:
            found = await tx.tasks.of(owner, live_only=live_only, before=before, most=most + 1)
        shown = found[:most]
        if len(found) <= most:
            return Page(tasks=shown, cursor=None)
        last = shown[-1]
        return Page(tasks=shown, cursor=cursors.write(last.created, last.id, sealer=self._sealer, of=which))

    async def events(self, actor: Actor, name: str, *, after: int = 0) -> Sequence[Event]:
        """Return a task's history, oldest first, from the sequence after `after`. Raises MissingError."""
        async with self._store.read() as tx:
            task = await self._find(tx, actor, name)
            return await tx.tasks.events(task.id, after=after)

    async def logs(
        self, actor: Actor, name: str, *, follow: bool = False, tail: int | None = None
    ) -> AsyncIterator[LogLine]:
        """Return the lines a task wrote: live ones from the computing, an ended task's from the archive.

        Parameters
        ----------
        follow
            Go on with the lines to come, until the task ends; one that has not started yet is waited for.
        tail
            Of the lines written so far, only so many.

        Raises
        ------
        MissingError
            At once. While lines are read: ConnectorUnreachableError, ComputingUnreachableError.
        """
        task = await self.get(actor, name)
        return loglines.lines(
            task, store=self._store, connector=self._connector, archive=self._archive, follow=follow, tail=tail
        )

    async def usage(self, actor: Actor, names: Sequence[str]) -> Mapping[str, Sequence[Usage]]:
        """Return measurements of live tasks by id, oldest first, over at most 10 minutes; none: an empty sequence.

        Raises
        ------
        MissingError
            One of the tasks is not there.
        ConnectorUnreachableError
            Nothing can be asked at the moment.
        """
        async with self._store.read() as tx:
            tasks = [await self._find(tx, actor, name) for name in names]
        live = [task.id for task in tasks if task.is_live and task.handle is not None]
        measured = await self._connector.usage(live) if live else {}
        return {task.id: measured.get(task.id, ()) for task in tasks}

    async def credential(self, actor: Actor, name: str, interface: str) -> str:
        """Return a task's credential, for an interface whose client has to be told it. Only the owner.

        Raises
        ------
        MissingError
            There is no such task or interface.
        DeniedError
            It is another's task, or the gateway adds the credential and nobody needs to see it.
        """
        async with self._store.read() as tx:
            task = await self._find(tx, actor, name)
            sealed = await tx.tasks.credential(task.id)
        declared = task.release.interface(interface)
        if declared is None:
            raise MissingError("interface", interface)
        if task.owner != actor.person.id:
            raise DeniedError("Only its owner may see a task's credential.", hint="Ask the owner.")
        if declared.credential is not None:
            raise DeniedError(
                f"The gateway adds the credential of “{declared.name}” by itself.", hint="Open its address."
            )
        return self._sealer.open(sealed, purpose=_purpose(task.id))

    # -- changing ---------------------------------------------------------------------------------------------------

    async def stop(self, actor: Actor, name: str) -> Task:
        """Want a task stopped, and close what is open to it; silent if it has ended. Raises MissingError."""
        async with self._store.write() as tx:
            task = await self._find(tx, actor, name)
            if not task.is_live or task.desired is not Desired.RUNNING:
                return task
            tx.changes.revoke(f"task:{task.id}")
            await tx.tasks.add_event(
                task.id, at=self._clock.now(), code="stop_requested", sentence=f"{actor.person.name} asked it to stop."
            )
            return await tx.tasks.want(task, Desired.STOPPED)

    async def delete(self, actor: Actor, name: str) -> None:
        """Remove an ended task, its record and its logs; the person's home stays.

        It is gone for everybody at once; the worker removes what is left of it on the computing, and then its row.

        Raises
        ------
        MissingError
            There is no such task.
        ConflictError
            It is live.
        """
        async with self._store.write() as tx:
            task = await self._find(tx, actor, name)
            if task.is_live:
                raise ConflictError(f"“{task.name}” is {task.state}.", hint="Stop it first, then delete it.")
            tx.changes.revoke(f"task:{task.id}")
            await tx.tasks.want(task, Desired.DELETED)
        await self._archive.forget(task.id)

    async def rename(self, actor: Actor, name: str, wanted: str) -> Task:
        """Give a task another name.

        Raises
        ------
        MissingError
            There is no such task.
        InvalidError
            It cannot be a name.
        NameTakenError
            Another live task of the owner has it.
        """
        check_name(wanted)
        async with self._store.write() as tx:
            task = await self._find(tx, actor, name)
            if task.name == wanted:
                return task
            if any(one.name == wanted for one in await tx.tasks.live(task.owner)):
                raise NameTakenError("live task", wanted)
            return await tx.tasks.rename(task, wanted)

    def address(self, task: Task, interface: Interface) -> str:
        """Return the address at which an interface is opened: its origin and its `open` path."""
        return self._addresses.open(task.id, interface)


def _purpose(task: str) -> str:
    return f"task {task}"


def _name_for(wish: Wish, title: str, taken: set[str]) -> str:
    """Return the name that is wished for, or one made of the title that no live task has."""
    if wish.name is not None:
        if wish.name in taken:
            raise NameTakenError("live task", wish.name)
        return wish.name
    plain = "".join(one if one.isprintable() and one not in "/\\" else " " for one in title).strip()
    usual = plain[: LONGEST_NAME - 5].strip()
    usual = usual if usual[:1].isalnum() else f"Task {usual}".strip()
    name, number = usual, 2
    while name in taken:
        name, number = f"{usual} {number}", number + 1
    return name
