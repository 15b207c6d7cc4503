"""Every protocol on every computing: started by the API, reached by an unmodified client, used, stopped, nothing left."""

import asyncio

import pytest

from tests.matrix.clients import PROTOCOLS
from tests.matrix.conftest import Stage
from tests.matrix.places import Found
from tests.support.installed import until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.containers,
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_cell(stage: Stage, place: Found, protocol: str, request: pytest.FixtureRequest) -> None:
    row = request.node.callspec.params["place"]
    async with stage.platform.api() as api:
        asked = {"software": f"{protocol}-{row}", "computing": place.name, "memory": "512MiB"}
        answer = await api.post("/tasks", json=asked, params={"wait": 60})
        task = answer.json()
        assert "id" in task, answer.text

        async def settled() -> bool:
            nonlocal task
            task = (await api.get(f"/tasks/{task['id']}")).json()
            return task["state"] in {"running", "failed", "finished"}

        await until(settled, seconds=600, pause=0.3, what="a task that runs")
        assert task["state"] == "running", task
        try:
            await PROTOCOLS[protocol].use(stage.client(task))
        finally:
            answer = await api.post(f"/tasks/{task['id']}/stop", params={"wait": 60})
        assert answer.json()["state"] == "stopped", answer.text

    async def gone() -> bool:
        return not await asyncio.to_thread(place.left)

    await until(gone, seconds=60, pause=0.3, what="a computing without anything of ours")
