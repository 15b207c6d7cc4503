"""Computings: the places that run containers, as people see them, and their records."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from specola.clock import Clock
from specola.domain.computing import Audience, Computing, Intake, Probe
from specola.domain.errors import (
    DefinitionError,
    DeniedError,
    MissingError,
    NameTakenError,
    Problem,
    TooManyChecksError,
)
from specola.domain.person import Actor, Person, PersonId, Scope
from specola.domain.task import Desired, Reason, Task, TaskState
from specola.ports.connector import Connector, ShownKey
from specola.ports.kinds import Kinds
from specola.secrets import Sealer
from specola.services.accounts import end_links_of_another
from specola.services.computing_drafts import ComputingDraft, checked_settings, own_name, renewed
from specola.services.computing_rights import (
    check_few,
    check_may_change,
    check_own,
    check_removable,
    is_own,
    may_change,
)
from specola.services.definition.computings import ComputingDefinition, read_computing, write_computing
from specola.services.places import place_for, usable
from specola.services.rights import administrator, may
from specola.services.sealed import open_secrets, seal_secrets
from specola.storage.store import Store, Transaction

__all__ = ["Computings", "Overseen"]

MOST_TESTS, PROBE_WAIT = 3, 10
"""How many tests one person has at the same time in one process, and after how many seconds to try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overseen:
    """A computing as whoever looks after it sees it: whose it is (None: the platform's), and how many live tasks it has."""

    computing: Computing
    owner: Person | None
    live: int


