"""Reports of connections, as gateways and connectors send them."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from specola.domain.person import Actor
from tests.support.harness import Platform

pytestmark = pytest.mark.anyio

BEGAN = datetime(2026, 11, 27, 12, 0, tzinfo=UTC).isoformat()


def line(task: str, name: str, **more: Any) -> dict[str, Any]:
    usual = {"kind": "websocket", "interface": "web", "person": "", "address": "192.0.2.7", "began": BEGAN}
    numbers = {"ended": None, "received": 5, "sent": 7, "refused": ""}
    return {"id": f"connection-{name}", "task": task, **usual, **numbers, **more}


async def kept(platform: Platform, actor: Actor, task: str) -> dict[str, tuple[int, int]]:
    page = await platform.services.connections.list(actor, task)
    return {one.id.removeprefix("connection-"): (one.received, one.sent) for one in page.connections}


async def test_connections_are_noted_and_brought_up_to_date(platform: Platform, internal: httpx.AsyncClient) -> None:
    ada = await platform.person("ada")
    task = await platform.started(ada)
    assert (await internal.post("/connections", json=[line(task.id, "1")])).status_code == 204
    assert (await internal.post("/connections", json=[line(task.id, "1", sent=8, ended=BEGAN)])).status_code == 204
    assert await kept(platform, ada, task.id) == {"1": (5, 8)}


BAD: tuple[Any, ...] = (
    "nothing",
    {},
    {"kind": "carrier pigeon"},
    {"began": "yesterday"},
    {"began": "2026-01-01T12:00:00"},
    {"received": -1},
    {"sent": 2**63},
    {"interface": "x" * 61},
    {"address": "nul\x00"},
    {"address": "\ud800"},
    {"person": None},
    {"times": 0},
    {"secret": "s3cret"},
    {"id": "../.."},
)


async def test_bad_lines_take_no_good_one_with_them(platform: Platform, internal: httpx.AsyncClient) -> None:
    bob = await platform.person("bob")
    task = await platform.started(bob)
    bad = [line(task.id, f"bad{number}", **one) if isinstance(one, dict) else one for number, one in enumerate(BAD, 1)]
    bad[1] = {}
    # Half a surrogate pair can be written in JSON, as an escape.
    content = json.dumps([line(task.id, "a"), *bad, line(task.id, "b")])
    answer = await internal.post("/connections", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 204
    assert set(await kept(platform, bob, task.id)) == {"a", "b"}


async def test_unknown_tasks_are_passed_over_and_what_is_no_list_is_refused(internal: httpx.AsyncClient) -> None:
    assert (await internal.post("/connections", json=[line("gone000000", "1")])).status_code == 204
    assert (await internal.post("/connections", json=[])).status_code == 204
    assert (await internal.post("/connections", json={"id": "x"})).status_code == 422
