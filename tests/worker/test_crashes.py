"""A worker killed between any two steps: the next one converges to exactly one task, and loses nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from specola.domain.task import FINAL, Desired, Task, TaskState
from specola.worker.timing import Timing
from tests.support.hurry import HASTY, PATIENCE, QUICK
from tests.worker.workbench import Grip, Workbench, open_workbench

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
async def bench(tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[Workbench]:
    async with open_workbench(tmp_path, tables=migrated_sqlite) as opened:
        yield opened


def runs(task: Task | None) -> bool:
    return task is not None and task.state is TaskState.RUNNING


def is_over(task: Task | None) -> bool:
    return task is not None and task.state in FINAL and task.handle is None


async def undisturbed(bench: Workbench) -> tuple[int, int]:
    """Run one whole life; return how many steps were taken until it ran, and until it was cleaned."""
    grip = Grip()
    worker = bench.begin(grip=grip)
    task = await bench.want()
    await bench.until(task, runs)
    started = grip.count
    await bench.wish(task, Desired.STOPPED)
    await bench.until(task, is_over)
    await bench.end(worker)
    bench.world.starts.clear()
    return started, grip.count - started


async def crash(bench: Workbench, *, at: int, before: bool, timing: Timing = QUICK) -> Grip:
    """Run a worker and kill it at one of its steps."""
    grip = Grip(at=at, before=before)
    worker = bench.begin(grip=grip, timing=timing)
    async with asyncio.timeout(PATIENCE):
        _ = await grip.fatal.wait()
    await bench.end(worker)
    return grip


async def logged(bench: Workbench, task: Task) -> list[str]:
    return [line.text async for line in bench.archive.lines(task.id)]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_killed_anywhere_in_a_start_nothing_is_doubled(bench: Workbench, *, before: bool) -> None:
    steps, _ = await undisturbed(bench)
    for at in range(1, steps + 1):
        task = await bench.want()
        grip = await crash(bench, at=at, before=before)
        worker = bench.begin()
        await bench.until(task, runs)
        codes = await bench.codes(task)
        assert bench.world.starts.count(task.id) == 1, grip.asked
        assert [codes.count(code) for code in ("starting", "placed", "interface_ready", "running")] == [1] * 4, codes
        await bench.end(worker)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_killed_anywhere_in_a_stop_nothing_is_left_and_the_log_is_kept(bench: Workbench, *, before: bool) -> None:
    _, steps = await undisturbed(bench)
    for at in range(1, steps + 1):
        worker = bench.begin()
        task = await bench.want()
        await bench.until(task, runs)
        await bench.end(worker)
        await bench.wish(task, Desired.STOPPED)
        await crash(bench, at=at, before=before)
        worker = bench.begin()
        over = await bench.until(task, is_over)
        assert over is not None
        assert over.state is TaskState.STOPPED
        assert (await bench.codes(task)).count("stopped") == 1
        assert bench.world.containers == {}
        assert await logged(bench, task) == ["serving"]
        await bench.end(worker)


async def test_killed_anywhere_in_a_start_that_is_given_up_nothing_is_left(bench: Workbench) -> None:
    steps, _ = await undisturbed(bench)
    for at in range(1, steps + 1):
        task = await bench.want()
        await crash(bench, at=at, before=False)
        await bench.wish(task, Desired.STOPPED)
        worker = bench.begin()
        over = await bench.until(task, is_over)
        assert over is not None
        assert over.state is TaskState.STOPPED
        assert bench.world.containers == {}
        await bench.end(worker)


@pytest.mark.parametrize("image", ["example.test/exits:1", "example.test/deaf:1", "example.test/missing:1"])
async def test_killed_anywhere_in_a_failure_it_fails_once_with_its_reason(bench: Workbench, image: str) -> None:
    for at in range(2, 14):
        task = await bench.want(image)
        await crash(bench, at=at, before=False, timing=HASTY)
        worker = bench.begin(timing=HASTY)
        over = await bench.until(task, is_over)
        assert over is not None
        assert over.state is TaskState.FAILED
        assert over.reason.code in {"exit_code", "interface_not_ready", "image_unknown"}
        assert (await bench.codes(task)).count("failed") == 1
        assert bench.world.containers == {}
        await bench.end(worker)


async def test_a_deleted_task_goes_though_the_worker_was_killed_on_the_way(bench: Workbench) -> None:
    for at in range(1, 5):
        worker = bench.begin()
        task = await bench.want("example.test/done:1")
        await bench.until(task, is_over)
        await bench.end(worker)
        await bench.wish(task, Desired.DELETED)
        await crash(bench, at=at, before=False)
        worker = bench.begin()
        await bench.until(task, lambda record: record is None)
        assert await logged(bench, task) == []
        await bench.end(worker)