class Computings:
    """Everything that is done with computings.

    How one is reached is shown only to those who may change it, and what is secret in that to nobody: worker and
    connector alone get it.
    """

    def __init__(self, *, store: Store, clock: Clock, connector: Connector, kinds: Kinds, sealer: Sealer) -> None:
        self._store = store
        self._clock = clock
        self._connector = connector
        self._sealer = sealer
        self._tests: Counter[PersonId] = Counter()
        self.kinds = kinds
        """What may be said of each kind."""

    # -- looking ----------------------------------------------------------------------------------------------------

    async def list(self, actor: Actor) -> Sequence[Computing]:
        """Return the computings the actor may use, the default one first."""
        async with self._store.read() as tx:
            return [_shown(one, actor) for one in await usable(tx, actor)]

    async def get(self, actor: Actor, name: str) -> Computing:
        """Return one computing. Raises MissingError."""
        async with self._store.read() as tx:
            return _shown(await place_for(tx, name, actor=actor), actor)

    async def overseen(self, actor: Actor) -> Sequence[Overseen]:
        """Return what the actor looks after: one's own; an administrator all there are, people's own included."""
        async with self._store.read() as tx:
            found = [one for one in await tx.computings.all() if actor.administers or may_change(actor, one)]
            people = {one.id: one for one in await tx.people.all()}
            live = {one.name: sum(task.is_live for task in await tx.tasks.wanted(one.name)) for one in found}
        return [
            Overseen(computing=_shown(one, actor), owner=people.get(one.owner or ""), live=live[one.name])
            for one in found
        ]

    async def definition(self, actor: Actor, name: str) -> str:
        """Return a record as YAML, without what is secret.

        Raises
        ------
        MissingError
            There is none, or the actor may not use it.
        DeniedError
            The actor may use it, and not change it.
        """
        async with self._store.read() as tx:
            names = {group.id: group.name for group in await tx.groups.all()}
            return write_computing(await _changeable(tx, actor, name), groups=names)

    # -- testing ----------------------------------------------------------------------------------------------------

    async def test(self, actor: Actor, name: str) -> Probe:
        """Probe a computing now.

        Raises
        ------
        MissingError
            There is no such computing.
        ComputingUnreachableError, ConnectorUnreachableError
            It, or the connector, does not answer.
        """
        computing = await self.get(actor, name)
        with self._a_test(actor):
            return await self._connector.probe(computing.name)

    async def test_draft(self, actor: Actor, text: str, *, name: str | None = None) -> Probe:
        """Probe what a definition says, without saving it.

        Parameters
        ----------
        text
            YAML or JSON.
        name
            The record that it is to change, whose secrets stand in for those that are not given anew; None: none.

        Raises
        ------
        DefinitionError, InvalidError
            It is malformed, or its settings do not fit the kind.
        MissingError, DeniedError
            There is no such record, or the actor may not change it, or not add one like this.
        ComputingUnreachableError, ConnectorUnreachableError
            It, or the connector, does not answer.
        """
        definition = read_computing(text)
        async with self._store.read() as tx:
            draft = await self._draft(tx, actor, definition, name)
        record = draft.record
        own = record.owner is not None
        with self._a_test(actor):
            return await self._connector.probe_draft(record.name, record.kind, draft.settings, own=own)

    async def host_keys(self, actor: Actor, address: str, port: int) -> Sequence[ShownKey]:
        """Return the host keys of a machine that is to be registered, for a person to compare.

        Raises
        ------
        DeniedError
            What the actor came with covers no computings.
        MachineUnreachableError, ConnectorUnreachableError
            No SSH server answers there, or the connector does not.
        """
        may(actor, Scope.COMPUTINGS)
        with self._a_test(actor):
            return await self._connector.host_keys(address, port, own=not actor.administers)

    # -- records ----------------------------------------------------------------------------------------------------

    async def add(self, actor: Actor, text: str) -> Computing:
        """Add a computing from a definition in YAML or JSON: an administrator the platform's, others their own.

        Returns
        -------
        Computing
            The record. One's own has its owner's name and a dot before the name that was given.

        Raises
        ------
        DefinitionError, InvalidError
            It is malformed, or its settings do not fit the kind.
        DeniedError
            It is for others than the actor, or says what only administrators may.
        NameTakenError, LimitError
            There is one of that name; the actor has as many of their own as one may have.
        """
        definition = read_computing(text)
        async with self._store.write() as tx:
            draft = await self._draft(tx, actor, definition, None)
            if await tx.computings.known([draft.record.name]):
                raise NameTakenError("computing", draft.record.name)
            if draft.record.owner is not None:
                check_few(draft.record.owner, await tx.computings.all())
            if definition.order is None:
                draft = replace(draft, record=replace(draft.record, order=await _end(tx)))
            return _shown(await self._save(tx, draft), actor)

    async def change(self, actor: Actor, name: str, text: str) -> Computing:
        """Change a record to what a definition says; secrets that are not given anew are kept, but for those given as null.

        Raises
        ------
        DefinitionError, InvalidError
            It is malformed, names another computing or kind, or its settings do not fit.
        MissingError, DeniedError
            There is no such record, or the actor may not change it, or not so.
        """
        definition = read_computing(text)
        async with self._store.write() as tx:
            draft = await self._draft(tx, actor, definition, name)
            return _shown(await self._save(tx, draft), actor)

    async def set_intake(self, actor: Actor, name: str, intake: Intake) -> Computing:
        """Pause a computing, so that it takes no new tasks, or open it again.

        Raises
        ------
        MissingError, DeniedError
            There is no such computing, or the actor does not look after it.
        """
        async with self._store.write() as tx:
            known = await _looked_after(tx, actor, name)
            await tx.computings.set_intake(known.name, intake)
            return _shown(await tx.computings.get(known.name), actor)

    async def remove(self, actor: Actor, name: str) -> None:
        """Remove a record. Nothing is done on the computing itself.

        Raises
        ------
        MissingError, DeniedError
            There is no such computing, or the actor does not look after it.
        ConflictError
            Live tasks are there, or something of ended ones that can still be cleared away.
        """
        async with self._store.write() as tx:
            known = await _looked_after(tx, actor, name)
            left = await tx.tasks.wanted(known.name)
            check_removable(known, left)
            for task in left:
                await self._give_up(tx, task)
            await tx.computings.remove(known.name)

    async def install(self, name: str, *, title: str, kind: str, settings: Mapping[str, Any]) -> Computing:
        """Add a computing that the configuration names, or renew how it is reached; the rest of its record stays.

        Called at start; nothing is written if nothing changed.
        """
        checked = self.kinds.check(kind, settings)
        async with self._store.write() as tx:
            known = (await tx.computings.known([name])).get(name)
            now = self._clock.now()
            record = known or Computing(
                id=self._clock.new_id(), name=name, title=title, kind=kind, order=await _end(tx), created=now
            )
            record = replace(record, kind=kind, settings=checked.settings, secrets=tuple(sorted(checked.secrets)))
            return await self._save(tx, ComputingDraft(record=record, secrets=checked.secrets))

    @contextmanager
    def _a_test(self, actor: Actor) -> Iterator[None]:
        """Let one person have a few machines asked at the same time: each takes a connection, and may take its time."""
        if self._tests[actor.person.id] >= MOST_TESTS:
            raise TooManyChecksError(PROBE_WAIT)
        self._tests[actor.person.id] += 1
        try:
            yield
        finally:
            self._tests[actor.person.id] -= 1
            self._tests += Counter()

    # -- steps ------------------------------------------------------------------------------------------------------

    async def _draft(
        self, tx: Transaction, actor: Actor, definition: ComputingDefinition, name: str | None
    ) -> ComputingDraft:
        """Return what a definition comes to, once the actor is known to have the right to it."""
        known = await _changeable(tx, actor, name) if name is not None else None
        own = is_own(actor, definition) if known is None else known.owner is not None
        if not own:
            await administrator(tx, actor)
        kept = await self._secrets(tx, known) if known else {}
        checked = checked_settings(self.kinds, definition, kept)
        if own and not actor.administers:
            check_own(checked)
        groups = await _group_ids(tx, definition)
        return renewed(known or self._begun(actor, definition, own=own), definition, checked, groups=groups)

    def _begun(self, actor: Actor, definition: ComputingDefinition, *, own: bool) -> Computing:
        return Computing(
            id=self._clock.new_id(),
            name=own_name(definition.name, actor) if own else definition.name,
            title=definition.name,
            kind=definition.kind,
            owner=actor.person.id if own else None,
            audience=Audience.OWNER if own else Audience.EVERYBODY,
            created=self._clock.now(),
        )

    async def _secrets(self, tx: Transaction, computing: Computing) -> Mapping[str, str]:
        sealed = (await tx.computings.sealed()).get(computing.name)
        return open_secrets(self._sealer, computing.id, sealed)

    async def _save(self, tx: Transaction, draft: ComputingDraft) -> Computing:
        """Write a record if anything in it is another than before."""
        record, known = draft.record, (await tx.computings.known([draft.record.name])).get(draft.record.name)
        reached = (record.kind, dict(record.settings), dict(draft.secrets))
        if known is None or reached != (known.kind, dict(known.settings), await self._secrets(tx, known)):
            if known is not None:
                await end_links_of_another(tx, known, record)
            # Whoever says anew how it is reached has looked: one that was stopped is open again.
            intake = Intake.OPEN if record.intake is Intake.STOPPED else record.intake
            record = replace(record, revision=self._clock.new_id(), intake=intake)
        if record != known:
            sealed = seal_secrets(self._sealer, record.id, draft.secrets)
            await tx.computings.save(record, sealed=sealed)
        return await tx.computings.get(record.name)

    async def _give_up(self, tx: Transaction, task: Task) -> None:
        """Settle a task of a computing that does not answer and will not be asked again."""
        if task.desired is Desired.DELETED:
            await tx.tasks.remove(task.id)
            return
        if task.is_live:
            reason = Reason(
                code="computing_removed",
                sentence="Its computing did not answer, and was removed.",
                hint="What ran there may still run; whoever operates that computing can end it.",
            )
            task = task.moved_to(TaskState.STOPPED, at=self._clock.now(), reason=reason)
            await tx.tasks.add_event(task.id, at=self._clock.now(), code=reason.code, sentence=reason.sentence)
        _ = await tx.tasks.save(replace(task, handle=None))

    # -- what has no record -----------------------------------------------------------------------------------------

    async def orphans(self, actor: Actor) -> Mapping[str, Sequence[str]]:
        """Return, by computing, the task ids found there with our label and without a record.

        Raises
        ------
        DeniedError
            The actor does not administer the installation.
        """
        _check_administers(actor)
        async with self._store.read() as tx:
            return {one.name: list(await tx.computings.orphans(one.name)) for one in await tx.computings.all()}

    async def remove_orphan(self, actor: Actor, computing: str, task: str) -> None:
        """Want an unrecorded task of ours removed; the worker does it.

        Raises
        ------
        DeniedError
            The actor does not administer the installation.
        MissingError
            It is not among the orphans of that computing.
        """
        _check_administers(actor)
        async with self._store.write() as tx:
            place = await tx.computings.get(computing)
            if not await tx.computings.want_removed(place.name, task):
                raise MissingError("unrecorded task", task)


