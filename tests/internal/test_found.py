"""Ports found, as a connector tells them, and all the way from a program that begins to listen to its bytes."""

import asyncio

import httpx
import pytest

from specola.computing.memory.serving import Counter, speak_http
from specola.domain.found import FoundPort
from specola.domain.software import Protocol
from specola.domain.task import Task
from tests.support.harness import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def found(platform: Platform, task: Task) -> list[FoundPort]:
    async with platform.services.store.read() as tx:
        return list((await tx.found.of([task.id])).get(task.id, ()))


async def test_malformed_reports_are_refused(platform: Platform, internal: httpx.AsyncClient) -> None:
    eve = await platform.person("eve")
    task = await platform.started(eve)
    port = {"port": 8501, "protocol": "http", "loopback": True}
    for wrong in (
        {"port": 0},
        {"port": 65536},
        {"protocol": "gopher"},
        {"host": "10.0.0.1"},
    ):
        answer = await internal.post("/found", json=[{"task": task.id, "ports": [port | wrong]}])
        assert answer.status_code == 422
    assert (await internal.post("/found", json=[{"task": task.id, "ports": [port] * 33}])).status_code == 422
    assert (await internal.post("/found", json=[])).status_code == 204


async def test_program_that_begins_to_listen_is_found_and_reached(platform: Platform) -> None:
    ada = await platform.person("ada")
    task = await platform.started(ada)
    assert task.handle is not None
    newest = await platform.newest()
    await platform.world.listen(task.handle, 8501, speak_http(Counter(), {"app": "found"}))
    async with asyncio.timeout(30):
        async for _ in platform.services.store.changes(newest):
            if [one.protocol for one in await found(platform, task)] == [Protocol.HTTP]:
                break
        path = platform.settings.streams / f"{task.id}.8501.sock"
        while not path.exists():  # noqa: ASYNC110 - the connector, told by now, makes it
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert b'"app": "found"' in await reader.read()
        writer.close()
        newest = await platform.newest()
        platform.world.hush(task.handle, 8501)
        async for _ in platform.services.store.changes(newest):
            if not await found(platform, task):
                break
