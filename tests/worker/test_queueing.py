"""Queues: what is told of a task that waits, for however long, and what happens when it starts, is put back or is stopped."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from specola.clock import ManualClock
from specola.computing.memory.world import Waiting
from specola.domain.computing import Observation, Phase
from specola.domain.placement import Forecast, Placement
from specola.domain.task import FINAL, Desired, Task, TaskState
from specola.worker.decisions import Step, answered
from tests.worker.records import NOW, judged, ready, running, task
from tests.worker.workbench import Workbench, open_workbench

H = "h1"
HOUR = 3600
STARTING, RUNNING = TaskState.STARTING, TaskState.RUNNING


def queued(reason: str = "resources", raw: str = "Resources", starts: float | None = None) -> Observation:
    """Say that it stands in the queue; `starts` is when the scheduler expects to start it, in seconds after NOW."""
    forecast = None if starts is None else Forecast(starts=NOW + timedelta(seconds=starts), source="scheduler")
    return Observation(phase=Phase.CREATED, reason=reason, raw=raw, forecast=forecast)


def test_what_it_waits_for_is_told_in_words_with_the_raw_code_beside() -> None:
    verdict = judged(task(STARTING, handle=H), queued("priority", "Priority", starts=HOUR), after=5)
    assert (verdict.task.reason.code, verdict.task.reason.sentence) == ("priority", "Others in the queue come first.")
    assert verdict.task.raw == "Priority"
    assert verdict.task.forecast == Forecast(starts=NOW + timedelta(hours=1), source="scheduler")
    assert [(note.code, note.data.get("raw")) for note in verdict.notes] == [
        ("waiting_in_queue", "Priority"),
        ("forecast", None),
    ]
    assert verdict.step is Step.NOTHING
    assert verdict.task.waits


def test_only_what_matters_is_told_again() -> None:
    first = judged(task(STARTING, handle=H), queued(starts=HOUR)).task
    # A scheduler plans anew all the time.
    moved = judged(first, queued(starts=HOUR + 30), after=10)
    assert (moved.task.forecast, moved.notes) == (first.forecast, ())
    later = judged(first, queued(starts=3 * HOUR), after=10)
    assert [note.code for note in later.notes] == ["forecast"]
    held = judged(first, queued("held", "JobHeldUser", starts=HOUR), after=10)
    assert [note.code for note in held.notes] == ["waiting_in_queue"]
    assert judged(first, queued(starts=HOUR), after=HOUR).task == first


def test_what_earlier_tasks_tell_stays_until_the_scheduler_says_more_and_what_it_takes_back_is_gone() -> None:
    history = Forecast(starts=NOW + timedelta(minutes=10), source="history", latest=NOW + timedelta(minutes=40))
    waits = judged(task(STARTING, handle=H, forecast=history), queued()).task
    assert waits.forecast == history
    planned = judged(waits, queued(starts=HOUR)).task
    assert planned.forecast is not None
    assert planned.forecast.source == "scheduler"
    assert judged(planned, queued()).task.forecast is None


@pytest.mark.parametrize("declared", [(), None], ids=["headless", "with an interface"])
def test_an_hour_in_the_queue_is_no_hour_without_an_answer(declared: tuple[object, ...] | None) -> None:
    record = task(STARTING, handle=H, **({} if declared is None else {"declared": declared}))
    waits = judged(record, queued()).task
    for hours in range(1, 30):
        waits = judged(waits, queued(), after=hours * HOUR).task
        assert waits.state is STARTING
    # Its computing tells no moment of its start.
    begun = judged(waits, running(started=None), after=30 * HOUR)
    assert begun.task.begun == NOW + timedelta(hours=30)
    assert begun.task.state is (RUNNING if declared == () else STARTING)
    if declared is None:
        assert judged(begun.task, running(started=None), after=30 * HOUR + 59).step is Step.TRY
        assert judged(begun.task, running(started=None), after=30 * HOUR + 61).task.state is TaskState.FAILED


def test_a_task_put_back_into_the_queue_closes_its_interfaces_and_goes_on_when_it_starts_again() -> None:
    record = ready(task(STARTING, handle=H))
    ran = judged(record, running(), after=1).task
    assert ran.state is RUNNING
    back = judged(ran, queued("", "BeginTime"), after=60)
    assert (back.task.state, back.task.reason.code, back.task.begun) == (RUNNING, "requeued", None)
    assert not any(one.ready or one.endpoint for one in back.task.interfaces)
    assert [note.code for note in back.notes] == ["requeued"]
    assert back.task.waits
    again = judged(back.task, running(started=NOW + timedelta(hours=2)), after=2 * HOUR)
    assert (again.task.reason.code, again.step) == ("running", Step.TRY)
    served = answered(again.task, "lab", at=NOW + timedelta(hours=2)).task
    assert all(one.ready for one in served.interfaces)


def test_a_deadline_that_the_computing_tells_is_on_the_record_and_gone_when_it_is_put_back() -> None:
    limit = NOW + timedelta(hours=2)
    ran = judged(task(STARTING, handle=H, declared=()), running(deadline=limit, node="n1", raw="RUNNING")).task
    assert (ran.deadline, ran.node, ran.raw) == (limit, "n1", "RUNNING")
    # It keeps its time itself: the platform ends nothing.
    assert judged(ran, running(deadline=limit), after=3 * HOUR).task.state is RUNNING
    assert judged(ran, queued("requeued", "BeginTime"), after=60).task.deadline is None


@pytest.fixture
async def bench(tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[Workbench]:
    async with open_workbench(tmp_path, tables=migrated_sqlite, clock=ManualClock()) as opened:
        opened.world.queue = Waiting()
        yield opened


def waits(record: Task | None) -> bool:
    return record is not None and record.reason.code == "resources"


def runs(record: Task | None) -> bool:
    return record is not None and record.state is RUNNING


def over(record: Task | None) -> bool:
    return record is not None and record.state in FINAL and record.handle is None


@pytest.mark.anyio
async def test_an_hour_long_queue_becomes_reachable_when_it_starts(bench: Workbench) -> None:
    first = bench.begin()
    record = await bench.want()
    await bench.until(record, waits)
    handle = await bench.handle(record)
    clock = bench.clock
    assert isinstance(clock, ManualClock)
    clock.advance(timedelta(minutes=30))
    # Restarted in between: the task goes on waiting.
    await bench.end(first)
    clock.advance(timedelta(minutes=30))
    _ = bench.begin()
    await bench.world.start(handle, node="n1", deadline=clock.now() + timedelta(hours=2))
    ran = await bench.until(record, runs)
    assert ran is not None
    assert ran.begun == clock.now()
    assert ran.deadline == clock.now() + timedelta(hours=2)
    assert (ran.node, ran.forecast) == ("n1", None)
    assert bench.world.starts == [record.id]
    assert (await bench.codes(record)).count("waiting_in_queue") == 1


@pytest.mark.anyio
async def test_a_task_in_the_queue_can_be_stopped(bench: Workbench) -> None:
    _ = bench.begin()
    record = await bench.want()
    await bench.until(record, waits)
    await bench.wish(record, Desired.STOPPED)
    ended = await bench.until(record, over)
    assert ended is not None
    assert (ended.state, ended.reason.code) == (TaskState.STOPPED, "stopped")
    assert bench.world.containers == {}
    assert bench.world.starts == []


@pytest.mark.anyio
async def test_a_task_that_the_scheduler_drops_says_what_it_waited_for(bench: Workbench) -> None:
    _ = bench.begin()
    record = await bench.want()
    handle = await bench.handle(record)
    await bench.world.kill(handle, exit_code=0, reason="cancelled_outside", raw="CANCELLED by 0")
    ended = await bench.until(record, over)
    assert ended is not None
    assert (ended.state, ended.reason.code, ended.raw) == (TaskState.FAILED, "cancelled_outside", "CANCELLED by 0")
    assert ended.reason.hint


@pytest.mark.anyio
async def test_a_time_on_a_place_without_limits_is_kept_by_the_platform_also_across_a_restart(
    bench: Workbench,
) -> None:
    bench.world.queue = None
    first = bench.begin()
    record = await bench.want(placement=Placement(time=timedelta(hours=1)))
    ran = await bench.until(record, runs)
    assert ran is not None
    assert ran.handle is not None
    clock = bench.clock
    assert isinstance(clock, ManualClock)
    begun = clock.now()
    assert ran.deadline == begun + timedelta(hours=1)
    clock.advance(timedelta(minutes=46))
    await bench.until(record, lambda one: one is not None and one.warned == timedelta(minutes=15))
    assert bench.told == [(record.id, "This task ends at its time limit in 14 minutes. Save your work.")]
    await bench.end(first)
    clock.advance(timedelta(hours=1))
    _ = bench.begin()
    ended = await bench.until(record, over)
    assert ended is not None
    assert (ended.state, ended.reason.code) == (TaskState.STOPPED, "time_limit")
    assert ended.reason.sentence == "It reached its time limit of 1h and was ended."
    assert [code for code in await bench.codes(record) if code.startswith(("deadline", "time"))] == [
        "deadline_near",
        "time_limit",
    ]


@pytest.mark.anyio
async def test_a_headless_task_cut_off_at_its_time_has_failed(bench: Workbench) -> None:
    bench.world.queue = None
    _ = bench.begin()
    headless = task(declared=()).release
    asked = await bench.want(release=headless, interfaces=(), placement=Placement(time=timedelta(hours=1)))
    await bench.until(asked, runs)
    await bench.world.kill(await bench.handle(asked), exit_code=0, reason="time_limit", raw="TIMEOUT")
    ended = await bench.until(asked, over)
    assert ended is not None
    assert (ended.state, ended.reason.code, ended.raw) == (TaskState.FAILED, "time_limit", "TIMEOUT")
