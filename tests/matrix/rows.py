"""One row of the matrix while it is used: all its tasks, started at the same moment."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.matrix.clients import PROTOCOLS
from tests.matrix.places import Found
from tests.support.installed import Installed, until

__all__ = ["Ready", "Row", "started"]

# The first task of a row waits for its image, which a place that has never had it fetches, and may convert.
FIRST_SECONDS, SECONDS = 600.0, 180.0
LEAVES_SECONDS = 60.0
FIRST = "http"


@dataclass(frozen=True, slots=True)
class Ready:
    """A task all of whose interfaces answer, and the seconds that passed since it was asked for."""

    task: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """A computing with a task for each protocol; `first` are the seconds of a task before these, with which the image came."""

    platform: Installed
    found: Found
    first: float
    tasks: Mapping[str, asyncio.Task[Ready]]

    async def ready(self, protocol: str) -> Ready:
        """Return the task of a protocol, once it is ready."""
        return await self.tasks[protocol]

    async def stop(self, task: str) -> None:
        """Stop a task, and wait until nothing of it is left on its computing."""
        await stop(self.platform, task)
        await self.is_left_by(task)

    async def is_left_by(self, task: str) -> None:
        """Wait until nothing on the computing has a task's name; empty: the name of any."""
        seen: list[str] = []

        async def gone() -> bool:
            seen[:] = [line for line in await asyncio.to_thread(self.found.left) if task in line]
            return not seen

        try:
            await until(gone, seconds=LEAVES_SECONDS, pause=0.2)
        except TimeoutError:
            raise AssertionError(f"of an ended task is left: {seen}") from None


@asynccontextmanager
async def started(platform: Installed, found: Found, row: str, protocols: Sequence[str]) -> AsyncIterator[Row]:
    """Have one task fetch the image, then one for each protocol run; in the end nothing of them may be left."""
    async with platform.api() as api:
        for name, protocol in PROTOCOLS.items():
            definition = {
                "software": software(name, row),
                "title": f"{protocol.title} ({row})",
                "image": found.image,
                "command": protocol.command.split(),
                "interfaces": [protocol.interface],
            }
            answer = await api.post("/software", json=definition)
            assert answer.status_code == httpx.codes.CREATED, answer.text
    first = await start(platform, found, software(FIRST, row), within=FIRST_SECONDS)
    await stop(platform, first.task["id"])
    tasks = {
        name: asyncio.create_task(start(platform, found, software(name, row), within=SECONDS)) for name in PROTOCOLS
    }
    whole = Row(platform, found, first.seconds, tasks)
    try:
        yield whole
    finally:
        for one in tasks.values():
            one.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await stop_all(platform)
    await whole.is_left_by("")


def software(protocol: str, row: str) -> str:
    """Return what the software of one cell is called."""
    return f"{protocol}-{row}"


async def start(platform: Installed, found: Found, name: str, *, within: float) -> Ready:
    """Start a task by the API, and wait until all its interfaces answer."""
    began = time.monotonic()
    asked = {"software": name, "computing": found.name, "cpus": 1, "memory": "512MiB"}
    async with platform.api() as api:
        answer = await api.post("/tasks", json=asked, params={"wait": 60})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        task = answer.json()
        while not is_settled(task):
            passed = time.monotonic() - began
            assert passed < within, (f"not ready after {passed:.0f} s", task)
            answer = await api.get(f"/tasks/{task['id']}", params={"wait": 30, "until": "ready"})
            task = answer.json()
    assert task["state"] == "running", task
    return Ready(task, time.monotonic() - began)


def is_settled(task: Mapping[str, Any]) -> bool:
    """Tell whether a task is ready, or never will be."""
    ready = task["state"] == "running" and all(one["ready"] for one in task["interfaces"])
    return ready or task["state"] in {"finished", "failed", "stopped"}


async def stop(platform: Installed, task: str) -> None:
    """Stop a task by the API."""
    async with platform.api() as api:
        answer = await api.post(f"/tasks/{task}/stop", params={"wait": 60})
    assert answer.json().get("state") == "stopped", answer.text


async def stop_all(platform: Installed) -> None:
    """Stop whatever still runs, as after a cell that did not pass."""
    async with platform.api() as api:
        live = (await api.get("/tasks", params={"live": True})).json()["tasks"]
        await asyncio.gather(*(api.post(f"/tasks/{one['id']}/stop", params={"wait": 60}) for one in live))
