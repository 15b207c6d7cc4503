"""Queues over the API: what a computing takes, what is asked for, what is refused, and what is told while one waits."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from specola.computing.memory.world import Waiting
from specola.domain.placement import Forecast
from tests.support.callers import Callers
from tests.support.clusters import becomes_a_cluster
from tests.support.harness import Platform

pytestmark = pytest.mark.anyio

WEB = "example.test/web:1"
SOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def ada(callers: Callers, platform: Platform) -> httpx.AsyncClient:
    forecast = Forecast(starts=SOON, source="scheduler")
    await becomes_a_cluster(platform, queue=Waiting(reason="priority", raw="PENDING (Priority)", forecast=forecast))
    return await callers.program("ada")


async def test_a_computing_tells_what_it_takes(ada: httpx.AsyncClient) -> None:
    offer = (await ada.get("/computings/local/offer")).json()
    assert offer["partition"] == "day"
    assert offer["most"] == {"cpus": 4, "memory": 8 * 1024**3, "gpus": 0, "time": "1d"}
    assert [one["name"] for one in offer["partitions"]] == ["day", "fat", "gpu"]
    assert offer["projects"] == ["astro", "students"]
    assert offer["queue_options"] == {"qos": ["short", "long"], "constraint": []}
    assert offer["queues"]
    assert offer["wait"] is None
    there = (await ada.get("/computings/local/offer", params={"partition": "gpu", "gpus": 1})).json()
    assert there["gpus"] == [{"model": "a100", "count": 4}, {"model": "l4", "count": 1}]
    assert (await ada.get("/computings/nowhere/offer")).status_code == 404


async def until(client: httpx.AsyncClient, task: str, key: str, value: Any) -> Any:
    """Follow a task until one of its keys has a value, and return it."""
    async with client.stream("GET", f"/tasks/{task}/events", params={"follow": True, "seconds": 30}) as answer:
        async for line in answer.aiter_lines():
            found = httpx.Response(200, text=line).json().get("task") if line.strip() else None
            if found is not None and found[key] == value:
                return found
    raise AssertionError(f"{key} did not become {value}")


async def test_a_task_tells_how_it_is_queued_why_it_waits_and_when_it_ends(
    ada: httpx.AsyncClient, platform: Platform
) -> None:
    wanted = {
        "image": WEB,
        "time": "1-12:00:00",
        "partition": "gpu",
        "project": "astro",
        "queue_options": {"qos": "long"},
        "gpus": 2,
        "gpu_model": "a100",
    }
    task = (await ada.post("/tasks", json=wanted)).json()
    assert task["placement"] == {
        "time": "1d12h",
        "partition": "gpu",
        "project": "astro",
        "queue_options": {"qos": "long"},
    }
    assert (task["resources"]["gpus"], task["resources"]["gpu_model"]) == (2, "a100")
    waiting = await until(ada, task["id"], "raw", "PENDING (Priority)")
    assert (waiting["state"], waiting["waits"]) == ("starting", True)
    assert waiting["reason"]["sentence"] == "Others in the queue come first."
    assert waiting["forecast"]["source"] == "scheduler"
    assert datetime.fromisoformat(waiting["forecast"]["starts"]) == SOON
    handle = next(name for name, one in platform.world.containers.items() if one.launch.task == task["id"])
    launch = platform.world.containers[handle].launch
    assert launch.placement.partition == "gpu"
    assert launch.placement.time == timedelta(hours=36)
    await platform.world.start(handle, node="n1", deadline=SOON)
    running = await until(ada, task["id"], "state", "running")
    assert (running["waits"], running["node"], running["forecast"]) == (False, "n1", None)
    assert datetime.fromisoformat(running["deadline"]) == SOON
    again = (await ada.post(f"/tasks/{task['id']}/again", json={})).json()
    assert again["placement"] == task["placement"]
    for one in (task, again):
        await ada.post(f"/tasks/{one['id']}/stop", params={"wait": 20})


@pytest.mark.parametrize(
    ("wanted", "code", "field"),
    [
        ({"partition": "moon"}, "not_offered", "partition"),
        ({"project": "biology"}, "not_offered", "project"),
        ({"queue_options": {"licence": "x"}}, "not_offered", "queue_options.licence"),
        ({"time": "30h"}, "limit", "time"),
        ({"cpus": 5}, "limit", "cpus"),
        ({"partition": "gpu", "gpus": 1, "gpu_model": "h200"}, "not_offered", "gpu_model"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_field_and_a_hint(
    ada: httpx.AsyncClient, wanted: dict[str, Any], code: str, field: str
) -> None:
    answer = await ada.post("/tasks", json={"image": WEB, **wanted})
    assert answer.is_client_error
    problem = answer.json()
    assert (problem["code"], problem["field"]) == (code, field)
    assert problem["hint"]


@pytest.mark.parametrize("time", ["90", "2:30", "soon", -1, 0])
async def test_a_time_that_says_nothing_is_refused(ada: httpx.AsyncClient, time: str | int) -> None:
    answer = await ada.post("/tasks", json={"image": WEB, "time": time})
    assert answer.status_code == 422
    assert answer.json()["field"] == "time"


async def test_software_tells_how_long_it_runs_and_what_it_does_before_its_end(ada: httpx.AsyncClient) -> None:
    definition = f"software: long\nimage: {WEB}\ntime: 36h\npre_stop: {{command: [save], time: 1m}}\n"
    added = (await ada.post("/software", content=definition)).json()
    (release,) = added["releases"]
    assert (release["time"], release["pre_stop"]) == ("1d12h", {"command": ["save"], "time": "1m"})
    task = (await ada.post("/tasks", json={"software": "long", "partition": "fat"})).json()
    assert task["placement"]["time"] == "1d12h"
    await ada.post(f"/tasks/{task['id']}/stop", params={"wait": 20})
