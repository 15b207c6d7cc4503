"""What to do about one task: a pure function of its record and of what the computing says of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from specola.domain.computing import Handle, Observation, Phase
from specola.domain.software import Interface
from specola.domain.task import Desired, Endpoint, InterfaceState, Reason, Task, TaskState
from specola.worker.bounds import bounded, is_over, timed_out
from specola.worker.endings import ending
from specola.worker.queueing import RUNNING, begun_at, resumed, waiting
from specola.worker.timing import Timing
from specola.worker.verdicts import Note, Step, Verdict

__all__ = [
    "Look",
    "Note",
    "Step",
    "Verdict",
    "answered",
    "cleaned",
    "decide",
    "failed",
    "placed",
    "settled",
    "stream_of",
]

UNANSWERED = Reason(
    code="computing_unreachable",
    sentence="Its computing does not answer at the moment.",
    hint="It starts by itself as soon as the computing answers.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a task's computing.

    `observation` is None when nothing was learned: no handle yet, or the computing did not answer, in which case
    `unseen_since` tells since when.
    """

    at: datetime
    observation: Observation | None = None
    unseen_since: datetime | None = None


def decide(task: Task, look: Look, *, streams: Path, timing: Timing) -> Verdict:
    """Decide about one task.

    Parameters
    ----------
    task
        Its record, as read in the same transaction in which the verdict is written.
    look
        What the computing said of it.
    streams
        The folder of the connector's sockets, for ports that cannot be dialled.
    timing
        The time limits.
    """
    if look.unseen_since is not None:
        return _unseen(task, look, look.unseen_since)
    seen = task if task.unseen_since is None else replace(task, unseen_since=None, seen=look.at)
    if not seen.is_live:
        return _ended(seen)
    if seen.handle is None:
        return _unplaced(seen, look)
    if look.observation is None:
        return Verdict(task=seen)
    if look.observation.phase in {Phase.ENDED, Phase.FORGOTTEN}:
        return Verdict(task=seen, step=Step.SETTLE)
    if seen.desired is not Desired.RUNNING:
        return _stopping(seen, look)
    if seen.state is TaskState.STOPPING:
        # Its time is over, and the worker that began to end it may be gone.
        return Verdict(task=seen, step=Step.STOP)
    if look.observation.phase is Phase.CREATED:
        return waiting(seen, look.observation, at=look.at)
    return _serving(seen, look.at, look.observation, streams=streams, timing=timing)


def settled(task: Task, observation: Observation, *, at: datetime, log: Sequence[str] = ()) -> Verdict:
    """Decide about a live task whose container ended or is gone; `log` is the end of what it wrote."""
    state, reason = ending(task, observation, log=log)
    ended = observation.ended or at
    final = _final(task, state, reason, at=max(min(ended, at), task.since))
    final = replace(
        final,
        exit_code=observation.exit_code,
        raw=observation.raw or task.raw,
        node=observation.node or task.node,
        forecast=None,
    )
    data: dict[str, Any] = {"reason": reason.code}
    if observation.exit_code is not None:
        data["exit_code"] = observation.exit_code
    if log and state is TaskState.FAILED:
        data["log"] = list(log)
    note = Note(code=state.value, sentence=reason.sentence, data=data)
    return Verdict(task=final, step=Step.CLEAN if task.handle else Step.NOTHING, notes=(note,))


def failed(task: Task, reason: Reason, *, at: datetime) -> Verdict:
    """Decide about a live task that can never run as asked; if it was stopped meanwhile, it counts as stopped."""
    if not task.is_live:
        return Verdict(task=task)
    if task.desired is not Desired.RUNNING:
        return settled(task, Observation.forgotten(), at=at)
    final = _final(task, TaskState.FAILED, reason, at=at)
    note = Note(code=final.state.value, sentence=reason.sentence, data={"reason": reason.code, "hint": reason.hint})
    return Verdict(task=final, step=Step.CLEAN if task.handle else Step.NOTHING, notes=(note,))


def placed(task: Task, handle: Handle, *, at: datetime) -> Verdict:
    """Decide about a task that a computing has just told the handle of."""
    if task.handle == handle:
        return Verdict(task=task)
    note = Note(code="placed", sentence="Its computing has taken it up.", data={"handle": handle})
    return Verdict(task=replace(task, handle=handle, seen=at), notes=(note,) if task.is_live else ())


def cleaned(task: Task) -> Verdict:
    """Decide about an ended task of which nothing is left on its computing."""
    return Verdict(task=replace(task, handle=None))


def answered(task: Task, name: str, *, at: datetime, endpoint: Endpoint | None = None) -> Verdict:
    """Decide about a task one interface of which has just answered, at `endpoint` if not where it was expected."""
    state = task.interface(name)
    if not task.is_live or state is None or state.ready:
        return Verdict(task=task)
    ready = replace(state, ready=True, since=at, endpoint=endpoint or state.endpoint)
    states = tuple(ready if one.name == name else one for one in task.interfaces)
    notes = [Note(code="interface_ready", sentence=f"The interface “{name}” answers.", data={"interface": name})]
    task = replace(task, interfaces=states)
    if task.state is TaskState.STARTING and all(one.ready for one in states):
        task, note = _run(task, at)
        notes.append(note)
    return Verdict(task=task, notes=tuple(notes))


def _unseen(task: Task, look: Look, since: datetime) -> Verdict:
    """Keep everything: what cannot be asked has not ended."""
    if task.state is TaskState.QUEUED:
        if task.desired is not Desired.RUNNING:
            return _unplaced(task, look)
        if task.reason.code == UNANSWERED.code:
            return Verdict(task=task)
        note = Note(code=UNANSWERED.code, sentence=UNANSWERED.sentence)
        return Verdict(task=replace(task, reason=UNANSWERED), notes=(note,))
    if not task.is_live or task.unseen_since is not None:
        return Verdict(task=task)
    return Verdict(task=replace(task, unseen_since=since))


