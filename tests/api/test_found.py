"""Ports found, over the API."""

import pytest

from specola.domain.found import FoundPort
from specola.domain.person import Scope
from specola.domain.software import Protocol
from tests.api.test_tasks import start
from tests.support.callers import Callers
from tests.support.harness import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DATABASE = FoundPort(port=5432, protocol=Protocol.POSTGRES, loopback=True)


async def test_ports_are_listed_and_added_to_the_software(platform: Platform, callers: Callers) -> None:
    ada = await callers.program("ada")
    task = await start(ada)
    path = f"/tasks/{task['id']}/ports"
    assert (await ada.get(path)).json() == []
    await platform.end("connector")
    await platform.services.found.report({task["id"]: [DATABASE]})
    [port] = (await ada.get(path)).json()
    assert (port["name"], port["port"], port["protocol"], port["loopback"]) == ("port-5432", 5432, "postgres", True)
    assert port["origin"].startswith(f"http://port-5432--{task['id']}.localhost:")
    made = await ada.post(f"{path}/5432", json={"name": "db"})
    assert made.status_code == 201
    assert [one["name"] for one in made.json()["releases"][0]["interfaces"]] == ["web", "db"]
    refused = await ada.post(f"{path}/5432", json={"name": "port-1"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert (await ada.post(f"{path}/70000", json={})).status_code == 422
    assert (await ada.post(f"{path}/22", json={})).status_code == 404
    platform.begin("connector")


async def test_ports_are_missing_for_others_and_need_their_scopes(callers: Callers) -> None:
    ada = await callers.program("ada")
    task = await start(ada)
    eve = await callers.program("eve")
    assert (await eve.get(f"/tasks/{task['id']}/ports")).status_code == 404
    assert (await eve.post(f"/tasks/{task['id']}/ports/22", json={})).status_code == 404
    reader = await callers.program("ada", Scope.READ)
    assert (await reader.get(f"/tasks/{task['id']}/ports")).status_code == 200
    assert (await reader.post(f"/tasks/{task['id']}/ports/22", json={})).status_code == 403
