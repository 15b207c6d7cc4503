"""The worker on a real database and a computing in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from specola.domain.computing import Computing, ComputingState, Intake, Launch
from specola.domain.errors import HostKeyChangedError
from specola.domain.software import HomeAccess, RunsAs
from specola.domain.task import FINAL, Desired, Task, TaskState
from specola.services.sealed import seal_secrets
from specola.worker.launching import launch_of
from tests.support.hurry import HASTY, PATIENCE, QUICK
from tests.worker.records import task as record_of
from tests.worker.workbench import Grip, Workbench, open_workbench

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[Workbench]:
    async with open_workbench(tmp_path, tables=migrated_sqlite) as opened:
        yield opened


def runs(task: Task | None) -> bool:
    return task is not None and task.state is TaskState.RUNNING


def is_over(task: Task | None) -> bool:
    return task is not None and task.state in FINAL and task.handle is None


async def over(bench: Workbench, task: Task) -> Task:
    ended = await bench.until(task, is_over)
    assert ended is not None
    return ended


async def test_a_task_comes_to_run_and_tells_each_step_once(bench: Workbench) -> None:
    _ = bench.begin()
    task = await bench.want()
    await bench.until(task, runs)
    assert await bench.codes(task) == ["starting", "created", "placed", "waiting", "interface_ready", "running"]


async def test_progress_of_a_pull_is_one_event_with_the_newest_numbers(bench: Workbench) -> None:
    _ = bench.begin()
    task = await bench.want("example.test/pulled:1")
    await bench.until(task, runs)
    async with bench.store.read() as transaction:
        events = await transaction.tasks.events(task.id)
    pulls = [event for event in events if event.code == "image_pull"]
    assert [dict(event.data) for event in pulls] == [{"done": 4 * 1024**2, "total": 4 * 1024**2}]


async def test_a_command_that_exits_at_once_fails_with_its_code_and_last_words(bench: Workbench) -> None:
    _ = bench.begin()
    ended = await over(bench, await bench.want("example.test/exits:1"))
    assert (ended.state, ended.exit_code, ended.reason.code) == (TaskState.FAILED, 3, "exit_code")
    assert "no such setting" in ended.reason.hint
    assert [line.text async for line in bench.archive.lines(ended.id)] == ["starting", "no such setting"]


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("example.test/missing:1", "image_unknown"),
        ("example.test/arm:1", "image_architecture"),
        ("example.test/deaf:1", "interface_not_ready"),
        ("example.test/greedy:1", "out_of_memory"),
        ("example.test/done:1", "ended_early"),
    ],
)
async def test_what_cannot_run_fails_with_a_reason_and_a_hint_and_leaves_nothing(
    bench: Workbench, image: str, code: str
) -> None:
    _ = bench.begin(timing=HASTY if code == "interface_not_ready" else QUICK)
    ended = await over(bench, await bench.want(image))
    assert (ended.state, ended.reason.code) == (TaskState.FAILED, code)
    assert ended.reason.sentence
    assert ended.reason.hint
    assert bench.world.containers == {}


async def test_no_space_is_told(bench: Workbench) -> None:
    bench.world.full = True
    _ = bench.begin()
    assert (await over(bench, await bench.want())).reason.code == "no_space"


async def test_a_launch_that_takes_too_long_names_the_budget_that_ran_out(bench: Workbench) -> None:
    _ = bench.begin(timing=replace(QUICK, pull=0.2))
    ended = await over(bench, await bench.want("example.test/slow:1"))
    assert (ended.state, ended.reason.code) == (TaskState.FAILED, "budget_exhausted")
    assert ended.reason.sentence == "Pulling the image took longer than 0.2 s."


async def test_a_stop_during_a_pull_gives_the_pull_up(bench: Workbench) -> None:
    _ = bench.begin()
    task = await bench.want("example.test/slow:1")
    await bench.until(task, lambda record: record is not None and record.state is TaskState.STARTING)
    await bench.wish(task, Desired.STOPPED)
    assert (await over(bench, task)).state is TaskState.STOPPED
    assert bench.world.starts == []


async def test_a_container_that_will_not_end_is_forced(bench: Workbench) -> None:
    _ = bench.begin()
    task = await bench.want("example.test/stubborn:1")
    await bench.until(task, runs)
    await bench.wish(task, Desired.STOPPED)
    assert (await over(bench, task)).exit_code == 137


async def test_a_container_that_dies_outside_is_told_at_once(bench: Workbench) -> None:
    # No poll would come in time: the computing's own word has to be enough.
    _ = bench.begin(timing=replace(QUICK, poll=60.0, sweep=60.0))
    task = await bench.want()
    record = await bench.until(task, runs)
    assert record is not None
    assert record.handle is not None
    await bench.world.kill(record.handle, exit_code=137)
    ended = await bench.until(task, is_over, seconds=2)
    assert ended is not None
    assert (ended.state, ended.reason.code) == (TaskState.FAILED, "killed")


async def test_while_the_computing_is_away_tasks_keep_their_state_and_then_go_on(bench: Workbench) -> None:
    _ = bench.begin()
    first = await bench.want()
    await bench.until(first, runs)
    bench.world.break_down()
    lost = await bench.until(first, lambda record: record is not None and record.unseen_since is not None)
    assert lost is not None
    assert lost.state is TaskState.RUNNING
    second = await bench.want()
    await bench.until(second, lambda record: record is not None and record.reason.code == "computing_unreachable")
    async with bench.store.read() as transaction:
        assert (await transaction.computings.get("local")).state.unreachable_since is not None
    bench.world.mend()
    await bench.until(first, lambda record: record is not None and record.unseen_since is None)
    await bench.until(second, runs)
    assert bench.world.starts == [first.id, second.id]


async def test_computing_that_answers_again_is_asked_at_once_what_it_is(bench: Workbench) -> None:
    bench.world.break_down()
    _ = bench.begin()
    task = await bench.want()
    await bench.until(task, lambda record: record is not None and record.reason.code == "computing_unreachable")
    bench.world.mend()
    _ = await state_once(bench, lambda state: state.probe is not None and state.unreachable_since is None)


async def test_computing_that_tells_what_it_is_and_nothing_of_its_tasks_does_not_answer(bench: Workbench) -> None:
    grip = Grip(refused={"discover"})
    _ = bench.begin(grip=grip)
    silent = await state_once(bench, lambda state: state.probe is not None and state.unreachable_since is not None)
    assert "discover" in silent.error
    grip.refused.clear()
    heard = await state_once(bench, lambda state: state.probe is not None and state.unreachable_since is None)
    assert heard.error == ""


async def state_once(bench: Workbench, is_meant: Callable[[ComputingState], bool]) -> ComputingState:
    while True:
        async with bench.store.read() as transaction:
            newest = await transaction.changes.newest()
            state = (await transaction.computings.get("local")).state
        if is_meant(state):
            return state
        async for _ in bench.store.changes(after=newest):
            break


async def test_what_has_no_record_is_reported_and_removed_only_when_wanted(bench: Workbench) -> None:
    _ = bench.begin()
    task = await bench.want()
    record = await bench.until(task, runs)
    assert record is not None
    async with bench.store.write() as transaction:
        await transaction.tasks.remove(task.id)
    orphans: dict[str, str] = {}
    while not orphans:
        async with bench.store.read() as transaction:
            newest = await transaction.changes.newest()
            orphans = dict(await transaction.computings.orphans("local"))
        if not orphans:
            await anext(aiter(bench.store.changes(after=newest)))
    assert orphans == {task.id: record.handle}
    assert len(bench.world.containers) == 1
    async with bench.store.write() as transaction:
        assert await transaction.computings.want_removed("local", task.id)
    while orphans:
        async with bench.store.read() as transaction:
            newest = await transaction.changes.newest()
            orphans = dict(await transaction.computings.orphans("local"))
        if orphans:
            await anext(aiter(bench.store.changes(after=newest)))
    assert bench.world.containers == {}


async def test_a_computing_that_is_slow_to_say_what_it_has_holds_up_no_start(bench: Workbench) -> None:
    grip = Grip()
    _ = bench.begin(grip=grip)
    first = await bench.want()
    await bench.until(first, runs)
    await grip.until("observe", 2)
    grip.held.add("observe")
    await grip.until("observe", 1)
    second = await bench.want()
    # It has its handle, so it was started, while the question about the first is still without an answer.
    await bench.until(second, lambda record: record is not None and record.handle is not None)
    await bench.wish(first, Desired.STOPPED)
    await bench.until(first, lambda record: record is not None and record.state is TaskState.STOPPING)
    grip.free.set()
    await bench.until(second, runs)
    assert (await over(bench, first)).state is TaskState.STOPPED


async def test_a_computing_that_refuses_to_be_asked_counts_as_away_and_nothing_is_given_up(bench: Workbench) -> None:
    grip = Grip()
    _ = bench.begin(grip=grip)
    pulling = await bench.want("example.test/slow:1")
    await bench.until(pulling, lambda record: record is not None and record.state is TaskState.STARTING)
    task = await bench.want()
    await bench.until(task, runs)
    grip.refused.add("observe")
    unseen = await bench.until(task, lambda record: record is not None and record.unseen_since is not None)
    assert unseen is not None
    assert unseen.state is TaskState.RUNNING
    grip.refused.clear()
    await bench.until(task, lambda record: record is not None and record.unseen_since is None)
    bench.world.let_go("example.test/slow:1")
    await bench.until(pulling, runs)
    assert grip.asked.count("launch") == 2


async def test_while_a_log_cannot_be_kept_the_task_has_ended_and_its_container_stays(bench: Workbench) -> None:
    (bench.folder / "logs").write_text("in the way of the folder")
    grip = Grip()
    _ = bench.begin(grip=grip)
    ended, deleted = await bench.want("example.test/exits:1"), await bench.want("example.test/exits:1")
    for task in (ended, deleted):
        await bench.until(task, lambda record: record is not None and record.state in FINAL)
    # A deleted task needs no log.
    await bench.wish(deleted, Desired.DELETED)
    await bench.until(deleted, lambda record: record is None)
    record = await bench.record(ended)
    assert record is not None
    assert record.handle in bench.world.containers
    (bench.folder / "logs").unlink()
    await over(bench, ended)
    assert [line.text async for line in bench.archive.lines(ended.id)] == ["starting", "no such setting"]
    assert bench.world.containers == {}


async def test_a_computing_that_has_lost_a_log_loses_nothing_else(bench: Workbench) -> None:
    _ = bench.begin(grip=Grip(refused={"logs"}))
    ended = await over(bench, await bench.want("example.test/exits:1"))
    assert (ended.state, ended.exit_code) == (TaskState.FAILED, 3)
    assert bench.world.containers == {}


async def test_progress_is_written_apart_from_the_launch_and_in_its_order(bench: Workbench) -> None:
    grip = Grip()
    _ = bench.begin(grip=grip)
    task = await bench.want()
    await bench.until(task, runs)
    async with bench.store.read() as transaction:
        events = await transaction.tasks.events(task.id)
    assert [event.at for event in events] == sorted(event.at for event in events)
    # What is not written yet when the container is there goes into the same transaction as its handle.
    assert grip.asked.count("write") <= len(events) + 3


async def test_an_idle_worker_writes_nothing_but_its_lease(bench: Workbench) -> None:
    grip = Grip()
    _ = bench.begin(grip=grip, timing=replace(QUICK, renew=60.0, poll=0.02, sweep=0.05))
    await bench.until(await bench.want(), runs)
    writes = grip.asked.count("write")
    await grip.until("observe", 20)
    assert grip.asked.count("write") == writes


async def test_a_second_worker_takes_over_when_the_first_ends_and_not_before(bench: Workbench) -> None:
    first = bench.begin(holder="one")
    task = await bench.want()
    await bench.until(task, runs)
    _ = bench.begin(holder="two")
    other = await bench.want()
    await bench.until(other, runs)
    async with bench.store.write() as transaction:
        now = bench.clock.now()
        assert not await transaction.computings.lease("local", holder="two", until=now, now=now)
    await bench.end(first)
    third = await bench.want()
    await bench.until(third, runs)
    assert sorted(bench.world.starts) == sorted({task.id, other.id, third.id})


async def test_a_lease_that_another_took_stops_the_worker_at_once(bench: Workbench) -> None:
    _ = bench.begin(holder="one", timing=replace(QUICK, renew=60.0))
    first = await bench.want()
    await bench.until(first, runs)
    async with bench.store.write() as transaction:
        await transaction.computings.release("local", holder="one")
        now = bench.clock.now()
        until = now + timedelta(seconds=1)
        assert await transaction.computings.lease("local", holder="thief", until=until, now=now)
    second = await bench.want()
    # The thief does nothing, so the task starts when its lease has run out, and is started once.
    await bench.until(second, runs)
    assert bench.world.starts.count(second.id) == 1
    async with bench.store.read() as transaction:
        events = await transaction.tasks.events(second.id)
    assert next(event.at for event in events if event.code == "starting") >= until


def test_a_credential_is_filled_into_the_environment_and_never_into_the_command() -> None:
    task = record_of(parameters={"port": "8888"})
    release = replace(
        task.release,
        command=("serve", "--port={parameters.port}", "--token={credential}"),
        environment={"TOKEN": "{credential}", "MODE": "own", "SHELL": "${HOME} {unknown}"},
        user=RunsAs.HOME,
        home="/home/jovyan",
    )
    launch: Launch = launch_of(
        replace(task, release=release, environment={"MODE": "mine"}), credential="s3cret", number=100007
    )
    assert launch.command == ("serve", "--port=8888", "--token={credential}")
    assert dict(launch.environment) == {"TOKEN": "s3cret", "MODE": "mine", "SHELL": "${HOME} {unknown}"}
    assert launch.home is not None
    assert (launch.home.key, launch.home.number, launch.home.path) == ("p1", 100007, "/home/jovyan")
    assert "s3cret" not in repr(replace(launch, environment={}))


@pytest.mark.parametrize(
    ("access", "read_only"), [(HomeAccess.WRITE, False), (HomeAccess.READ, True), (HomeAccess.NONE, None)]
)
def test_a_home_is_mounted_as_it_was_asked_for(access: HomeAccess, *, read_only: bool | None) -> None:
    release = replace(record_of().release, home="/home/jovyan", home_access=access, scratch="/scratch")
    launch = launch_of(replace(record_of(), release=release), credential="s3cret", number=100007)
    assert (None if launch.home is None else launch.home.read_only) is read_only
    assert launch.scratch == "/scratch"


async def save(bench: Workbench, record: Computing, *, token: str = "") -> None:
    """Write a computing's record, as the service does."""
    sealed = seal_secrets(bench.sealer, record.id, {"token": token} if token else {})
    async with bench.store.write() as transaction:
        await transaction.computings.save(replace(record, secrets=("token",) if token else ()), sealed=sealed)


