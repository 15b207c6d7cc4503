"""Terminal sessions: kept for their person, repeated without loss, ended with their task."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from specola.clock import Clock, ManualClock
from specola.computing.kinds import open_computing
from specola.connector.directory import Directory, Way
from specola.connector.terminal import Sessions, TerminalServer
from specola.connector.terminal.history import History
from specola.connector.terminal.session import AHEAD, HISTORY, PIECE, SLACK
from specola.connector.terminal.sessions import MOST
from specola.domain.errors import MissingError
from specola.listening import bind
from tests.support.harness import short_folder
from tests.support.places import Reports, a_launch, budget, context, until
from tests.support.terminals import Page

pytestmark = pytest.mark.anyio


class House:
    """A connector's terminals, over a computing in memory with one task."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.path = folder / "t.sock"
        self.context = context(folder)
        self.computing = open_computing("memory", name="here", settings={}, context=self.context)
        self.directory = Directory(lambda *_: self.computing)
        self.sessions = Sessions(self.directory, clock)
        self.server = TerminalServer(self.sessions)
        self.task = ""
        self.handle = ""
        self.pages: list[Page] = []

    async def open(self) -> None:
        launch = a_launch("example.test/web:1")
        self.task = launch.task
        self.handle = await self.computing.launch(launch, report=Reports(), budget=budget())
        await self.directory.add_computing("here", "memory", {})
        await self.directory.keep(computings={"here"}, tasks=())
        await self.directory.add_way(Way(task=self.task, computing="here", handle=self.handle, ports=()))

    async def page(self, person: str = "ann", task: str = "") -> Page:
        self.pages.append(await Page.open(self.path, person=person, task=task or self.task))
        return self.pages[-1]

    async def shell(self, columns: int = 80, rows: int = 24) -> tuple[Page, str]:
        """Open a window with a new session; return both."""
        page = await self.page()
        told = await page.attach(columns=columns, rows=rows)
        await page.shows("$ ")
        return page, str(told["session"])


