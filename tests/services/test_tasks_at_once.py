"""Many at once: limits, names and idempotency keys hold when requests meet, on each database."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from specola.domain.errors import LimitError, NameTakenError, SpecolaError
from specola.domain.task import Desired, Task, TaskState, Wish
from tests.support.services import Installation, open_installation

pytestmark = pytest.mark.anyio

WEB = "example.test/web:1"


@pytest.fixture
async def house(database: str, tmp_path: Path) -> AsyncIterator[Installation]:
    async with open_installation(tmp_path, url=database) as one:
        yield one


async def test_two_requests_at_the_limit_give_one_task(house: Installation) -> None:
    tight = house.limited(live_tasks=3)
    outcomes = await _at_once(tight, [Wish(image=WEB, name=f"t{number}") for number in range(8)])
    assert sum(isinstance(one, Task) for one in outcomes) == 3
    assert sum(isinstance(one, LimitError) for one in outcomes) == 5


async def test_two_requests_for_one_name_give_one_task(house: Installation) -> None:
    outcomes = await _at_once(house, [Wish(image=WEB, name="same")] * 5)
    assert sum(isinstance(one, Task) for one in outcomes) == 1
    assert sum(isinstance(one, NameTakenError) for one in outcomes) == 4


async def test_one_key_ten_times_at_once_gives_one_task(house: Installation) -> None:
    outcomes = await _at_once(house, [Wish(image=WEB)] * 10, key="key-1")
    assert len({one.id for one in outcomes if isinstance(one, Task)}) == 1
    assert all(isinstance(one, Task) for one in outcomes)
    assert len((await house.tasks.list(house.ada)).tasks) == 1


async def test_a_stop_and_a_look_of_the_worker_lose_nothing_of_each_other(house: Installation) -> None:
    tasks = [await house.tasks.request(Wish(image=WEB), actor=house.ada) for _ in range(5)]
    async with anyio.create_task_group() as group:
        for task in tasks:
            group.start_soon(house.move, task, TaskState.RUNNING)
            group.start_soon(house.tasks.stop, house.ada, task.id)
    ended = [await house.tasks.get(house.ada, task.id) for task in tasks]
    assert {(one.state, one.desired) for one in ended} == {(TaskState.RUNNING, Desired.STOPPED)}


async def _at_once(house: Installation, wishes: list[Wish], *, key: str | None = None) -> list[Task | SpecolaError]:
    outcomes: list[Task | SpecolaError] = []

    async def ask(wish: Wish) -> None:
        try:
            outcomes.append(await house.tasks.request(wish, actor=house.ada, key=key))
        except SpecolaError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as group:
        for wish in wishes:
            group.start_soon(ask, wish)
    return outcomes
