"""Whether a task is in use, as the service finds out."""

from datetime import timedelta

import pytest

from specola.domain.errors import MissingError
from specola.domain.task import Task, TaskState, Wish
from specola.domain.use import Carried, UseSign
from specola.services.use import Uses
from tests.support.services import Installation

pytestmark = pytest.mark.anyio

DULL = 0.25
"""CPUs of which containers in memory use a quarter, which is less than what counts."""


async def started(house: Installation, *, cpus: float = DULL) -> Task:
    task = await house.start(await house.tasks.request(Wish(image="example.test/web:1", cpus=cpus), actor=house.ada))
    house.clock.advance(timedelta(minutes=20))
    return task


def uses(house: Installation) -> Uses:
    return Uses(store=house.store, clock=house.clock, connector=house.connector)


async def note(house: Installation, task: Task, *, interface: str = "web", person: str = "p-ada") -> None:
    carried = Carried(task=task.id, interface=interface, person=person, received=1, sent=2, last_used=house.clock.now())
    async with house.store.write() as tx:
        await tx.access.add_traffic([carried])


async def test_a_task_is_in_use_as_long_as_it_is_used_and_idle_since_then(house: Installation) -> None:
    task = await started(house)
    await house.sampler.measure()
    await note(house, task)
    used = house.clock.now()
    assert (await uses(house).of(house.ada, task.name)).sign is UseSign.PERSON
    house.clock.advance(timedelta(minutes=10))
    await house.sampler.measure()
    use = await uses(house).of(house.ada, task.id)
    assert (use.sign, use.idle_since) == (UseSign.IDLE, used)
    assert use.cpus is not None


async def test_a_computation_is_a_use(house: Installation) -> None:
    task = await started(house, cpus=4)
    await house.sampler.measure()
    assert house.sampler.computing(house.clock.now()) == [task.id]
    use = await uses(house).of(house.ada, task.id)
    assert (use.sign, use.cpus) == (UseSign.COMPUTATION, 1.0)
    assert (await uses(house).of(house.ada, task.id, usage=())).sign is UseSign.IDLE
    await note(house, task, interface="", person="")
    use = await uses(house).of(house.ada, task.id, usage=())
    assert (use.sign, use.parts, use.last_used) == (UseSign.COMPUTATION, (), None)


async def test_what_a_connector_cannot_tell_is_judged_without_it(house: Installation) -> None:
    task = await started(house, cpus=4)
    await house.directory.drop_way(task.id)
    assert (await uses(house).of(house.ada, task.id)).cpus is None
    ended = await house.move(task, TaskState.STOPPED)
    assert (await uses(house).of(house.ada, ended.id)).sign is UseSign.ENDED


async def test_others_are_told_nothing(house: Installation) -> None:
    task = await started(house)
    with pytest.raises(MissingError):
        await uses(house).of(house.bob, task.id)
    assert (await uses(house).of(house.admin, task.id)).parts == ()
