"""What ends a task without being asked to: its time limit, too much memory, a node that dies, a task that goes before."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from specola.domain.computing import Handle, Launch, Observation, Phase
from specola.domain.placement import Placement
from specola.domain.software import PreStop, Resources
from specola.ports.computing import Computing, HasLogs
from tests.support.batch import SlurmPlace, breakable, reaching
from tests.support.places import Reports, budget, context, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.containers]

MIB = 1024**2
MINUTE = timedelta(minutes=1)
SAVES = "trap 'echo saved; exit 0' TERM; echo ready; while true; do sleep 0.1; done"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[SlurmPlace]:
    """A cluster that may be broken."""
    with breakable() as (lab, registry):
        async with reaching(lab.keys, lab.login) as hosts:
            one = SlurmPlace(replace(context(tmp_path), hosts=hosts), lab=lab, registry=registry, runtime="apptainer")
            try:
                yield one
            finally:
                await one.close()


def on(launch: Launch, node: str, *, cpus: float = 1.0, **more: object) -> Launch:
    """Return a launch for one node."""
    placement = Placement(options={"nodelist": node}, **more)  # type: ignore[arg-type]  # what a case says is as it should be
    return replace(launch, placement=placement, resources=Resources(cpus=cpus, memory=128 * MIB))


async def started(place: SlurmPlace, launch: Launch, computing: Computing | None = None) -> Handle:
    """Launch, and wait until the task runs."""
    handle = await (computing or place.computing).launch(launch, report=Reports(), budget=budget(120))
    await place.begun(handle)
    return handle


async def ended(place: SlurmPlace, handle: Handle, *, seconds: float) -> Observation:
    """Wait for a task's end, whoever ends it, and for Slurm's word on it: the agent's own may come first."""

    async def is_over() -> bool:
        seen = await place.observe(handle)
        return seen.phase is Phase.ENDED and told(seen)[1] not in {"RUNNING", "COMPLETING"}

    await until(is_over, seconds=seconds)
    return await place.observe(handle)


def told(seen: Observation) -> tuple[str, str]:
    """Return why a task ended, in the platform's word and in Slurm's, whose own reason may follow in brackets."""
    return seen.reason, seen.raw.split(" ")[0]


async def written(place: SlurmPlace, handle: Handle) -> list[str]:
    assert isinstance(place.computing, HasLogs)
    return [line.text async for line in place.computing.logs(handle)]


async def warned(place: SlurmPlace) -> None:
    """A task that is asked to end before its limit saves its work, by its last command and by itself."""
    place.settings["clean_stop"] = "20s"
    last = PreStop(command=("sh", "-c", "echo kept"), time=timedelta(seconds=5))
    handle = await started(place, replace(on(place.shell(SAVES), "n2", time=MINUTE), pre_stop=last), place.open())
    deadline = (await place.observe(handle)).deadline
    assert deadline is not None
    seen = await ended(place, handle, seconds=110)
    assert (seen.reason, seen.exit_code) == ("time_limit", 0)
    assert seen.ended is not None
    assert seen.ended < deadline
    assert await written(place, handle) == ["ready", "kept", "saved"]


async def out_of_time(place: SlurmPlace) -> None:
    """A task that is not warned is ended by the scheduler, which looks every half minute."""
    handle = await started(place, on(place.shell(SAVES), "n2", time=MINUTE))
    seen = await ended(place, handle, seconds=130)
    assert told(seen) == ("time_limit", "TIMEOUT")


async def out_of_memory(place: SlurmPlace) -> None:
    handle = await started(place, on(place.shell("tail /dev/zero"), "n1"))
    seen = await ended(place, handle, seconds=40)
    assert told(seen) == ("out_of_memory", "OUT_OF_MEMORY")


async def preempted(place: SlurmPlace) -> None:
    """A task of a partition that makes way; both limited ones hold two of the node's four CPUs meanwhile."""
    lesser = await started(place, on(place.shell(SAVES), "n2", cpus=2, partition="spare"))
    greater = await place.computing.launch(
        on(place.shell("exec sleep 1000"), "n2", cpus=2), report=Reports(), budget=budget(120)
    )
    seen = await ended(place, lesser, seconds=60)
    assert told(seen) == ("preempted", "PREEMPTED")
    await place.computing.stop(greater, grace=timedelta(seconds=1))


async def node_dies(place: SlurmPlace) -> None:
    """The plug is pulled once nothing else is wanted of that node; Slurm waits half a minute for its word."""
    handle = await started(place, on(place.shell("exec sleep 1000"), "n1"))
    await out_of_memory(place)
    await asyncio.to_thread(place.lab.place.machine("n1").halt)
    seen = await ended(place, handle, seconds=100)
    assert (*told(seen), seen.node) == ("node_failed", "NODE_FAIL", "n1")


async def test_end_that_nobody_asked_for_is_told_by_its_cause(place: SlurmPlace) -> None:
    # All at once, since a time limit is a minute at least; the first has the image fetched.
    await place.computing.remove(await started(place, place.shell("exec sleep 1000")))
    async with asyncio.TaskGroup() as together:
        for case in (warned, out_of_time, preempted, node_dies):
            together.create_task(case(place))