async def _changeable(tx: Transaction, actor: Actor, name: str) -> Computing:
    """Return a record that the actor may change. Raises MissingError, DeniedError."""
    computing = await place_for(tx, name, actor=actor)
    check_may_change(actor, computing)
    return computing


async def _looked_after(tx: Transaction, actor: Actor, name: str) -> Computing:
    """Return a record that the actor may pause and remove: administrators all, people their own."""
    if actor.administers:
        await administrator(tx, actor)
        return await tx.computings.get(name)
    return await _changeable(tx, actor, name)


async def _end(tx: Transaction) -> int:
    """Return the place in the order behind all that are there."""
    return max((one.order for one in await tx.computings.all()), default=-1) + 1


async def _group_ids(tx: Transaction, definition: ComputingDefinition) -> Sequence[str]:
    """Return the ids of the groups that a definition names. Raises DefinitionError."""
    known = {group.name: group.id for group in await tx.groups.all()}
    problems = [
        Problem(f"groups[{place}]", f"there is no group “{name}”")
        for place, name in enumerate(definition.groups)
        if name not in known
    ]
    if problems:
        raise definition.placed(DefinitionError(problems))
    return [known[name] for name in definition.groups]


def _check_administers(actor: Actor) -> None:
    if not actor.administers:
        raise DeniedError("Only administrators may see and remove unrecorded tasks.")


def _shown(computing: Computing, actor: Actor) -> Computing:
    # Settings say how the platform reaches a place: sockets, hosts, accounts.
    if may_change(actor, computing):
        return computing
    return replace(computing, settings={}, secrets=(), revision="")
