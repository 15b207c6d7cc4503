"""When a task counts as in use."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from specola.domain.computing import Usage
from specola.domain.software import Release
from specola.domain.task import Desired, ImageRecord, Reason, Task, TaskState
from specola.domain.use import BUSY_CPUS, WINDOW, Carried, Use, UseSign, computes, mean_cpus, use_of

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RELEASE = Release(id="r1", version="1", image="lab:1")
TASK = Task(
    id="k3f9x2ab4c",
    name="lab",
    owner="p1",
    software=None,
    title="Lab",
    release=RELEASE,
    computing="here",
    resources=RELEASE.resources,
    environment={},
    parameters={},
    image=ImageRecord(reference="lab:1"),
    desired=Desired.RUNNING,
    state=TaskState.RUNNING,
    reason=Reason(code="running", sentence="It runs."),
    since=NOW - timedelta(hours=5),
    created=NOW - timedelta(hours=6),
    started=NOW - timedelta(hours=5),
)


def carried(*, used: timedelta | None, interface: str = "lab", person: str = "p1", name: str = "ada") -> Carried:
    last = None if used is None else NOW - used
    return Carried(task=TASK.id, interface=interface, person=person, name=name, received=5, sent=7, last_used=last)


def measured(*cpus: float, apart: timedelta = timedelta(seconds=5)) -> list[Usage]:
    count = len(cpus)
    return [Usage(at=NOW - apart * (count - place), cpus=one, memory=0) for place, one in enumerate(cpus, 1)]


COMPUTED = carried(used=2 * MINUTE, interface="", person="", name="")
IDLE = measured(0.01, 0.02)


def judged(*parts: Carried, usage: list[Usage] = IDLE, task: Task = TASK) -> Use:
    return use_of(task, parts, usage, now=NOW)


def test_what_a_person_used_a_moment_ago_is_in_use() -> None:
    use = judged(carried(used=9 * MINUTE))
    assert (use.sign, use.in_use, use.idle_since) == (UseSign.PERSON, True, None)
    assert use.sentence == "ada used “lab” within the last 10 minutes."
    assert use.last_used == NOW - 9 * MINUTE


def test_several_people_and_interfaces_are_named_once() -> None:
    parts = (
        carried(used=MINUTE),
        carried(used=MINUTE, interface="terminal"),
        carried(used=MINUTE, person="p2", name=""),
        carried(used=20 * MINUTE, person="p3", name="eve"),
    )
    assert judged(*parts).sentence == "ada and somebody used “lab” and “terminal” within the last 10 minutes."


@pytest.mark.parametrize("used", [None, WINDOW, timedelta(hours=1)])
def test_bytes_without_a_late_use_are_none(used: timedelta | None) -> None:
    use = judged(carried(used=used))
    assert (use.sign, use.in_use) == (UseSign.IDLE, False)
    assert use.idle_since == (TASK.started if used is None else NOW - used)
    assert use.sentence == "Nobody uses it, and it computes nothing."
    assert [(one.received, one.sent) for one in use.parts] == [(5, 7)]


@pytest.mark.parametrize(("cpus", "sign"), [(BUSY_CPUS, UseSign.COMPUTATION), (BUSY_CPUS / 2, UseSign.IDLE)])
def test_what_computes_is_in_use(cpus: float, sign: UseSign) -> None:
    assert judged(usage=measured(cpus, cpus)).sign is sign


def test_the_average_counts_and_not_a_moment() -> None:
    assert not computes(measured(*([0.0] * 99), 4.0), NOW)
    assert computes(measured(*([0.0] * 90), *([4.0] * 10)), NOW)
    assert mean_cpus(measured(8.0, 0.2, apart=WINDOW), NOW) == 0.2
    assert mean_cpus([], NOW) is None
    assert "1.5 CPU on average" in judged(usage=measured(1.0, 2.0)).sentence


def test_a_person_comes_before_a_computation() -> None:
    assert judged(carried(used=MINUTE), usage=measured(4.0)).sign is UseSign.PERSON


def test_earlier_measurements_count_where_there_are_none() -> None:
    use = judged(COMPUTED, usage=[])
    assert (use.sign, use.cpus, use.parts) == (UseSign.COMPUTATION, None, ())
    assert judged(COMPUTED).sign is UseSign.IDLE
    assert judged(COMPUTED).idle_since == NOW - 2 * MINUTE
    assert judged(COMPUTED).last_computed == NOW - 2 * MINUTE
    assert judged(COMPUTED).last_used is None


def test_what_is_not_measured_says_so() -> None:
    assert "not measured" in judged(usage=[]).sentence


def test_what_was_just_started_is_in_use() -> None:
    for task in (
        replace(TASK, state=TaskState.QUEUED, started=None),
        replace(TASK, state=TaskState.STARTING, started=None),
        replace(TASK, started=NOW - 9 * MINUTE),
    ):
        assert judged(task=task).sign is UseSign.START
    assert judged(task=replace(TASK, started=NOW - WINDOW)).sign is UseSign.IDLE


def test_what_has_ended_is_not() -> None:
    task = replace(TASK, state=TaskState.STOPPED, ended=NOW - MINUTE)
    use = judged(carried(used=MINUTE), usage=measured(4.0), task=task)
    assert (use.sign, use.in_use, use.idle_since, use.cpus) == (UseSign.ENDED, False, NOW - MINUTE, None)
