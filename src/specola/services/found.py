"""Ports found: what running tasks listen on beyond their declaration, and how that becomes part of the software."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from specola.clock import Clock
from specola.domain.errors import ConflictError, InvalidError, MissingError
from specola.domain.found import MOST_FOUND, FoundPort, standing_for
from specola.domain.person import Actor
from specola.domain.reference import ImageReference
from specola.domain.software import TERMINAL, Interface, Protocol, Release, Software
from specola.domain.task import Desired, Task, TaskId, TaskState
from specola.services.definition import write_definition
from specola.services.definition.checks import interface_name_fault
from specola.services.drafts import name_for, short_name_of, title_of
from specola.services.releases import unique_version
from specola.services.software import Catalogue
from specola.services.tasks import Tasks
from specola.storage.store import Store

__all__ = ["Declaration", "Found"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """How a found port would become part of a software: what it is, a name for it, and what is changed.

    `software` is what the port is added to: the entry itself if the actor may edit it; with `copies`, another entry of the actor's own
    is made of it.
    """

    port: FoundPort
    name: str
    software: Software
    copies: bool


class Found:
    """Everything that is done with found ports. A task has them while it runs."""

    def __init__(self, *, store: Store, clock: Clock, tasks: Tasks, catalogue: Catalogue) -> None:
        self._store = store
        self._clock = clock
        self._tasks = tasks
        self._catalogue = catalogue

    async def report(self, told: Mapping[TaskId, Sequence[FoundPort]]) -> None:
        """Write down what a connector found.

        Parameters
        ----------
        told
            All the ports of some tasks, each of another number. Those that the release declares, those of tasks that
            have ended or have no record, and what is more than 32 in one task are passed over.
        """
        async with self._store.read() as tx:
            tasks = await tx.tasks.known(told)
            known = await tx.found.of(told)
        wanted = {task: _kept(tasks[task], ports) for task, ports in told.items() if task in tasks}
        news = [task for task, ports in wanted.items() if _plain(ports) != _plain(known.get(task, ()))]
        if not news:
            return
        async with self._store.write() as tx:
            for task in (await tx.tasks.known(news)).values():
                await tx.found.set(task, wanted[task.id], at=self._clock.now())

    async def of(self, actor: Actor, name: str) -> Sequence[FoundPort]:
        """Return the ports found in a task, the lowest first; none unless it runs. Raises MissingError."""
        task = await self._tasks.get(actor, name)
        return await self._of(task)

    async def interface(self, actor: Actor, task: Task, name: str) -> Interface:
        """Return an interface of a task by name: declared, the platform's own, or a port, which may come to be found.

        Raises
        ------
        MissingError
            It is neither.
        """
        declared = TERMINAL if name == TERMINAL.name else task.release.interface(name)
        found = standing_for(name, await self.of(actor, task.id)) if task.is_live else None
        which = declared or found
        if which is None:
            raise MissingError("interface", name)
        return which

    async def is_reachable(self, task: Task, interface: Interface) -> bool:
        """Tell whether an interface of a task can be reached now."""
        if task.state is not TaskState.RUNNING or task.desired is not Desired.RUNNING:
            return False
        if interface is TERMINAL:
            return True
        if task.release.interface(interface.name) is None:
            return any(one.port == interface.port for one in await self._of(task))
        state = task.interface(interface.name)
        return state is not None and state.ready

    async def prepare(self, actor: Actor, name: str, port: int) -> Declaration:
        """Return how a found port would be added to the software of its task.

        Raises
        ------
        MissingError
            There is no such task, or nothing was found at that port of it.
        ConflictError
            The software declares that port by now.
        """
        task = await self._tasks.get(actor, name)
        found = next((one for one in await self._of(task) if one.port == port), None)
        if found is None:
            raise MissingError("found port", str(port), hint="It is there only while something in the task listens.")
        software, copies = await self._target(actor, task)
        taken = next((one for one in software.current.interfaces if one.port == port), None)
        if taken is not None:
            raise ConflictError(
                f"“{software.title}” declares port {port} already, as “{taken.name}”.",
                hint="Start it again to have that interface.",
            )
        names = {one.name for one in software.current.interfaces}
        return Declaration(port=found, name=name_for(port, found.protocol, names), software=software, copies=copies)

    async def declare(
        self, actor: Actor, name: str, port: int, *, interface: str | None = None, protocol: Protocol | None = None
    ) -> Software:
        """Add a found port to the software of its task, as a release that is the current one from then on.

        Parameters
        ----------
        interface
            What it is called; None: by what speaks there.
        protocol
            What speaks there; None: what was recognised.

        Returns
        -------
        Software
            The entry that was changed, or the one made from it where the actor may not change it. A task that was
            started from an image becomes an entry.

        Raises
        ------
        InvalidError
            The name cannot be an interface's, or another interface has it.
        MissingError, ConflictError
            As for `prepare`.
        """
        made = await self.prepare(actor, name, port)
        entry, called = made.software, made.name if interface is None else interface
        fault = interface_name_fault(called)
        if fault is None and entry.current.interface(called) is not None:
            fault = f"“{entry.title}” has an interface “{called}” already"
        if fault is not None:
            raise InvalidError(f"{fault[0].upper()}{fault[1:]}.", hint="Choose another name.", field="name")
        more = Interface(name=called, port=port, protocol=protocol or made.port.protocol)
        text = write_definition(replace(entry, releases=(_with(entry.current, more, copies=made.copies),)))
        return await (self._catalogue.add(actor, text) if made.copies else self._catalogue.edit(actor, entry.id, text))

    async def _of(self, task: Task) -> Sequence[FoundPort]:
        if task.state is not TaskState.RUNNING or task.desired is not Desired.RUNNING:
            return ()
        async with self._store.read() as tx:
            return (await tx.found.of([task.id])).get(task.id, ())

    async def _target(self, actor: Actor, task: Task) -> tuple[Software, bool]:
        """Return the entry to change, or what a copy would be, and which of the two it is."""
        try:
            known = await self._catalogue.get(actor, task.software) if task.software else None
        except MissingError:
            known = None
        if known is not None and self._catalogue.may_edit(actor, known):
            return known, False
        taken = {one.name for one in await self._catalogue.visible(actor)}
        if known is not None:
            copy = replace(
                known, id="", name=unique_version(known.name[:60], taken), title=f"{known.title[:93]} (copy)"
            )
            return copy, True
        reference = ImageReference.parse(task.release.image)
        name = unique_version(short_name_of(reference), taken)
        return Software(id="", name=name, title=title_of(reference), releases=(task.release,)), True


def _with(release: Release, interface: Interface, *, copies: bool) -> Release:
    interfaces = (*release.interfaces, interface)
    # A copy begins to count anew.
    return replace(release, interfaces=interfaces, version="" if copies else release.version)


def _kept(task: Task, ports: Sequence[FoundPort]) -> Sequence[FoundPort]:
    if not task.is_live:
        return ()
    declared = {one.port for one in task.release.interfaces}
    others = {one.port: one for one in ports if one.port not in declared}
    return list(others.values())[:MOST_FOUND]


def _plain(ports: Sequence[FoundPort]) -> set[FoundPort]:
    """Leave out since when."""
    return {replace(one, since=None) for one in ports}
