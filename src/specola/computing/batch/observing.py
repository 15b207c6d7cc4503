"""What is said of a task, from what its scheduler and its agent say: pure, and the only place that decides on an end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from specola.computing.batch.scheduling import Entry, JobState
from specola.computing.batch.traces import Trace
from specola.domain.computing import Observation, Phase
from specola.domain.reasons import ENDS, EndReason, WaitReason

__all__ = ["Judgement", "Seen", "chosen", "judge"]

KILLED = 137
FAREWELL = timedelta(seconds=6)
"""For how long after the agent's good-bye the scheduler's own verdict is waited for, where it may say more."""
DECISIVE = frozenset(
    {
        EndReason.TIME_LIMIT,
        EndReason.OUT_OF_MEMORY,
        EndReason.NODE_FAILED,
        EndReason.PREEMPTED,
        EndReason.BOOT_FAILED,
    }
)
"""What only the scheduler can know."""
STOPPED = "stopped"
"""What the agent says of an end that it was asked for, by whomever."""
AGENT_WORDS = {
    "exited": "",
    "image_unreachable": EndReason.IMAGE_PULL,
    "image_unknown": EndReason.IMAGE_PULL,
    "no_space": EndReason.STORAGE_FULL,
    "start_failed": EndReason.RUNTIME_FAILED,
    "no_namespaces": EndReason.RUNTIME_FAILED,
}
"""What the agent says of an end, in the platform's words where they differ."""
STILL = Observation(
    phase=Phase.CREATED,
    reason=WaitReason.SCHEDULING,
    sentence="It was handed in; the scheduler does not list it yet.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that is known of one task at one look.

    Parameters
    ----------
    entries
        The jobs of its name, the oldest first.
    missing
        For how long neither the scheduler nor its books have known it, though both answered.
    patience
        How long that has to go on until it counts.
    books
        Whether the scheduler keeps books of what ended.
    """

    trace: Trace
    entries: Sequence[Entry] = ()
    missing: timedelta = timedelta()
    patience: timedelta = timedelta(seconds=30)
    books: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said, and whether another question now would tell more."""

    observation: Observation
    in_doubt: bool = False


def chosen(trace: Trace, entries: Sequence[Entry]) -> Entry | None:
    """Return the job that a task is: the one that began; else the one that was noted; else the oldest that lives."""
    for wanted in (trace.mark, str((trace.job or {}).get("id") or "")):
        for entry in entries:
            if wanted and entry.id == wanted:
                return entry
    live = [one for one in entries if one.state is not JobState.ENDED]
    return next(iter(live or entries), None)


def judge(seen: Seen, *, now: datetime) -> Judgement:
    """Say what is known of a task.

    Neither silence nor an unknown id is ever an end: a task has ended if its scheduler or its agent says so, or if
    scheduler and books have not known it for a while although both were asked.
    """
    trace, entry = seen.trace, chosen(seen.trace, seen.entries)
    over = entry is None or entry.state is JobState.ENDED
    if trace.known and not trace.there and over:
        return Judgement(Observation.forgotten())
    if entry is None:
        return _unlisted(seen)
    if trace.has_ended:
        return _farewell(trace, entry, now=now)
    if entry.state is JobState.ENDED:
        return _ended(trace, entry, seen)
    if entry.state is JobState.WAITING and not trace.phase:
        return Judgement(_waiting(entry))
    if entry.state is JobState.WAITING and entry.reason in {WaitReason.BEGIN_TIME, WaitReason.REQUEUED}:
        told = Observation(phase=Phase.CREATED, reason=WaitReason.REQUEUED, raw=entry.raw, forecast=entry.forecast)
        return Judgement(told)
    # The agent may have told of its start before the scheduler was asked again.
    return Judgement(_live(trace, entry), in_doubt=entry.state is not JobState.RUNNING)


def _waiting(entry: Entry) -> Observation:
    return Observation(
        phase=Phase.CREATED, reason=entry.reason, sentence=entry.sentence, raw=entry.raw, forecast=entry.forecast
    )


def _live(trace: Trace, entry: Entry) -> Observation:
    runs = trace.phase == "running"
    waits = WaitReason.IMAGE if trace.phase == "pulling" else WaitReason.STARTING
    return Observation(
        phase=Phase.RUNNING if runs else Phase.CREATED,
        reason=entry.reason if runs else waits,
        sentence=entry.sentence if runs else trace.word("sentence"),
        started=(trace.moment("started") or entry.started) if runs else None,
        image_id=trace.word("image_id") or None,
        architecture=trace.word("architecture") or None,
        raw=entry.raw,
        deadline=entry.deadline,
        node=entry.node or trace.word("node"),
    )


def _farewell(trace: Trace, entry: Entry, *, now: datetime) -> Judgement:
    """Judge a task whose agent has said good-bye; the scheduler may know better why."""
    if entry.state is JobState.ENDED:
        return Judgement(_over(trace, entry))
    ended = trace.moment("ended") or now
    unclear = trace.exit_code is None or trace.exit_code >= 128 or trace.word("reason") == STOPPED
    if unclear and now - ended < FAREWELL:
        return Judgement(_live_still(trace, entry), in_doubt=True)
    return Judgement(_over(trace, entry), in_doubt=True)


def _live_still(trace: Trace, entry: Entry) -> Observation:
    """Describe a task whose end is known and whose cause is not yet."""
    began = trace.moment("started")
    return Observation(
        phase=Phase.RUNNING if began else Phase.CREATED,
        reason="" if began else WaitReason.STARTING,
        started=began,
        image_id=trace.word("image_id") or None,
        architecture=trace.word("architecture") or None,
        raw=entry.raw,
        deadline=entry.deadline,
        node=entry.node,
    )


def _ended(trace: Trace, entry: Entry, seen: Seen) -> Judgement:
    """Judge a task that the scheduler says has ended, and whose agent could not say good-bye."""
    if entry.exit_code is None and entry.reason not in ENDS and seen.books and seen.missing < seen.patience:
        # The books tell the exit code a few seconds later.
        return Judgement(_live(trace, entry), in_doubt=True)
    return Judgement(_over(trace, entry))


def _unlisted(seen: Seen) -> Judgement:
    trace = seen.trace
    if trace.has_ended:
        return Judgement(_over(trace, None))
    if seen.missing < seen.patience:
        last = _live(trace, Entry(id="", name="", state=JobState.RUNNING)) if trace.phase else STILL
        return Judgement(last, in_doubt=True)
    if trace.phase or trace.mark:
        lost = Observation(
            phase=Phase.ENDED,
            exit_code=KILLED,
            reason=EndReason.AGENT_LOST,
            started=trace.moment("started"),
            image_id=trace.word("image_id") or None,
            architecture=trace.word("architecture") or None,
            node=trace.word("node"),
        )
        return Judgement(lost)
    return Judgement(Observation.forgotten())


def _knows_better(entry: Entry, trace: Trace, code: int | None) -> bool:
    """Tell whether the scheduler's reason for an end is worth more than the agent's."""
    if entry.reason in DECISIVE or not trace.has_ended:
        return True
    return bool(entry.reason) and (code is None or code >= 128 or trace.word("reason") == STOPPED)


def _over(trace: Trace, entry: Entry | None) -> Observation:
    said, code = AGENT_WORDS.get(trace.word("reason"), trace.word("reason")), trace.exit_code
    reason, sentence = said, trace.word("sentence") if said else ""
    if entry is not None and _knows_better(entry, trace, code):
        reason, sentence = entry.reason, entry.sentence
    if code is None and entry is not None:
        code = entry.exit_code
    return Observation(
        phase=Phase.ENDED,
        exit_code=code,
        reason=reason,
        sentence=sentence,
        started=trace.moment("started") or (entry.started if entry else None),
        ended=trace.moment("ended") or (entry.ended if entry else None),
        image_id=trace.word("image_id") or None,
        architecture=trace.word("architecture") or None,
        raw=entry.raw if entry else "",
        node=(entry.node if entry else "") or trace.word("node"),
    )
