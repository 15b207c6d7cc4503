"""What is written of a task that its computing has not started yet: why it waits, and until when probably."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from specola.domain.computing import Observation
from specola.domain.placement import Forecast
from specola.domain.reasons import WAITS, WaitReason, told
from specola.domain.task import Reason, Task
from specola.worker.verdicts import Note, Verdict

__all__ = ["RUNNING", "begun_at", "resumed", "waiting"]

RUNNING = Reason(code="running", sentence="It is running.")
JITTER = timedelta(minutes=1)
JITTER_SHARE = 0.1
"""By how much a forecast may move, of the time until then, before it is another one."""


def waiting(task: Task, seen: Observation, *, at: datetime) -> Verdict:
    """Decide about a task that should run and that its computing has not started, or has put back into its queue.

    Nothing here looks at the time: a queue may be as long as it likes.
    """
    back = task.begun is not None
    code = seen.reason or (WaitReason.REQUEUED.value if back else "")
    notes: list[Note] = []
    after = replace(task, raw=seen.raw, node=seen.node, deadline=None, forecast=_forecast(task, seen, at=at))
    if back:
        closed = tuple(replace(one, ready=False, endpoint=None, since=at) for one in task.interfaces)
        after = replace(after, begun=None, warned=None, interfaces=closed)
    if code:
        after = replace(after, reason=told(WAITS, code, seen.sentence))
        if (after.reason.code, after.raw) != (task.reason.code, task.raw):
            note = "requeued" if back else "waiting_in_queue"
            notes.append(Note(code=note, sentence=after.reason.sentence, data=_data(after)))
    if after.forecast is not None and after.forecast != task.forecast:
        data = {"starts": after.forecast.starts.isoformat(), "source": after.forecast.source}
        notes.append(Note(code="forecast", sentence=_expectation(after.forecast), data=data))
    return Verdict(task=after, notes=tuple(notes))


def resumed(task: Task) -> Task:
    """Return a task, of which it is known that it runs, without what was said while it waited."""
    if task.reason.code not in WAITS:
        return task
    return replace(task, reason=RUNNING if task.started else Reason(code="starting", sentence="It has been started."))


def begun_at(task: Task, seen: Observation, at: datetime) -> datetime:
    """Return when the container started; its computing's clock is believed between our own two marks only.

    It is written down once. What a computing says no start of is taken to have started when that was first seen, so
    that an hour in a queue is not counted as an hour without an answer.
    """
    return task.begun or min(max(seen.started or at, task.since), at)


def _forecast(task: Task, seen: Observation, *, at: datetime) -> Forecast | None:
    """Return what is expected by now: a scheduler plans anew all the time, and moves by seconds say nothing."""
    before, now = task.forecast, seen.forecast
    if now is None:
        # What earlier tasks tell stays true; what the scheduler has taken back does not.
        return before if before is not None and before.source == "history" else None
    if before is None or before.source != now.source:
        return now
    jitter = max(JITTER, (now.starts - at) * JITTER_SHARE)
    return before if abs(now.starts - before.starts) <= jitter else now


def _expectation(forecast: Forecast) -> str:
    when = forecast.starts.strftime("%-d %B, %H:%M UTC")
    if forecast.source == "scheduler":
        return f"The scheduler expects to start it at {when}."
    return f"It is expected to start at {when}, as earlier tasks like it did."


def _data(task: Task) -> Mapping[str, Any]:
    return {"reason": task.reason.code, "raw": task.raw}
