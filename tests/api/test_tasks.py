"""Tasks over the API: from the wish to the record's removal."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from specola.domain.person import Scope
from tests.support.callers import Callers
from tests.support.harness import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WEB = "example.test/web:1"


async def start(client: httpx.AsyncClient, *, wait: float = 20, **wish: Any) -> Any:
    answer = await client.post("/tasks", params={"wait": wait}, json={"image": WEB, **wish})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_task_is_started_shown_stopped_and_removed(callers: Callers) -> None:
    ada = await callers.program("ada")
    task = await start(ada, name="first", cpus=0.5, memory="512MiB", environment={"COLOUR": "blue"})
    assert task["state"] == "running"
    assert task["resources"] == {"cpus": 0.5, "memory": 512 * 1024**2, "shm": 64 * 1024**2, "gpus": 0, "gpu_model": ""}
    assert task["environment"] == {"COLOUR": "blue"}
    assert task["image"]["reference"] == WEB
    assert task["image"]["id"].startswith("sha256:")
    [interface] = task["interfaces"]
    assert (interface["name"], interface["protocol"], interface["port"], interface["ready"]) == (
        "web",
        "http",
        8000,
        True,
    )
    assert interface["url"].startswith(f"http://web--{task['id']}.localhost:")
    assert (await ada.get("/tasks/first")).json() == (await ada.get(f"/tasks/{task['id']}")).json()
    assert (await ada.delete("/tasks/first")).status_code == 409
    stopped = (await ada.post("/tasks/first/stop", params={"wait": 20})).json()
    assert stopped["state"] == "stopped"
    assert (await ada.delete("/tasks/first")).status_code == 204
    assert (await ada.get("/tasks/first")).status_code == 404


async def test_the_place_of_a_started_task_is_told(callers: Callers) -> None:
    ada = await callers.program("ada")
    answer = await ada.post("/tasks", json={"image": WEB})
    assert answer.headers["location"] == f"/api/v1/tasks/{answer.json()['id']}"
    assert answer.json()["state"] == "queued"


async def test_the_same_key_starts_nothing_twice(callers: Callers) -> None:
    ada = await callers.program("ada")
    key = {"Idempotency-Key": "once"}
    first = await ada.post("/tasks", json={"image": WEB}, headers=key)
    second = await ada.post("/tasks", json={"image": WEB}, headers=key)
    assert first.json()["id"] == second.json()["id"]
    other = await ada.post("/tasks", json={"image": WEB, "cpus": 2}, headers=key)
    assert other.status_code == 409
    again = await ada.post(f"/tasks/{first.json()['id']}/again", json={}, headers=key)
    assert again.status_code == 409
    assert (await ada.post("/tasks", json={"image": WEB}, headers={"Idempotency-Key": "k" * 201})).status_code == 422


async def test_a_task_is_renamed_and_run_again(callers: Callers) -> None:
    ada = await callers.program("ada")
    task = await start(ada, environment={"N": "1"})
    renamed = await ada.patch(f"/tasks/{task['id']}", json={"name": "mine"})
    assert renamed.json()["name"] == "mine"
    again = (await ada.post("/tasks/mine/again", json={"name": "more"}, params={"wait": 20})).json()
    assert again["again_of"] == task["id"]
    assert (again["name"], again["environment"], again["image"]["id"]) == ("more", {"N": "1"}, task["image"]["id"])


async def test_lists_come_in_pages(callers: Callers) -> None:
    lin = await callers.program("lin")
    ids = [(await start(lin, wait=0))["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"most": 2, **({"cursor": cursor} if cursor else {})}
        page = (await lin.get("/tasks", params=query)).json()
        assert len(page["tasks"]) <= 2
        seen += [task["id"] for task in page["tasks"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]
    assert (await lin.get("/tasks", params={"cursor": "nonsense"})).status_code == 422
    assert (await lin.get("/tasks", params={"most": 0})).status_code == 422


async def test_only_administrators_list_everybodys(callers: Callers) -> None:
    ada, admin = await callers.program("ada"), await callers.program("admin")
    task = await start(ada, wait=0)
    assert (await ada.get("/tasks", params={"everybody": True})).status_code == 403
    listed = (await admin.get("/tasks", params={"everybody": True, "most": 200})).json()["tasks"]
    assert task["id"] in {one["id"] for one in listed}


async def test_waiting_ends_with_what_was_waited_for(callers: Callers) -> None:
    ada = await callers.program("ada")
    task = await start(ada)
    waiting = asyncio.create_task(ada.get(f"/tasks/{task['id']}", params={"wait": 30, "until": "ended"}))
    await ada.post(f"/tasks/{task['id']}/stop")
    assert (await waiting).json()["state"] == "stopped"


async def test_waiting_ends_with_its_time(callers: Callers) -> None:
    ada = await callers.program("ada")
    task = await start(ada)
    answer = await ada.get(f"/tasks/{task['id']}", params={"wait": 0.05, "until": "ended"})
    assert answer.json()["state"] == "running"
    assert (await ada.get(f"/tasks/{task['id']}", params={"wait": 61})).status_code == 422


async def test_history_is_read_and_followed(callers: Callers) -> None:
    ada = await callers.program("ada")
    task = await start(ada)
    events = (await ada.get(f"/tasks/{task['id']}/events")).json()
    assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
    assert events[0]["code"] == "requested"
    later = (await ada.get(f"/tasks/{task['id']}/events", params={"after": events[-1]["sequence"]})).json()
    assert later == []
    lines = []
    async with ada.stream("GET", f"/tasks/{task['id']}/events", params={"follow": True}) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        async for line in answer.aiter_lines():
            lines.append(json.loads(line))
            if lines[-1].get("task", {}).get("state") == "running":
                await ada.post(f"/tasks/{task['id']}/stop")
    states = [line["task"]["state"] for line in lines if "task" in line]
    assert states[0] == "running"
    assert states[-1] == "stopped"
    assert [line["event"] for line in lines if "event" in line][: len(events)] == events


async def test_history_is_followed_by_server_sent_events(callers: Callers) -> None:
    ada = await callers.program("ada")
    task = await start(ada)
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "2"}
    query = {"follow": True, "seconds": 0.2}
    answer = await ada.get(f"/tasks/{task['id']}/events", params=query, headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    blocks = answer.text.strip().split("\n\n")
    assert blocks[0].startswith("id: 3\nevent: event\ndata: {")
    assert blocks[-1].startswith("event: task\ndata: {")


async def test_following_ends_when_the_token_is_revoked(callers: Callers) -> None:
    rita = await callers.program("rita")
    task = await start(rita)
    async with rita.stream("GET", f"/tasks/{task['id']}/events", params={"follow": True}) as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if "task" in json.loads(line):
                break
        [token] = (await rita.get("/tokens")).json()
        assert (await rita.delete(f"/tokens/{token['id']}")).status_code == 204
        assert [line async for line in lines if line] == []
    assert (await rita.get("/whoami")).status_code == 401


async def test_logs_are_read_during_and_after(callers: Callers, platform: Platform) -> None:
    ada = await callers.program("ada")
    task = await start(ada)
    handle = (await platform.record(task["id"])).handle
    assert handle is not None
    await platform.world.say(handle, "one")
    await platform.world.say(handle, "two", stream="stderr")
    live = [json.loads(line) for line in (await ada.get(f"/tasks/{task['id']}/logs")).text.splitlines()]
    assert [(line["stream"], line["text"]) for line in live[-2:]] == [("stdout", "one"), ("stderr", "two")]
    text = await ada.get(f"/tasks/{task['id']}/logs", params={"tail": 1}, headers={"Accept": "text/plain"})
    assert text.text == "two\n"
    await ada.post(f"/tasks/{task['id']}/stop", params={"wait": 20})
    kept = [json.loads(line)["text"] for line in (await ada.get(f"/tasks/{task['id']}/logs")).text.splitlines()]
    assert kept[-2:] == ["one", "two"]


async def test_logs_are_followed_to_the_end(callers: Callers, platform: Platform) -> None:
    ada = await callers.program("ada")
    task = await start(ada)
    handle = (await platform.record(task["id"])).handle
    assert handle is not None
    texts = []
    async with ada.stream("GET", f"/tasks/{task['id']}/logs", params={"follow": True}) as answer:
        async for line in answer.aiter_lines():
            texts.append(json.loads(line)["text"])
            if len(texts) == 1:
                await platform.world.say(handle, "late")
            elif texts[-1] == "late":
                await platform.world.kill(handle, exit_code=0)
    assert texts[-1] == "late"


async def test_use_is_measured(callers: Callers) -> None:
    ada = await callers.program("ada")
    task = await start(ada)
    usage = await ada.get(f"/tasks/{task['id']}/usage")
    assert usage.status_code == 200
    assert all(set(one) == {"at", "cpus", "memory", "received", "sent"} for one in usage.json())


async def test_a_credential_is_for_the_owner_with_the_right_scope(callers: Callers) -> None:
    ada, admin = await callers.program("ada"), await callers.program("admin")
    task = await start(ada)
    path = f"/tasks/{task['id']}/interfaces/web/credential"
    answer = await ada.get(path)
    assert len(answer.json()["credential"]) > 20
    assert answer.headers["cache-control"] == "no-store"
    reader = await callers.program("ada", Scope.READ, Scope.TASKS)
    assert (await reader.get(path)).json()["code"] == "scope"
    assert (await admin.get(path)).status_code in {403, 404}


async def test_what_others_have_is_missing(callers: Callers) -> None:
    ada, bob = await callers.program("ada"), await callers.program("bob")
    task = await start(ada)
    for method, path in (("GET", ""), ("POST", "/stop"), ("DELETE", ""), ("GET", "/events"), ("GET", "/logs")):
        answer = await bob.request(method, f"/tasks/{task['id']}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "missing"), path


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"image": WEB, "software": "sum"}, 422, "invalid"),
        ({"image": WEB, "colour": "red"}, 422, "invalid"),
        ({"image": WEB, "memory": "lots"}, 422, "invalid"),
        ({"image": WEB, "cpus": -1}, 422, "invalid"),
        ({"image": WEB, "cpus": 1e9}, 422, "invalid"),
        ({"image": WEB, "memory": "100TiB"}, 429, "limit"),
        ({"image": WEB, "computing": "moon"}, 404, "missing"),
        ({"software": "nothing-like-that"}, 404, "missing"),
        ({"image": "example.test/nothing:1"}, 422, "image_unknown"),
        ({"again_of": "nope"}, 404, "missing"),
        ({"image": WEB, "name": "n" * 500}, 422, "invalid"),
    ],
)
async def test_a_wish_that_cannot_be_met_says_why(
    callers: Callers, wish: dict[str, Any], status: int, code: str
) -> None:
    ada = await callers.program("ada")
    answer = await ada.post("/tasks", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["detail"]
    assert answer.json()["hint"]
