"""Slurm in trouble: nothing that cannot be asked is ever said to have ended, and it is asked no more than agreed."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from lab import slurm
from specola.domain.computing import Phase
from specola.domain.errors import ComputingUnreachableError, LaunchError
from specola.domain.placement import Placement
from tests.support.batch import ACCOUNT, SlurmPlace
from tests.support.lab import LAB, Login
from tests.support.places import ECHO, HTTP, Reports, budget, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.containers, pytest.mark.lab]

COUNTER = """#!/bin/sh
echo "$0" >>"$HOME/{asked}"
exec /usr/bin/{name} "$@"
"""
SPEECHLESS = """#!/bin/sh
echo "{name}: error: {complaint}" >&2
exit {code}
"""


@asynccontextmanager
async def instead(place: SlurmPlace, name: str, script: str) -> AsyncIterator[str]:
    """Have a program of the login node replaced for one account, by a folder on its path, while the body runs."""
    folder = f"/home/{ACCOUNT}/instead-{place.context.installation}"
    await asyncio.to_thread(
        place.login.run,
        f"mkdir -p {folder} && cat >{folder}/{name} && chmod 755 {folder}/{name}",
        given=script.encode(),
    )
    try:
        yield folder
    finally:
        await place.remote("rm", "-rf", folder)


async def test_frozen_controller_ends_no_task_and_is_found_again(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    handle = await place.launch(place.web())
    place.settings["answer"] = 2
    hurried = place.open()
    controller = place.lab.place.machine("login")
    controller.signal("slurmctld", signal.SIGSTOP)
    try:
        with pytest.raises(ComputingUnreachableError):
            await hurried.observe([handle])
        # What is known already keeps the way to the task open: the controller carries no bytes.
        stream = await place.computing.dial(handle, HTTP)
        await stream.close()
        with pytest.raises(ComputingUnreachableError):
            await hurried.discover()
    finally:
        controller.signal("slurmctld", signal.SIGCONT)

    async def answers() -> bool:
        try:
            return (await place.open().observe([handle]))[handle].phase is Phase.RUNNING
        except ComputingUnreachableError:
            return False

    await until(answers, seconds=30)


async def test_killed_controller_ends_no_task(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    handle = await place.launch(place.web())
    # It writes its jobs down every few seconds; one that it had not written would be lost with it, to Slurm as well.
    await asyncio.sleep(8)
    controller = place.lab.place.machine("login")
    controller.signal("slurmctld", signal.SIGKILL)
    place.settings["answer"] = 5
    for _ in range(2):
        with pytest.raises(ComputingUnreachableError):
            await place.open().observe([handle])
    await asyncio.to_thread(slurm.up, LAB)

    async def answers() -> bool:
        try:
            return (await place.observe(handle)).phase is Phase.RUNNING
        except ComputingUnreachableError:
            return False

    await until(answers, seconds=30)
    assert len(await place.jobs(handle)) == 1


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (1, "Unable to contact slurm controller (connect failure)"),
        (0, "slurm_load_jobs error: Socket timed out on send/recv operation"),
        (1, "slurm_load_jobs error: Zero Bytes were transmitted or received"),
    ],
)
async def test_squeue_that_could_not_ask_is_no_end(slurm_place: SlurmPlace, code: int, complaint: str) -> None:
    place = slurm_place
    handle = await place.launch(place.web())
    script = SPEECHLESS.format(name="squeue", complaint=complaint, code=code)
    async with instead(place, "squeue", script) as folder:
        place.settings["path"] = [folder]
        blind = place.open()
        for _ in range(2):
            with pytest.raises(ComputingUnreachableError):
                await blind.observe([handle])
    assert (await place.observe(handle)).phase is Phase.RUNNING


async def test_sbatch_whose_answer_was_lost_hands_in_one_job(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    script = (
        '#!/bin/sh\n/usr/bin/sbatch "$@" >/dev/null\n'
        'echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2\nexit 1\n'
    )
    launch = place.web()
    async with instead(place, "sbatch", script) as folder:
        place.settings["path"] = [folder]
        handle = await place.open().launch(launch, report=Reports(), budget=budget(120))
    await place.begun(handle)
    assert len(await place.jobs(handle)) == 1


async def test_200_live_tasks_cost_one_question_in_each_interval_and_account(slurm_place: SlurmPlace) -> None:
    place, interval = slurm_place, 2.0
    place.settings["host"] = {**place.settings["host"], "identity": "key", "account": ""}
    people = ("ann", "ben")
    logins = {name: Login(place.lab.keys, name, place.lab.login.name) for name in people}
    waiting = {name: [place.context.clock.new_id() for _ in range(100)] for name in people}
    handles = [place.names.handle(name, task) for name, tasks in waiting.items() for task in tasks]
    counting, asked = f"/opt/counting-{place.context.installation}", f"asked-{place.context.installation}"
    login = place.lab.place.machine(place.lab.login.name)
    try:
        await asyncio.gather(*(asyncio.to_thread(queue, place, logins[name], waiting[name]) for name in people))
        for name in ("squeue", "sacct"):
            login.put(f"{counting}/{name}", COUNTER.format(name=name, asked=asked), mode="0755")
        place.settings |= {"path": [counting], "question_interval": interval}
        counted, loop = place.open(), asyncio.get_running_loop()
        end, looks = loop.time() + 3 * interval, 0
        while loop.time() < end:
            seen = await counted.observe(handles)
            assert [one.phase for one in seen.values()] == [Phase.CREATED] * 200
            looks += 1
        told = [(await asyncio.to_thread(logins[name].run, f"cat {asked}")).split() for name in people]
    finally:
        await asyncio.gather(*(asyncio.to_thread(unqueue, place, logins[name]) for name in people))
        await asyncio.to_thread(login.run, "rm", "-rf", counting)
    assert looks > 6
    for lines in told:
        assert 2 <= len(lines) <= 4
        assert set(lines) == {f"{counting}/squeue"}


def queue(place: SlurmPlace, login: Login, tasks: list[str]) -> None:
    """Have jobs in the queue as launches leave them: a hundred of those would take the test's time."""
    folder = f".specola/{place.context.installation}/tasks"
    script = (
        f'for task in {" ".join(tasks)}; do mkdir -p "{folder}/$task";'
        " job=$(sbatch --parsable --begin=now+3600 --mem=16M --output=/dev/null --wrap=true"
        f' --job-name={place.names.job("$task")}) || exit 1; printf \'{{"id": "%s"}}\' "$job" >"{folder}/$task/job.json"; done'
    )
    login.run(script)


