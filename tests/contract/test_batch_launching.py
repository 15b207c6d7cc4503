"""A launch that is cut short anywhere, on a real cluster and on a host without a scheduler: one job remains."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from specola.domain.computing import Handle, Phase
from specola.domain.errors import LaunchError
from specola.domain.placement import Placement
from tests.support.batch import ACCOUNT, BatchPlace, HostPlace, SlurmPlace
from tests.support.killed import kill_during
from tests.support.places import Reports, budget, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.containers, pytest.mark.lab]

SECOND = timedelta(seconds=1)
# Every step that a launch reports; with an image that is not there yet, it is wanted in place of being ready. Without a
# scheduler, images are fetched by the tasks themselves.
STEPS = ("image_known", "prepared", "submitted", "recorded")
CASES = [(place, step) for place in ("slurm-apptainer", "no-engine") for step in STEPS]


async def ones(place: BatchPlace, handle: Handle) -> int:
    """Return how many jobs, or agents, of a task live."""
    if isinstance(place, HostPlace):
        return len(await place.agents(handle))
    assert isinstance(place, SlurmPlace)
    name = place.names.job(place.ticket(handle).task)
    told = await place.remote("squeue", "--noheader", f"--name={name}", "--format=%i")
    return len(told.splitlines())


@pytest.mark.parametrize(
    ("batch_place", "step"), [*CASES, ("slurm-apptainer", "image_ready")], indirect=["batch_place"]
)
async def test_exactly_one_job_remains_wherever_a_launch_is_killed(batch_place: BatchPlace, step: str) -> None:
    place, launch = batch_place, batch_place.shell("exec sleep 1000")
    if step == "image_ready":
        # It is there by the time of the test's own task.
        first = await place.launch(place.shell("exec sleep 1"))
        await place.computing.remove(first)
    await kill_during(place, launch, after=step)
    handle = await place.open().launch(launch, report=Reports(), budget=budget(120))
    await place.begun(handle)
    assert (await place.observe(handle)).phase is Phase.RUNNING
    assert await ones(place, handle) == 1
    assert await place.starts(launch) == 1
    assert await place.computing.discover() == {launch.task: handle}


@pytest.mark.parametrize("step", ["image_wanted", "submitted"])
async def test_image_is_fetched_by_a_job_of_its_own_though_the_launch_was_killed(
    slurm_place: SlurmPlace, step: str
) -> None:
    place = slurm_place
    place.settings["images"] = f"/home/{ACCOUNT}/images-{place.context.installation}"
    fresh, launch = place.open(), place.shell("exec sleep 1000")
    with pytest.raises(asyncio.CancelledError):
        await fresh.launch(launch, report=Reports(stop_after=step), budget=budget(120))
    again = place.open()
    reports = Reports()
    handle = await again.launch(launch, report=reports, budget=budget(120))
    seen = (await again.observe([handle]))[handle]
    assert seen.phase is not Phase.ENDED
    await place.begun(handle)
    assert (await place.observe(handle)).phase is Phase.RUNNING
    assert await place.starts(launch) == 1
    images = await place.remote("ls", place.settings["images"])
    assert len(images.splitlines()) == 1
    begin = f"specola-{place.context.installation}-image-"
    told = await place.remote("squeue", "--noheader", "--states=all", "--format=%j")
    assert sum(line.startswith(begin) for line in told.splitlines()) == 1
    await place.remote("rm", "-rf", place.settings["images"])


async def test_image_that_cannot_be_fetched_there_ends_its_task_and_says_why(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    place.settings["images"] = f"/home/{ACCOUNT}/images-{place.context.installation}"
    # The nodes lack the program that the job needs: found, as far as the job itself is concerned, nowhere.
    missing = replace(place.web(), reference=place.box)
    place.settings["python"] = "/nowhere/python3"
    handle = await place.open().launch(missing, report=Reports(), budget=budget(120))
    seen = await place.ended(handle)
    assert (seen.reason, seen.exit_code) == ("image_pull", None)


async def test_job_that_was_taken_without_being_noted_is_found_by_its_name(batch_place: BatchPlace) -> None:
    place, launch = batch_place, batch_place.shell("exec sleep 1000")
    handle = place.names.handle(ACCOUNT, launch.task)
    await kill_during(place, launch, after="submitted")
    # Nobody has noted it, and it may even run by now.
    assert set(await place.computing.discover()) == {launch.task}
    assert await place.computing.launch(launch, report=Reports(), budget=budget(120)) == handle
    await place.begun(handle)
    assert await ones(place, handle) == 1


async def test_second_job_of_a_task_does_nothing(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    launch = place.shell("echo once >>/tmp/times; exec sleep 1000")
    handle = await place.launch(launch)
    folder = f".specola/{place.context.installation}/tasks/{launch.task}"
    name = place.names.job(launch.task)
    # As an attempt that was thought lost would arrive: the same name, the same script.
    script = await place.remote("scontrol", "write", "batch_script", (await place.jobs(handle))[0], "-")
    submit = [
        "sbatch",
        "--parsable",
        f"--job-name={name}",
        "--dependency=singleton",
        f"--output={folder}/agent.out",
        "--open-mode=append",
    ]
    told = await asyncio.to_thread(place.login.run, " ".join(submit), given=script.encode() + b"\n")
    assert told.isdecimal()
    seen = await place.observe(handle)
    assert (seen.phase, seen.raw) == (Phase.RUNNING, "RUNNING")
    await place.computing.stop(handle, grace=SECOND)
    assert (await place.observe(handle)).phase is Phase.ENDED
    assert await ones(place, handle) == 0


async def test_refused_job_says_why_and_leaves_nothing(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    for placement, word in (
        (Placement(partition="nowhere"), "partition"),
        (Placement(project="nobody"), "account"),
        (Placement(options={"wrap": "id"}), "wrap"),
    ):
        launch = replace(place.web(), placement=placement)
        with pytest.raises(LaunchError) as caught:
            await place.computing.launch(launch, report=Reports(), budget=budget(120))
        assert word in caught.value.sentence
    assert await place.computing.discover() == {}


async def test_waiting_task_tells_why_and_is_taken_from_the_queue(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    launch = place.web()
    wide = replace(launch, placement=Placement(options={"begin": "now+3600"}))
    handle = await place.computing.launch(wide, report=Reports(), budget=budget(120))

    async def waits() -> bool:
        return (await place.observe(handle)).reason == "begin_time"

    await until(waits)
    assert (await place.observe(handle)).phase is Phase.CREATED
    await place.computing.stop(handle, grace=SECOND)
    seen = await place.observe(handle)
    assert (seen.phase, seen.exit_code) == (Phase.ENDED, None)
