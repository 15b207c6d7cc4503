"""The steps of a start, as the waiting page and the task page show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from specola.domain.placement import Forecast
from specola.domain.task import Event, Task, TaskState

__all__ = ["Mark", "StartStep", "start_steps"]

PULL = "image_pull"
WANTED = "image_wanted"
"""The computing fetches the image by itself, while the task stands in its queue."""
IMAGE_DONE = frozenset({"image_ready", "created", "placed", "waiting", "interface_ready", "running"})
QUEUE = "waiting_in_queue"
PLACED = frozenset({"placed", "waiting", "interface_ready", "running"})


class Mark(StrEnum):
    """How far one step is."""

    DONE = "done"
    NOW = "now"
    WRONG = "wrong"
    TO_COME = "to-come"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartStep:
    """One step: what it is, how far, how long after the start it was done; `done` of `total` bytes if it has a size.

    A step that waits in a queue has the computing's own word (`raw`) beside its `detail`, and when that is expected to end.
    """

    words: str
    mark: Mark
    after: float | None = None
    detail: str = ""
    done: int | None = None
    total: int | None = None
    raw: str = ""
    forecast: Forecast | None = None


def start_steps(task: Task, events: Sequence[Event], *, only: str | None = None) -> list[StartStep]:
    """Return the steps from the wish to an answering interface.

    Parameters
    ----------
    events
        The task's history, oldest first.
    only
        The interface that somebody waits for; None: all of them.
    """
    queued = task.state is TaskState.QUEUED
    steps = [StartStep(words="Accepted", mark=Mark.DONE, after=0.0)]
    if queued:
        steps.append(StartStep(words="Waiting for its turn", mark=Mark.NOW, detail=task.reason.sentence))
    steps.append(_image(task, events))
    queue = _queue(task, events)
    if queue is not None:
        # There a container starts when its turn has come, and not as soon as it is placed.
        steps.append(queue)
        steps.append(_step("Container started", None if task.begun is None else _after(task, task.begun)))
    else:
        steps.append(_step("Container started", _first(task, events, PLACED)))
    names = [one.name for one in task.release.interfaces if only in {None, one.name}]
    steps.extend(_interface(task, name) for name in names)
    return _marked(task, steps)


def _queue(task: Task, events: Sequence[Event]) -> StartStep | None:
    """Return the step of standing in the computing's queue; None: it never did."""
    if task.waits:
        return StartStep(
            words="Waiting in the queue",
            mark=Mark.NOW,
            detail=" ".join(filter(None, (task.reason.sentence, task.reason.hint))),
            raw=task.raw,
            forecast=task.forecast,
        )
    if not any(event.code == QUEUE for event in events):
        return None
    return _step("Waited in the queue", None if task.begun is None else _after(task, task.begun))


def _image(task: Task, events: Sequence[Event]) -> StartStep:
    after = _first(task, events, IMAGE_DONE)
    pull = next((event for event in reversed(events) if event.code == PULL), None)
    if after is not None:
        return _step(_image_words(task, events, pulled=pull is not None), after)
    if pull is None:
        return _step("Image", None)
    done, total = pull.data.get("done"), pull.data.get("total")
    sized = isinstance(done, int) and isinstance(total, int) and total > 0
    return StartStep(
        words="Fetching the image",
        mark=Mark.TO_COME,
        done=done if isinstance(done, int) else None,
        total=total if sized else None,
    )


def _image_words(task: Task, events: Sequence[Event], *, pulled: bool) -> str:
    wanted = any(event.code == WANTED for event in events)
    if pulled or (wanted and task.begun is not None):
        return "Image fetched"
    return "Image is on its way there" if wanted else "Image is here already"


def _interface(task: Task, name: str) -> StartStep:
    state = task.interface(name)
    if state is None or not state.ready:
        return _step(f"“{name}” answers", None)
    return _step(f"“{name}” answers", _after(task, state.since or task.since))


def _step(words: str, after: float | None) -> StartStep:
    return StartStep(words=words, mark=Mark.TO_COME if after is None else Mark.DONE, after=after)


def _first(task: Task, events: Sequence[Event], codes: frozenset[str]) -> float | None:
    at = next((event.at for event in events if event.code in codes), None)
    return None if at is None else _after(task, at)


def _after(task: Task, at: datetime) -> float:
    return max(0.0, (at - task.created).total_seconds())


def _marked(task: Task, steps: list[StartStep]) -> list[StartStep]:
    """Mark the first step that is not done as going on, or as what went wrong; those after it are to come."""
    if any(step.mark is Mark.NOW for step in steps):
        return steps
    mark = Mark.NOW if task.is_live else Mark.WRONG if task.state is TaskState.FAILED else Mark.TO_COME
    for index, step in enumerate(steps):
        if step.mark is Mark.TO_COME:
            steps[index] = StartStep(words=step.words, mark=mark, detail=step.detail, done=step.done, total=step.total)
            break
    return steps