async def until_seen(bench: Workbench, name: str, met: Callable[[Computing], bool]) -> None:
    """Return as soon as a worker has written that a computing is as wanted."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with bench.store.read() as transaction:
                newest = await transaction.changes.newest()
                record = (await transaction.computings.known([name])).get(name)
            if record is not None and met(record):
                return
            await anext(aiter(bench.store.changes(after=newest)))


def sized(cpus: float) -> Callable[[Computing], bool]:
    """Return whether a probe told so many CPUs."""
    return lambda record: record.state.probe is not None and record.state.probe.cpus == cpus


async def test_computings_are_added_changed_and_removed_while_a_worker_works(bench: Workbench) -> None:
    _ = bench.begin()
    await until_seen(bench, "local", sized(4))
    far = Computing(id="c2", name="far", title="Far", kind="memory", settings={"cpus": 7}, created=bench.clock.now())
    await save(bench, replace(far, revision="1"), token="first")
    await until_seen(bench, "far", sized(7))
    task = await bench.want(computing="far")
    await bench.until(task, runs)
    # Another secret alone is another way to reach it; its tasks go on.
    await save(bench, replace(far, settings={"cpus": 9}, revision="2"), token="second")
    await until_seen(bench, "far", sized(9))
    record = await bench.record(task)
    assert record is not None
    assert record.state is TaskState.RUNNING
    assert [opened.settings.get("token") for opened in bench.opened if opened.name == "far"] == ["first", "second"]
    await bench.wish(task, Desired.DELETED)
    await bench.until(task, lambda record: record is None)
    async with bench.store.write() as transaction:
        await transaction.computings.remove("far")
    # Under the same name and saying the same, it is another one all the same.
    await save(bench, replace(far, id="c3", settings={"cpus": 9}, revision="2"))
    await until_seen(bench, "far", sized(9))
    again = await bench.want(computing="far")
    await bench.until(again, runs)
    assert [opened.id for opened in bench.opened if opened.name == "far"] == ["c2", "c2", "c3"]


async def test_a_host_that_shows_another_key_gets_no_new_tasks(bench: Workbench) -> None:
    bench.world.break_down(HostKeyChangedError("local", "login.example.org", "SHA256:other"))
    _ = bench.begin()
    await until_seen(bench, "local", lambda record: record.intake is Intake.STOPPED)
    await until_seen(bench, "local", lambda record: "SHA256:other" in record.state.error)
