"""What is written of a running task that has a deadline: the deadline itself, warnings ahead of it, and its end."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from specola.domain.computing import Observation
from specola.domain.deadlines import due, left
from specola.domain.reasons import ENDS, EndReason
from specola.domain.task import Task, TaskState
from specola.worker.queueing import begun_at
from specola.worker.verdicts import Note

__all__ = ["bounded", "is_over", "timed_out", "warning"]


def bounded(
    task: Task, seen: Observation, *, at: datetime, warnings: Sequence[timedelta]
) -> tuple[Task, tuple[Note, ...]]:
    """Return a running task with its start, its deadline and the last warning of it, and what there is to tell.

    Parameters
    ----------
    warnings
        How long before a deadline one is warned of it.
    """
    begun = begun_at(task, seen, at)
    deadline = seen.deadline or (begun + task.placement.time if task.placement.time else None)
    after = replace(task, begun=begun, deadline=deadline, forecast=None, raw=seen.raw, node=seen.node)
    if deadline is None:
        return after, ()
    if task.deadline is not None and deadline > task.deadline:
        # It was given more time: what was said of the old end counts no more.
        after = replace(after, warned=None)
    now = due(deadline, begun=begun, now=at, wanted=warnings, warned=after.warned)
    if now is None:
        return after, ()
    data = {"deadline": deadline.isoformat(), "seconds": round((deadline - at).total_seconds())}
    note = Note(code="deadline_near", sentence=warning(deadline, at), data=data)
    return replace(after, warned=now), (note,)


def warning(deadline: datetime, now: datetime) -> str:
    """Say that a task will end soon, to those who work in it."""
    return f"This task ends at its time limit in {left(deadline, now)}. Save your work."


def is_over(task: Task, seen: Observation, at: datetime) -> bool:
    """Tell whether a task has to be ended here and now, since its computing itself keeps no time."""
    return seen.deadline is None and task.deadline is not None and at >= task.deadline


def timed_out(task: Task, at: datetime) -> tuple[Task, Note]:
    """Return a running task as one that is being ended at its time limit."""
    reason = ENDS[EndReason.TIME_LIMIT]
    task = task.moved_to(TaskState.STOPPING, at=at, reason=reason)
    return task, Note(code=reason.code, sentence="Its time is over; it is being ended.", data={"reason": reason.code})
