"""What the front door does with each line of the stream of revocations, and without any."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from specola.clock import ManualClock
from specola.connector.ssh.asking import Admitted, Asking, Entered
from specola.connector.ssh.live import Live, Open
from specola.connector.ssh.revocations import LIVE_WITHOUT_WEB, RENEWAL, Revocations
from specola.domain.errors import TaskClosedError, WebUnreachableError
from specola.records import Records

pytestmark = pytest.mark.anyio

ADMITTED = Admitted(by="key:k", person="p", name="ada", marks=frozenset({"key:k", "person:p"}))
MARKS = frozenset({"key:k", "person:p", "task:t"})


class Web(Asking):
    """Answers as it is told to, and counts."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.error: Exception | None = None
        self.asked = 0
        self.asking = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    @override
    async def enter(self, by: str, task: str, *, live: bool = False) -> Entered:
        self.asked += 1
        self.asking.set()
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return Entered(task="t", name="a task", person="p", marks=MARKS)


async def untold(_path: str, _report: list[dict[str, Any]]) -> bool:
    return True


@dataclass
class Bench:
    """One open channel, and what becomes of it."""

    web: Web = field(default_factory=Web)
    clock: ManualClock = field(default_factory=ManualClock)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.records = Records(clock=self.clock, tell=untold)
        self.live = Live(self.web, self.records)
        self.revocations = Revocations(Path("/nowhere"), self.live, clock=self.clock)
        opened = Open(kind="ssh", by="key:k", marks=MARKS, person="p", address="", close=self.said.append, task="t")
        self.live.begin(opened)
        self.revocations.note({"sequence": 1, "beat": True})

    async def asked(self, times: int) -> None:
        async with asyncio.timeout(5):
            while self.web.asked < times:  # noqa: ASYNC110 - a few turns of the loop
                await asyncio.sleep(0)


async def test_a_mark_closes_what_stands_on_it_and_nothing_else() -> None:
    bench = Bench()
    bench.revocations.note({"sequence": 2, "mark": "key:other"})
    assert bench.said == []
    bench.revocations.note({"sequence": 3, "mark": "person:p"})
    assert bench.said == ["Your right to this was taken back."]


@pytest.mark.parametrize(
    "line",
    [
        {"sequence": 9, "gap": True},
        {"sequence": 9, "beat": True},
        {"sequence": 0},
        {"sequence": 2, "changed": "task:t"},
    ],
)
async def test_after_a_gap_or_a_change_the_right_is_asked_for_again(line: dict[str, object]) -> None:
    bench = Bench()
    await bench.asked(1)
    bench.web.error = TaskClosedError("a task", "It has ended.", hint="")
    bench.revocations.note(line)
    await bench.asked(2)
    assert bench.said == ["“a task” cannot be entered. It has ended."]


async def test_old_rights_are_asked_for_again_and_no_answer_ends_nothing() -> None:
    bench = Bench()
    await bench.asked(1)
    bench.revocations.note({"sequence": 1, "beat": True})
    await asyncio.sleep(0)
    assert bench.web.asked == 1
    bench.web.error = WebUnreachableError()
    bench.clock.advance(timedelta(seconds=RENEWAL + 1))
    bench.revocations.note({"sequence": 1, "beat": True})
    await bench.asked(2)
    assert bench.said == []


async def test_without_web_open_channels_end_after_minutes() -> None:
    bench = Bench()
    bench.clock.advance(timedelta(seconds=LIVE_WITHOUT_WEB - 1))
    bench.revocations.lost()
    assert bench.said == []
    bench.clock.advance(timedelta(seconds=2))
    bench.revocations.lost()
    assert bench.said == ["The platform cannot be asked whether you still may."]


async def test_what_is_taken_back_while_it_is_asked_for_is_asked_for_again() -> None:
    bench = Bench()
    await bench.asked(1)
    bench.web.go_on.clear()
    bench.web.asking.clear()
    entering = asyncio.create_task(bench.live.enter(ADMITTED, "t"))
    await bench.web.asking.wait()
    bench.revocations.note({"sequence": 2, "mark": "key:k"})
    bench.web.go_on.set()
    _ = await entering
    assert bench.web.asked == 3
