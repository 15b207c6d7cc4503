"""The endless answers: revocations for gateways, ways into tasks for connectors."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from specola.domain.person import Role
from specola.domain.task import TaskState
from tests.support.harness import Platform

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def lines(client: httpx.AsyncClient, path: str) -> AsyncIterator[AsyncIterator[Any]]:
    async def read(answer: httpx.Response) -> AsyncIterator[Any]:
        async for line in answer.aiter_lines():
            yield json.loads(line)

    async with asyncio.timeout(20), client.stream("GET", path) as answer:
        yield read(answer)


async def test_revocations_begin_at_the_present_and_tell_what_ends(
    platform: Platform, internal: httpx.AsyncClient
) -> None:
    ada = await platform.person("ada")
    task = await platform.started(ada)
    async with lines(internal, "/revocations") as told:
        start = await anext(told)
        assert start["beat"] is True
        await platform.services.tasks.stop(ada, task.id)
        seen = []
        async for line in told:
            seen.append(line)
            if line.get("mark") == f"task:{task.id}":
                break
    numbers = [line["sequence"] for line in seen]
    assert numbers == sorted(numbers)
    assert numbers[0] > start["sequence"]
    async with lines(internal, f"/revocations?after={start['sequence']}") as told:
        assert [await anext(told) for _ in seen] == seen


async def test_streams_tell_of_computings_that_come_change_and_go(
    platform: Platform, internal: httpx.AsyncClient
) -> None:
    admin = await platform.person("boss", role=Role.ADMINISTRATOR)
    computings = platform.services.computings
    async with lines(internal, "/streams") as told:
        async for line in told:
            if line.get("snapshot"):
                break
        _ = await computings.add(admin, "computing: far\nkind: memory\nsettings: {cpus: 2, token: sealed}\n")
        assert await anext(told) == {
            "computing": "far",
            "kind": "memory",
            "settings": {"cpus": 2.0, "token": "sealed"},
            "own": False,
        }
        _ = await computings.change(admin, "far", "computing: far\nkind: memory\nsettings: {token: other}\n")
        async for line in told:
            if line.get("settings") == {"token": "other"}:
                break
        await computings.remove(admin, "far")
        async for line in told:
            if line.get("gone") and "computing" in line:
                assert line == {"computing": "far", "gone": True}
                break


async def test_a_number_that_is_not_kept_is_a_gap(internal: httpx.AsyncClient) -> None:
    async with lines(internal, "/revocations?after=999999999") as told:
        assert (await anext(told))["gap"] is True


async def test_streams_begin_with_what_there_is_and_follow_it(platform: Platform, internal: httpx.AsyncClient) -> None:
    eve = await platform.person("eve")
    first = await platform.started(eve)
    async with lines(internal, "/streams") as told:
        snapshot = []
        async for line in told:
            if line.get("snapshot"):
                break
            snapshot.append(line)
        assert {"computing": "local", "kind": "memory", "settings": {}, "own": False} in snapshot
        assert first.id in {line.get("task") for line in snapshot}
        second = await platform.started(eve)
        async for line in told:
            if line.get("task") == second.id:
                assert line == {
                    "task": second.id,
                    "computing": "local",
                    "handle": (await platform.record(second.id)).handle,
                    "ports": [8000],
                    "declared": [8000],
                }
                break
        await platform.services.tasks.stop(eve, second.id)
        await platform.until_state(second.id, TaskState.STOPPED)
        async for line in told:
            if line.get("gone"):
                assert line == {"task": second.id, "gone": True}
                break
