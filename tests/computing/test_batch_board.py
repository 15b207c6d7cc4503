"""How often a scheduler is asked, whoever wants to know."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from specola.clock import ManualClock
from specola.computing.batch.board import Board
from specola.computing.batch.scheduling import Entry, JobState
from specola.domain.errors import ComputingUnreachableError

pytestmark = pytest.mark.anyio

JOB = Entry(id="7", name="a", state=JobState.RUNNING)


@pytest.fixture
def anyio_backend() -> str:
    """Everything of ours runs on asyncio."""
    return "asyncio"


class Controller:
    """Counts what it is asked, and does not answer while it is down."""

    def __init__(self) -> None:
        self.asked = 0
        self.down = False

    async def __call__(self) -> Mapping[str, Sequence[Entry]]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise ComputingUnreachableError("cluster", "Unable to contact slurm controller")
        return {"a": [JOB]}


def a_board() -> tuple[Board, Controller, ManualClock]:
    controller, clock = Controller(), ManualClock()
    return Board(controller, interval=10.0, clock=clock), controller, clock


async def test_two_hundred_askers_cost_one_question_in_each_interval() -> None:
    board, controller, clock = a_board()
    for _ in range(3):
        answers = await asyncio.gather(*(board.look() for _ in range(200)))
        assert all(one == {"a": [JOB]} for one in answers)
        clock.advance(timedelta(seconds=10))
    assert controller.asked == 3


async def test_what_is_in_doubt_is_asked_anew_but_not_in_a_storm() -> None:
    board, controller, clock = a_board()
    await board.look()
    clock.advance(timedelta(seconds=1))
    board.doubt()
    for _ in range(50):
        await board.look()
    assert controller.asked == 2
    for _ in range(50):
        board.doubt()
        await board.look()
    assert controller.asked == 2
    clock.advance(timedelta(seconds=0.5))
    await board.look()
    assert controller.asked == 3


async def test_who_acts_upon_an_answer_gets_one_that_was_asked_after_the_call() -> None:
    board, controller, clock = a_board()
    await board.look_now()
    before = clock.monotonic()
    await board.look_now()
    assert controller.asked == 2
    assert clock.monotonic() - before == pytest.approx(0.4)


async def test_controller_that_does_not_answer_is_not_asked_more_often() -> None:
    board, controller, clock = a_board()
    controller.down = True
    for _ in range(20):
        with pytest.raises(ComputingUnreachableError):
            await board.look()
    assert controller.asked == 1
    controller.down = False
    clock.advance(timedelta(seconds=10))
    assert await board.look() == {"a": [JOB]}
