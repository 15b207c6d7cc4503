"""Use: whether a task is in use, judged from what people did with it and from what it computes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from specola.domain.computing import Usage
from specola.domain.person import PersonId
from specola.domain.task import Task, TaskId, TaskState

__all__ = ["BUSY_CPUS", "WINDOW", "Carried", "Use", "UseSign", "computes", "mean_cpus", "use_of"]

WINDOW = timedelta(minutes=10)
"""How long a sign of use counts."""

BUSY_CPUS = 0.1
"""CPUs, on average over `WINDOW`, from which on a task counts as computing. What idles stays well below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What was carried for one person through one interface: bytes to the task and from it, and the last use.

    Without interface and person it says when the task was last seen computing. `name` is how the person is called.
    """

    task: TaskId
    interface: str
    person: PersonId
    name: str = ""
    received: int
    sent: int
    last_used: datetime | None


class UseSign(StrEnum):
    """What shows that a task is in use, the strongest first; or that it is not."""

    PERSON = "person"
    COMPUTATION = "computation"
    START = "start"
    IDLE = "idle"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Whether a task is in use, and why.

    `last_used` is the last use by a person, `last_computed` when it was last seen computing. `cpus` is the average over
    the last 10 minutes, None where it is not measured. `idle_since` is None while it is in use.
    """

    sign: UseSign
    sentence: str
    last_used: datetime | None = None
    last_computed: datetime | None = None
    idle_since: datetime | None = None
    cpus: float | None = None
    parts: tuple[Carried, ...] = ()

    @property
    def in_use(self) -> bool:
        """Whether it is."""
        return self.sign in {UseSign.PERSON, UseSign.COMPUTATION, UseSign.START}


def mean_cpus(usage: Iterable[Usage], now: datetime) -> float | None:
    """Return the CPUs used on average over the last 10 minutes; None: nothing was measured in them."""
    measured = [one.cpus for one in usage if one.at > now - WINDOW]
    return sum(measured) / len(measured) if measured else None


def computes(usage: Iterable[Usage], now: datetime) -> bool:
    """Tell whether what was measured shows a computation."""
    cpus = mean_cpus(usage, now)
    return cpus is not None and cpus >= BUSY_CPUS


def use_of(task: Task, carried: Sequence[Carried], usage: Sequence[Usage], *, now: datetime) -> Use:
    """Judge whether a task is in use.

    Parameters
    ----------
    carried
        What was carried for it, by interface and person, and when it was last seen computing.
    usage
        Measurements; none where its computing measures nothing, or cannot be asked.

    Notes
    -----
    In use is what a person used within the last 10 minutes, what computes (`BUSY_CPUS`), and what was started within the
    last 10 minutes. Measurements say more than the memory of earlier ones, which counts only where there are none.
    """
    parts = tuple(one for one in carried if one.interface)
    used = [one.last_used for one in parts if one.last_used]
    computed = [one.last_used for one in carried if not one.interface and one.last_used]
    last_used, last_computed = max(used, default=None), max(computed, default=None)
    cpus = mean_cpus(usage, now) if task.is_live else None
    sign = _sign(task, last_used, last_computed, cpus=cpus, now=now)
    began = task.started or task.created
    idle = max(began, *used, *computed) if used or computed else began
    return Use(
        sign=sign,
        sentence=_sentence(sign, parts, cpus=cpus, now=now),
        last_used=last_used,
        last_computed=last_computed,
        idle_since={UseSign.IDLE: idle, UseSign.ENDED: task.ended}.get(sign),
        cpus=cpus,
        parts=parts,
    )


def _sign(
    task: Task, last_used: datetime | None, last_computed: datetime | None, *, cpus: float | None, now: datetime
) -> UseSign:
    since = now - WINDOW
    if not task.is_live:
        return UseSign.ENDED
    if last_used is not None and last_used > since:
        return UseSign.PERSON
    if (last_computed is not None and last_computed > since) if cpus is None else cpus >= BUSY_CPUS:
        return UseSign.COMPUTATION
    if task.state in {TaskState.QUEUED, TaskState.STARTING} or (task.started or task.created) > since:
        return UseSign.START
    return UseSign.IDLE


def _sentence(sign: UseSign, parts: Sequence[Carried], *, cpus: float | None, now: datetime) -> str:
    match sign:
        case UseSign.PERSON:
            return _who([one for one in parts if one.last_used and one.last_used > now - WINDOW])
        case UseSign.COMPUTATION if cpus is None:
            return "It computed within the last 10 minutes."
        case UseSign.COMPUTATION:
            return f"It computes: {cpus:.1f} CPU on average over the last 10 minutes."
        case UseSign.START:
            return "It was started within the last 10 minutes."
        case UseSign.IDLE if cpus is None:
            return "Nobody uses it. What it computes is not measured here."
        case UseSign.IDLE:
            return "Nobody uses it, and it computes nothing."
        case UseSign.ENDED:
            return "It has ended."


def _who(parts: Sequence[Carried]) -> str:
    people = dict.fromkeys(one.name or "somebody" for one in parts)
    interfaces = dict.fromkeys(f"“{one.interface}”" for one in parts)
    return f"{_listed(list(people))} used {_listed(list(interfaces))} within the last 10 minutes."


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
