"""What task pages show of a task: the record, and what is known of it at this moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specola.domain.computing import Capability, Computing, Usage
from specola.domain.errors import SpecolaError
from specola.domain.person import Actor
from specola.domain.software import TERMINAL, Interface
from specola.domain.task import Event, InterfaceState, Task, TaskState
from specola.factory import Services
from specola.web.commands import CommandLine, command_lines

__all__ = ["WAITING", "Opening", "Step", "TaskView", "task_views"]

WAITING = frozenset({TaskState.QUEUED, TaskState.STARTING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One interface of a task: what it is, whether it is ready, and how it is reached."""

    interface: Interface
    state: InterfaceState
    address: str
    """Where a browser finds it: the application itself, or a page of ours about it."""
    lines: tuple[CommandLine, ...] = ()
    """Ready command lines; none for what a browser understands."""

    @property
    def in_browser(self) -> bool:
        """Whether a browser can open it."""
        return self.interface.protocol.shows_in_browser


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a task that is not running yet is doing; `done` and `total` in bytes if the step has a size."""

    sentence: str
    done: int | None = None
    total: int | None = None

    @classmethod
    def of(cls, event: Event) -> "Step":
        """Read the step from the latest event."""
        done, total = event.data.get("done"), event.data.get("total")
        if isinstance(done, int) and isinstance(total, int) and total > 0:
            return cls(sentence=event.sentence, done=min(done, total), total=total)
        return cls(sentence=event.sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """One task as a page shows it."""

    task: Task
    place: str
    openings: tuple[Opening, ...]
    terminal: str = ""
    """Where a browser finds its terminals; empty while it has none."""
    usage: Sequence[Usage] = ()
    step: Step | None = None

    @property
    def main(self) -> Opening | None:
        """What Open opens: the first interface that a browser understands."""
        return next((opening for opening in self.openings if opening.in_browser), None)

    @property
    def latest(self) -> Usage | None:
        """The latest measurement."""
        return self.usage[-1] if self.usage else None


async def task_views(services: Services, actor: Actor, tasks: Sequence[Task]) -> list[TaskView]:
    """Return what is known of some tasks."""
    running = [task.id for task in tasks if task.state is TaskState.RUNNING]
    waiting = [task for task in tasks if task.waits or task.state in WAITING]
    places = await _places(services, actor)
    usage = await _usage(services, actor, running)
    by_task = {task.id: await _step(services, actor, task) for task in waiting}
    return [
        TaskView(
            task=task,
            place=places[task.computing].title if task.computing in places else task.computing,
            openings=_openings(services, task),
            terminal=_terminal(services, task, places.get(task.computing)),
            usage=usage.get(task.id, ()),
            step=by_task.get(task.id),
        )
        for task in tasks
    ]


async def _places(services: Services, actor: Actor) -> Mapping[str, Computing]:
    return {computing.name: computing for computing in await services.computings.list(actor)}


def _terminal(services: Services, task: Task, place: Computing | None) -> str:
    probe = place.state.probe if place is not None else None
    if task.state is not TaskState.RUNNING or probe is None or Capability.TERMINAL not in probe.capabilities:
        return ""
    return services.addresses.origin(task.id, TERMINAL.name)


async def _usage(services: Services, actor: Actor, tasks: Sequence[str]) -> Mapping[str, Sequence[Usage]]:
    try:
        return await services.tasks.usage(actor, tasks) if tasks else {}
    except SpecolaError:
        # A page without its small charts is worth more than no page.
        return {}


async def _step(services: Services, actor: Actor, task: Task) -> Step:
    if task.waits:
        return Step(sentence=task.reason.sentence)
    events = await services.tasks.events(actor, task.id)
    return Step.of(events[-1]) if events else Step(sentence=task.reason.sentence)


def _openings(services: Services, task: Task) -> tuple[Opening, ...]:
    return tuple(
        Opening(
            interface=interface,
            state=task.interface(interface.name) or InterfaceState(name=interface.name),
            address=_address(services, task, interface),
            lines=command_lines(task, interface),
        )
        for interface in task.release.interfaces
    )


def _address(services: Services, task: Task, interface: Interface) -> str:
    if interface.protocol.opens_in_browser:
        return services.tasks.address(task, interface)
    return services.addresses.origin(task.id, interface.name)