async def opened(clock: Clock) -> AsyncIterator[House]:
    with short_folder() as folder:
        house = House(folder, clock)
        await house.open()
        serving = await asyncio.start_unix_server(house.server.accept, sock=bind(house.path))
        try:
            yield house
        finally:
            serving.close()
            for page in house.pages:
                page.socket.peer.writer.close()
            await house.server.close()
            await house.directory.close()
            await house.context.world.close()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Terminals under the real clock."""
    async for one in opened(Clock()):
        yield one


@pytest.fixture
async def hasty() -> AsyncIterator[House]:
    """Terminals under a clock that is always there already."""
    async for one in opened(ManualClock()):
        yield one


async def test_shell_answers_follows_the_size_and_tells_its_end(house: House) -> None:
    page, _ = await house.shell(columns=100, rows=30)
    await page.type("stty size\r")
    await page.shows("30 100\r\n")
    await page.say("resize", columns=120, rows=40)
    await page.type("stty size\r")
    await page.shows("40 120\r\n")
    await page.type("exit 7\r")
    assert await page.ended() == 7


async def test_window_that_comes_back_gets_what_it_lacks_and_nothing_twice(house: House) -> None:
    page, session = await house.shell()
    await page.type("echo one\r")
    await page.shows("one\r\n$ ")
    await page.close()
    before, offset = page.output, page.offset
    other = await house.page()
    await other.attach(session)
    await other.type("echo two\r")
    await other.shows("two\r\n$ ")
    again = await house.page()
    told = await again.attach(session, offset=offset)
    assert (told["offset"], told["fresh"], told["until"]) == (offset, False, other.offset)
    await again.shows("two\r\n$ ")
    assert before + again.output == other.output
    assert other.first == 0


async def test_page_that_was_loaded_again_gets_all_that_is_kept(house: House) -> None:
    page, session = await house.shell()
    await page.type("echo kept\r")
    await page.shows("kept\r\n$ ")
    again = await house.page()
    told = await again.attach(session)
    assert told["fresh"] is True
    await again.shows("kept\r\n$ ")
    assert again.output == page.output


async def test_two_windows_show_the_same_and_learn_of_sizes(house: House) -> None:
    page, session = await house.shell()
    other = await house.page()
    await other.attach(session, columns=90, rows=20)
    await other.type("echo both\r")
    await other.shows("both\r\n")
    assert (await page.told("resized"))["columns"] == 90
    await page.shows("both\r\n")


async def test_sessions_are_listed_and_shown_to_their_person_alone(house: House) -> None:
    page, session = await house.shell()
    stranger = await house.page(person="bob")
    await stranger.say("list")
    assert (await stranger.told("sessions"))["sessions"] == []
    await stranger.say("attach", session=session)
    assert (await stranger.told("failed"))["code"] == "missing"
    elsewhere = await house.page(task="anothertask")
    await elsewhere.say("attach", session=session)
    assert (await elsewhere.told("failed"))["code"] == "missing"
    own = await house.page()
    await own.say("list")
    assert [one["session"] for one in (await own.told("sessions"))["sessions"]] == [session]
    with pytest.raises(MissingError):
        _ = house.sessions.find("bob", house.task, session)
    await page.say("end")
    assert await page.ended() >= 128
    await own.say("list")
    assert (await own.told("sessions"))["sessions"] == []


async def test_window_that_was_away_at_the_end_is_told_how_it_ended(house: House) -> None:
    page, session = await house.shell()
    await page.type("exit 3\r")
    assert await page.ended() == 3
    again = await house.page()
    await again.attach(session, offset=page.offset)
    assert await again.ended() == 3


async def test_sessions_end_with_their_task(house: House) -> None:
    page, _ = await house.shell()
    await house.computing.stop(house.handle, grace=timedelta(0))
    assert await page.ended() >= 128
    late = await house.page()
    await late.say("attach")
    assert (await late.told("failed"))["code"] == "task_not_running"


async def test_task_that_is_not_there_is_told_as_such(house: House) -> None:
    page = await house.page(task="nosuchtask")
    await page.say("attach")
    assert (await page.told("failed"))["code"] == "missing"


async def test_unused_session_ends_after_a_while(hasty: House) -> None:
    page, _ = await hasty.shell()
    assert len(hasty.sessions.of("ann", hasty.task)) == 1
    await page.close()

    async def gone() -> bool:
        return not hasty.sessions.of("ann", hasty.task)

    await until(gone)


async def test_session_goes_on_without_a_window(house: House) -> None:
    page, session = await house.shell()
    await page.type("sleep 0.2; echo later\r")
    await page.close()
    found = house.sessions.find("ann", house.task, session)
    async for _ in waiting(lambda: found.windows == 0):
        pass
    again = await house.page()
    await again.attach(session, offset=page.offset)
    await again.shows("later\r\n")


async def waiting(so: object) -> AsyncIterator[None]:
    """Give the loop a turn until something is so."""
    assert callable(so)
    async with asyncio.timeout(20):
        while not so():
            yield
            await asyncio.sleep(0)


async def test_slow_window_holds_the_shell_and_memory_stays_bounded(house: House) -> None:
    page, session = await house.shell()
    found = house.sessions.find("ann", house.task, session)
    await page.type("yes\r")
    async with asyncio.timeout(20):
        while len(page.output) < AHEAD:
            await page.message()
    # It has shown nothing, so nothing more comes than it was sent ahead; the keys still reach the shell.
    assert len(page.output) <= AHEAD + PIECE
    assert found.kept <= HISTORY + SLACK
    await page.say("shown", offset=page.offset)
    size = len(page.output)
    await page.message()
    assert len(page.output) > size
    await page.type("\x03")
    await page.say("shown", offset=page.offset)
    async with asyncio.timeout(20):
        while not page.output.endswith(b"^C\r\n$ "):
            await page.message()
            await page.say("shown", offset=page.offset)


async def test_window_that_shows_nothing_does_not_hold_the_end(house: House) -> None:
    page, _ = await house.shell()
    await page.type("yes\r")
    async with asyncio.timeout(20):
        while len(page.output) < AHEAD:
            await page.message()
    await page.say("end")
    assert await page.ended() >= 128
    assert page.output.endswith(b"y\r\n")


async def test_window_that_fell_behind_what_is_kept_begins_anew(house: House) -> None:
    page, session = await house.shell()
    await page.type("yes\r")
    await page.close()
    found = house.sessions.find("ann", house.task, session)
    async for _ in waiting(lambda: found.kept == HISTORY + SLACK):
        pass
    again = await house.page()
    told = await again.attach(session, offset=page.offset)
    assert told["fresh"] is True
    assert told["offset"] > page.offset
    await again.shows("y\r\ny\r\n")
    assert again.output.startswith(b"y\r\n")
    await again.say("end")


async def test_there_are_only_so_many(house: House) -> None:
    for _ in range(MOST):
        _ = await house.shell()
    page = await house.page()
    await page.say("attach")
    assert (await page.told("failed"))["code"] == "limit"


@pytest.mark.parametrize("text", ["{", '{"type": "attach", "columns": 0}', '{"type": "unknown"}', "[]"])
async def test_what_nobody_understands_is_told_and_changes_nothing(house: House, text: str) -> None:
    page, _ = await house.shell()
    await page.socket.peer.send(page.frame_of(text))
    assert (await page.told("failed"))["code"] == "invalid"
    await page.type("echo on\r")
    await page.shows("on\r\n")


async def test_who_does_not_come_from_the_gateway_is_refused(house: House) -> None:
    reader, writer = await asyncio.open_unix_connection(house.path)
    writer.write(b"GET /.specola/terminal HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()


def test_history_keeps_the_newest_and_begins_after_a_line_that_was_cut() -> None:
    history = History(10)
    assert (history.start, history.end, history.beginning()) == (0, 0, 0)
    history.append(b"0123\n567")
    assert history.since(2, 3) == b"23\n"
    history.append(b"89ab")
    assert (history.start, history.end) == (2, 12)
    assert history.beginning() == 5
    roomy = History(4, slack=6)
    roomy.append(b"0123456789abc")
    assert (roomy.start, roomy.beginning()) == (3, 9)
    assert history.since(5, 100) == b"56789ab"
