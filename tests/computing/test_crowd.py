"""Many accounts that are asked at once: who is slow, or talks nonsense, holds up no other."""

import asyncio

import pytest
from typing_extensions import override

from specola.clock import Clock
from specola.computing import crowd
from specola.computing.crowd import Crowd, heard
from specola.domain.errors import ComputingUnreachableError, LaunchError

pytestmark = pytest.mark.anyio


class Turned(Clock):
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.at = 1000.0

    @override
    def monotonic(self) -> float:
        """Return what the test has set."""
        return self.at


def a_crowd(clock: Clock) -> Crowd:
    return Crowd("cluster", clock=clock, patience=0.05)


async def test_account_that_never_answers_holds_up_no_other_and_is_left_alone_for_a_while() -> None:
    clock, asked = Turned(), list[str]()

    async def question(account: str) -> str:
        asked.append(account)
        if account == "slow":
            clock.at += crowd.SLOW + 1
            await asyncio.Event().wait()
        return account.upper()

    some = a_crowd(clock)
    answers = await some.ask(["ann", "slow"], question)
    assert heard(answers) == {"ann": "ANN"}
    assert isinstance(answers["slow"], ComputingUnreachableError)
    assert heard(await some.ask(["ann", "slow"], question)) == {"ann": "ANN"}
    assert asked.count("slow") == 1
    clock.at += crowd.QUIET + 1
    await some.ask(["ann", "slow"], question)
    assert asked.count("slow") == 2


async def test_nonsense_of_one_account_is_its_own_affair() -> None:
    async def question(account: str) -> int:
        if account == "odd":
            raise KeyError("cpus")
        if account == "shut":
            raise LaunchError("It is shut.")
        return 1

    answers = await a_crowd(Clock()).ask(["ann", "odd", "shut"], question)
    assert heard(answers) == {"ann": 1}
    assert "cannot be understood" in str(answers["odd"])
    assert "It is shut" in str(answers["shut"])


async def test_nothing_is_learned_where_nobody_answers() -> None:
    async def question(account: str) -> int:
        raise ComputingUnreachableError("cluster", f"{account} is away")

    with pytest.raises(ComputingUnreachableError, match="ann is away"):
        await a_crowd(Clock()).ask(["ann", "ben"], question)
    assert await a_crowd(Clock()).ask([], question) == {}