def _ended(task: Task) -> Verdict:
    if task.handle is not None:
        return Verdict(task=task, step=Step.CLEAN)
    if task.desired is Desired.DELETED:
        return Verdict(task=task, step=Step.ERASE)
    return Verdict(task=task)


def _unplaced(task: Task, look: Look) -> Verdict:
    """A live task without a handle: never launched, or a launch was cut off before its handle was written."""
    if task.desired is Desired.RUNNING:
        if task.state is TaskState.QUEUED:
            reason = Reason(code="starting", sentence="It is being started.")
            task = task.moved_to(TaskState.STARTING, at=look.at, reason=reason)
            note = Note(code=task.state.value, sentence=reason.sentence)
            return Verdict(task=task, step=Step.LAUNCH, notes=(note,))
        return Verdict(task=task, step=Step.LAUNCH)
    if task.state is TaskState.QUEUED:
        reason = Reason(code="stopped", sentence="It was stopped before it started.")
        return Verdict(
            task=_final(task, TaskState.STOPPED, reason, at=look.at),
            notes=(Note(code=TaskState.STOPPED.value, sentence=reason.sentence, data={"reason": reason.code}),),
        )
    return Verdict(task=task, step=Step.FIND)


def _stopping(task: Task, look: Look) -> Verdict:
    if task.state is TaskState.STOPPING:
        return Verdict(task=task, step=Step.STOP)
    reason = Reason(code="stopping", sentence="It is being stopped.")
    task = task.moved_to(TaskState.STOPPING, at=look.at, reason=reason)
    return Verdict(task=task, step=Step.STOP, notes=(Note(code=task.state.value, sentence=reason.sentence),))


def _serving(task: Task, at: datetime, seen: Observation, *, streams: Path, timing: Timing) -> Verdict:
    """A container that runs: record where it is reached, judge whether it is ready, and keep its time."""
    first = all(one.endpoint is None for one in task.interfaces)
    task, warned = bounded(resumed(_placed(task, at, seen, streams)), seen, at=at, warnings=timing.warnings)
    if is_over(task, seen, at):
        task, note = timed_out(task, at)
        return Verdict(task=task, step=Step.STOP, notes=(note,))
    notes, tell = list(warned), warned[0].sentence if warned else ""
    missing = [one.name for one in task.interfaces if not one.ready]
    if missing and first:
        sentence = f"It runs; waiting for {_named(missing)} to answer."
        notes.append(Note(code="waiting", sentence=sentence, data={"interfaces": missing}))
    if task.state is not TaskState.STARTING:
        return Verdict(task=task, step=Step.TRY if missing else Step.NOTHING, notes=tuple(notes), tell=tell)
    if not missing:
        task, note = _run(task, at)
        return Verdict(task=task, notes=(*notes, note), tell=tell)
    if at - begun_at(task, seen, at) < timing.ready:
        return Verdict(task=task, step=Step.TRY, notes=tuple(notes), tell=tell)
    late = Reason(
        code="interface_not_ready",
        sentence=f"{_named(missing)} did not answer within {timing.ready.total_seconds():g} s.",
        hint="Check the port and the health path of the interface, and the log for an error.",
    )
    if len(missing) == len(task.interfaces):
        return failed(task, late, at=at)
    notes.append(Note(code=late.code, sentence=late.sentence, data={"interfaces": missing}))
    task, note = _run(task, at)
    return Verdict(task=task, step=Step.TRY, notes=(*notes, note))


def _placed(task: Task, at: datetime, seen: Observation, streams: Path) -> Task:
    """Write down what only a running container tells: exact image, and where each interface is reached."""
    known = {one.name: one for one in task.interfaces}
    states = []
    for interface in task.release.interfaces:
        endpoint = _endpoint(task, interface, seen, streams)
        state = known.get(interface.name)
        # What answered only by the connector's stream, since it listens on the container's own loopback, stays so.
        relayed = state is not None and state.ready and state.endpoint == stream_of(task, interface, streams)
        if state is None or (state.endpoint != endpoint and not relayed):
            state = InterfaceState(name=interface.name, endpoint=endpoint, since=at)
        states.append(state)
    image = replace(
        task.image, id=seen.image_id or task.image.id, architecture=seen.architecture or task.image.architecture
    )
    return replace(task, image=image, interfaces=tuple(states))


def _endpoint(task: Task, interface: Interface, seen: Observation, streams: Path) -> Endpoint:
    if interface.port in seen.addresses:
        host, port = seen.addresses[interface.port]
        return Endpoint(host=host, port=port)
    return stream_of(task, interface, streams)


def stream_of(task: Task, interface: Interface, streams: Path) -> Endpoint:
    """Return where the connector offers an interface, whatever way leads to it."""
    return Endpoint(path=str(streams / f"{task.id}.{interface.port}.sock"))


def _run(task: Task, at: datetime) -> tuple[Task, Note]:
    task = task.moved_to(TaskState.RUNNING, at=at, reason=RUNNING)
    return task, Note(code=task.state.value, sentence=RUNNING.sentence)


def _final(task: Task, state: TaskState, reason: Reason, *, at: datetime) -> Task:
    """End a task; an ended task is reached nowhere."""
    closed = tuple(replace(one, ready=False, endpoint=None, since=at) for one in task.interfaces)
    return replace(task.moved_to(state, at=at, reason=reason), interfaces=closed, unseen_since=None)


def _named(names: Sequence[str]) -> str:
    quoted = [f"“{name}”" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
