"""Decisions are asked once, kept a minute, taken back at once, and outlive `web` by a while."""

import asyncio
from datetime import timedelta

import pytest

from tests.support.peers import Peer, plain
from tests.support.stage import COOKIE, ORIGIN, Leaping, Stage, request
from tests.support.web_side import TASK

pytestmark = pytest.mark.anyio

PAGE = ("Accept: text/html", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
UPGRADE = (f"Origin: {ORIGIN}", "Connection: Upgrade", "Upgrade: websocket")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
STARTING = {"state": "starting", "reason": {"code": "pulling", "sentence": "The image is fetched.", "hint": "Wait."}}


async def hello(peer: Peer) -> None:
    while True:
        await peer.head()
        await peer.send(plain())


async def socket(stage: Stage) -> tuple[Peer, Peer]:
    visitor, task, _ = await stage.pair(request("/socket", *UPGRADE))
    await task.send(SWITCHED)
    await visitor.head()
    return visitor, task


async def test_many_at_once_are_one_question() -> None:
    async with Stage.open(play=hello) as stage:
        stage.web.hold = asyncio.Event()
        visitors = [await stage.visitor() for _ in range(20)]
        for visitor in visitors:
            await visitor.send(request())
        await stage.web.until(lambda: bool(stage.web.decisions()))
        stage.web.hold.set()
        assert [(await visitor.answer()).status for visitor in visitors] == [200] * 20
        assert len(stage.web.decisions()) == 1


async def test_a_decision_is_kept_for_a_minute() -> None:
    clock = Leaping()
    async with Stage.open(clock=clock, play=hello) as stage:
        visitor = await stage.visitor()
        for seconds, questions in ((0, 1), (59, 1), (2, 2)):
            clock.advance(timedelta(seconds=seconds))
            assert (await visitor.ask(request())).status == 200
            assert len(stage.web.decisions()) == questions


async def test_not_ready_is_never_kept(stage: Stage) -> None:
    stage.web.interfaces[TASK, "lab"] = {"outcome": "not_ready", **STARTING}
    page = await stage.refused(request("/deep/link", *PAGE))
    assert (page.status, page.body, page.header("retry-after")) == (503, b"<title>Starting</title>", "2")
    assert stage.web.asked[-1].target == f"/waiting/{TASK}/lab/page"
    program = await stage.refused(request("/api"))
    assert (program.status, program.header("retry-after")) == (503, "2")
    assert b'"state": "starting"' in program.body
    assert b"The image is fetched." in program.body
    stage.web.serve_interface("lab", stage.task.endpoint)
    visitor, task, _ = await stage.pair(request())
    await task.send(plain())
    assert (await visitor.answer()).status == 200


async def test_what_one_may_not_see_is_missing(stage: Stage) -> None:
    del stage.web.interfaces[TASK, "lab"]
    assert (await stage.refused(request())).status == 404
    page = await stage.refused(request("/", *PAGE))
    assert (page.status, page.header("content-type")) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("mark", ["person:ada", f"task:{TASK}", f"session:{COOKIE}"])
async def test_revoking_closes_what_is_open(stage: Stage, mark: str) -> None:
    visitor, task = await socket(stage)
    running, running_task, _ = await stage.pair(request("/long"))
    stage.web.cookies.clear()
    await stage.web.revoke(mark)
    for peer in (visitor, task, running, running_task):
        assert await peer.ended()
    assert (await stage.refused(request())).status == 401


async def test_revoking_another_mark_closes_nothing(stage: Stage) -> None:
    visitor, task = await socket(stage)
    await stage.web.revoke("person:bob")
    await stage.web.change(f"task:{TASK}")
    await task.send(b"still here")
    assert await visitor.exactly(10) == b"still here"


async def test_a_change_is_asked_about_and_closes_nothing(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/1"))
    await stage.web.change(f"task:{TASK}")
    await task.send(plain())
    await visitor.answer()
    await visitor.send(request("/2"))
    await task.head()
    assert len(stage.web.decisions()) == 2


async def test_an_answer_made_before_a_revocation_is_not_believed(stage: Stage) -> None:
    stage.web.hold = asyncio.Event()
    visitor = await stage.visitor()
    await visitor.send(request())
    await stage.web.until(lambda: bool(stage.web.decisions()))
    stage.web.cookies.clear()
    await stage.web.revoke("person:ada")
    beaten = await stage.visitor()
    await beaten.ask(request(host="localhost:8080"))
    stage.web.hold.set()
    assert (await visitor.answer()).status == 401
    assert len(stage.web.decisions()) == 2


async def test_after_a_gap_every_open_connection_is_asked_about(stage: Stage) -> None:
    visitor, task = await socket(stage)
    stage.web.cookies.clear()
    stage.web.first_lines = [{"sequence": 40, "gap": True}]
    stage.web.sequence = 40
    stage.web.hang_up()
    assert await visitor.ended()
    assert await task.ended()


async def test_sockets_live_through_a_restart_of_web(stage: Stage) -> None:
    visitor, task = await socket(stage)
    await stage.web.restart()
    await stage.web.until(lambda: stage.web.followers == 1)
    await visitor.send(b"hello")
    assert await task.exactly(5) == b"hello"
    assert stage.web.asked[-1].target == "/revocations?after=1"


async def test_without_web_decisions_hold_a_minute_and_sockets_five() -> None:
    clock = Leaping()
    async with Stage.open(clock=clock) as stage:
        visitor, task = await socket(stage)
        kept, kept_task, _ = await stage.pair(request("/1"))
        await kept_task.send(plain())
        await kept.answer()
        await stage.web.stop()
        clock.advance(timedelta(seconds=50))
        await kept.send(request("/2"))
        assert (await kept_task.head()).startswith(b"GET /2")
        await kept_task.send(plain())
        await kept.answer()
        clock.advance(timedelta(seconds=20))
        answer = await kept.ask(request("/3"))
        assert (answer.status, answer.header("retry-after")) == (503, "2")
        assert (await stage.refused(request(host="localhost:8080"))).status == 503
        await visitor.send(b"alive")
        assert await task.exactly(5) == b"alive"
        clock.advance(timedelta(seconds=300))
        stage.tend()
        assert await visitor.ended()
        assert await task.ended()


async def test_a_task_that_has_moved_is_found_again(stage: Stage) -> None:
    async with type(stage.task).listening() as other:
        visitor, task, _ = await stage.pair(request())
        await task.send(plain())
        await visitor.answer()
        task.close()
        stage.task.stop()
        stage.web.serve_interface("lab", other.endpoint)
        await visitor.send(request())
        moved = await other.accept()
        await moved.head()
        await moved.send(plain(b"moved"))
        assert (await visitor.answer()).body == b"moved"


async def test_a_task_that_does_not_answer_gets_a_clear_sentence(stage: Stage) -> None:
    stage.task.stop()
    program = await stage.refused(request())
    assert program.status == 502
    assert b"The application does not accept connections." in program.body
    page = await stage.refused(request("/", *PAGE))
    assert b"<h1>The application does not accept connections.</h1>" in page.body
    stage.web.interfaces[TASK, "lab"] = {"outcome": "not_ready", **STARTING}
    assert (await stage.refused(request("/", *PAGE))).body == b"<title>Starting</title>"


async def test_traffic_is_reported_and_none_is_lost_without_web(stage: Stage) -> None:
    stage.web.serve_interface("lab", stage.task.endpoint, ignore=["/api/metrics"])
    visitor, task, head = await stage.pair(request("/api/metrics"))
    await task.send(plain(b"x" * 1000))
    answer = await visitor.answer()
    await stage.web.stop()
    await stage.report()
    await stage.web.start()
    await stage.report()
    size = len(head), len(answer.raw) + 1000
    expected = {"task": TASK, "interface": "lab", "person": "ada", "received": size[0], "sent": size[1], "used": False}
    assert stage.web.traffic == [expected]
    await visitor.send(request("/work"))
    await task.head()
    await stage.report()
    assert stage.web.traffic[-1]["used"] is True
