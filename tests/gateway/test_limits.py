"""Nobody can hold the gateway by being slow, or by sending too much."""

from datetime import timedelta

import pytest

from tests.support.peers import plain
from tests.support.stage import ORIGIN, Leaping, Stage, request

pytestmark = pytest.mark.anyio


async def test_a_head_that_comes_too_slowly_is_given_up() -> None:
    clock = Leaping()
    async with Stage.open(clock=clock) as stage:
        visitor = await stage.visitor()
        await visitor.send(request()[:-2])
        await stage.refused(request(host="localhost:8080"))
        clock.advance(timedelta(seconds=10))
        stage.sweep()
        await visitor.send(b"X-A: b\r\n")
        await stage.refused(request(host="localhost:8080"))
        clock.advance(timedelta(seconds=11))
        stage.sweep()
        assert (await visitor.answer()).status == 408
        assert await visitor.ended()
        assert stage.task.peers == []


async def test_an_idle_connection_is_closed_and_a_working_one_is_not() -> None:
    clock = Leaping()
    async with Stage.open(clock=clock) as stage:
        working, task, _ = await stage.pair(request("/long"))
        idle, idle_task, _ = await stage.pair(request())
        await idle_task.send(plain())
        await idle.answer()
        clock.advance(timedelta(seconds=80))
        stage.sweep()
        assert await idle.ended()
        assert await idle_task.ended()
        clock.advance(timedelta(days=1))
        stage.sweep()
        await task.send(plain(b"after a day"))
        assert (await working.answer()).body == b"after a day"


@pytest.mark.parametrize("headers", [("X-A: " + "a" * 70_000,), tuple(f"X-{number}: a" for number in range(200))])
async def test_too_many_headers_are_refused(stage: Stage, headers: tuple[str, ...]) -> None:
    assert (await stage.refused(request("/", *headers))).status == 431


async def test_a_head_without_end_is_refused(stage: Stage) -> None:
    visitor = await stage.visitor()
    await visitor.send(request()[:-2] + b"X-A: " + b"a" * 100_000)
    assert (await visitor.answer()).status == 431


async def test_endless_headers_of_a_task_are_given_up(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request())
    await task.send(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 50_000)
    assert (await visitor.answer()).status == 502


async def test_a_slow_reader_gets_all_of_a_last_answer() -> None:
    clock = Leaping()
    body = bytes(range(256)) * 40_000
    async with Stage.open(clock=clock) as stage:
        visitor, task, _ = await stage.pair(request("/", "Connection: close"))
        task.writer.write(plain(body))
        head = await visitor.head()
        assert b"Connection: close\r\n" in head
        found = await visitor.exactly(len(body) - 1000)
        for _ in range(5):
            clock.advance(timedelta(seconds=1))
            stage.sweep()
        assert found + await visitor.rest() == body


async def test_a_reader_that_has_stopped_is_given_up() -> None:
    clock = Leaping()
    async with Stage.open(clock=clock) as stage:
        visitor, task, _ = await stage.pair(request())
        task.writer.write(plain(b"x" * 64 * 1024 * 1024))
        await visitor.head()
        for _ in range(20):  # time for every buffer on the way to fill
            await stage.refused(request(host="localhost:8080"))
        clock.advance(timedelta(seconds=601))
        stage.sweep()
        assert await task.ended()


async def test_a_refused_upload_is_answered_before_it_is_cut(stage: Stage) -> None:
    visitor = await stage.visitor()
    await visitor.send(request("/", "Content-Length: 50000", f"Origin: {ORIGIN}", method="POST", cookie=None))
    await visitor.send(b"x" * 50_000)
    assert (await visitor.answer()).status == 401
    assert await visitor.ended()