def unqueue(place: SlurmPlace, login: Login) -> None:
    """Take them all out again."""
    folder = f".specola/{place.context.installation}"
    login.run(f"scancel $(sed 's/[^0-9]//g; s/$/ /' {folder}/tasks/*/job.json); rm -rf {folder} asked-*")


async def test_task_is_stopped_softly_and_says_how_it_ended(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    handle = await place.launch(
        place.shell("trap 'echo saved; exit 0' TERM; echo ready; while true; do sleep 0.1; done")
    )
    await place.computing.stop(handle, grace=timedelta(seconds=10))
    seen = await place.observe(handle)
    assert (seen.phase, seen.exit_code) == (Phase.ENDED, 0)
    logs = place.computing.logs(handle)  # type: ignore[attr-defined]  # every batch computing has logs
    assert "saved" in [line.text async for line in logs]


async def test_task_cancelled_by_somebody_else_says_so(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    handle = await place.launch(place.web())
    for job in await place.jobs(handle):
        await place.remote("scancel", job)
    seen = await place.ended(handle)
    assert seen.reason == "cancelled_outside"
    assert seen.raw.startswith("CANCELLED")


async def test_warning_of_the_time_limit_ends_a_task_softly_and_is_told(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    handle = await place.launch(place.shell("trap 'echo saved; exit 0' TERM; while true; do sleep 0.1; done"))
    seen = await place.observe(handle)
    assert seen.deadline is not None
    # As Slurm does it some time before the limit, which it looks for every half minute only.
    for job in await place.jobs(handle):
        await place.remote("scancel", "--signal=USR1", "--batch", job)
    ended = await place.ended(handle)
    assert (ended.reason, ended.exit_code) == ("time_limit", 0)


@pytest.mark.parametrize("way", ["forward", "relay"])
async def test_each_way_leads_to_a_task_and_further_connections_are_quick(slurm_place: SlurmPlace, way: str) -> None:
    place = slurm_place
    handle = await place.launch(place.web())
    place.settings["way"] = way
    computing = place.open()
    stream = await computing.dial(handle, HTTP)
    await stream.close()
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(20):
        before = loop.time()
        stream = await computing.dial(handle, HTTP)
        took.append(loop.time() - before)
        await stream.close()
    assert sorted(took)[10] < 0.05
    steps = await place.remote(
        "squeue", "--steps", "--noheader", f"--jobs={(await place.jobs(handle))[0]}", "--format=%i"
    )
    numbered = [step for step in steps.split() if step.rpartition(".")[2].isdecimal()]
    assert len(numbered) == (1 if way == "relay" else 0)


async def test_connection_to_a_node_that_ends_with_another_task_is_made_again(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    there = Placement(options={"nodelist": "n2"})
    handles = [await place.launch(replace(place.web(), placement=there)) for _ in range(2)]
    place.settings["way"] = "forward"
    computing = place.open()
    streams = {(await place.jobs(handle))[0]: await computing.dial(handle, ECHO) for handle in handles}
    # Both go over one connection, which pam_slurm_adopt has put into one of the two jobs.
    groups = "for process in $(pgrep --full 'sshd-session: ann$'); do cat /proc/$process/cgroup; done"
    told = await asyncio.to_thread(place.lab.place.machine("n2").run, "sh", "-c", groups)
    (holds,) = {job for job in streams if f"/job_{job}/" in told}
    (other,) = streams.keys() - {holds}
    await place.remote("scancel", holds)
    with contextlib.suppress(OSError):
        async with asyncio.timeout(20):
            assert await streams[other].read() == b""
    left = handles[list(streams).index(other)]
    stream = await computing.dial(left, ECHO)
    await stream.write(b"again")
    assert await stream.read() == b"again"
    await stream.close()


async def test_tasks_of_two_accounts_are_apart(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    place.settings["host"] = {**place.settings["host"], "identity": "key", "account": ""}
    both = place.open()
    launches = {name: replace(place.shell("exec sleep 1000"), account=name) for name in ("ann", "ben")}
    handles = {}
    for name, launch in launches.items():
        handles[name] = await both.launch(launch, report=Reports(), budget=budget(120))

    async def run() -> bool:
        seen = await both.observe(list(handles.values()))
        return all(one.phase is Phase.RUNNING for one in seen.values())

    try:
        await until(run, seconds=60)
        assert await both.discover() == {launches[name].task: handles[name] for name in launches}
        with pytest.raises(LaunchError) as caught:
            await both.launch(place.web(), report=Reports(), budget=budget())
        assert caught.value.reason_code == "account_missing"
    finally:
        for handle in handles.values():
            await both.remove(handle)
    assert await both.discover() == {}
