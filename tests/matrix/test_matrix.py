"""Every protocol on every computing: started by the API, reached by an unmodified client, used, stopped, nothing left."""

import pytest

from tests.matrix.clients import PROTOCOLS
from tests.matrix.conftest import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_cell(stage: Stage, protocol: str) -> None:
    async with stage.platform.api() as api:
        answer = await api.post("/tasks", json={"software": f"matrix-{protocol}"}, params={"wait": 60})
        task = answer.json()
        assert task.get("state") == "running", answer.text
        try:
            await PROTOCOLS[protocol].use(stage.client(task))
        finally:
            answer = await api.post(f"/tasks/{task['id']}/stop", params={"wait": 30})
        assert answer.json()["state"] == "stopped", answer.text
