"""Links over the API: made by the owner, listed without their secret, taken back."""

from typing import Any

import httpx
import pytest

from specola.domain.person import Scope
from tests.support.callers import Callers

pytestmark = pytest.mark.anyio

DEFINITION = {
    "software": "screen",
    "image": "example.test/web:1",
    "interfaces": [{"name": "desktop", "port": 8000, "protocol": "rfb"}, {"name": "web", "port": 8001}],
}


async def desktop(client: httpx.AsyncClient) -> Any:
    """Start a task with a desktop; return its record."""
    added = await client.post("/software", json=DEFINITION)
    assert added.status_code in {201, 409}, added.text
    started = await client.post("/tasks", params={"wait": 20}, json={"software": "screen"})
    assert started.status_code == 201, started.text
    return started.json()


async def test_a_link_is_made_listed_and_taken_back(callers: Callers) -> None:
    ada = await callers.program("ada")
    task = await desktop(ada)
    links = f"/tasks/{task['id']}/links"
    made = await ada.post(links, json={"interface": "desktop", "hours": 2})
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    shared, _, secret = made.json()["url"].partition("#")
    assert shared == f"{callers.platform.settings.url}/shared"
    assert len(secret) == 43
    [listed] = (await ada.get(f"/tasks/{task['name']}/links")).json()
    assert listed == {name: value for name, value in made.json().items() if name != "url"}
    assert (await ada.delete(f"{links}/{listed['id']}")).status_code == 204
    assert (await ada.delete(f"{links}/{listed['id']}")).status_code == 204
    assert (await ada.get(links)).json() == []


async def test_links_are_the_owners_and_for_desktops(callers: Callers) -> None:
    ada, grace = await callers.program("ada"), await callers.program("grace")
    task = await desktop(ada)
    links = f"/tasks/{task['id']}/links"
    wanted = {"interface": "desktop"}
    assert (await grace.post(links, json=wanted)).status_code == 404
    assert (await grace.get(links)).status_code == 404
    reader = await callers.program("ada", Scope.READ)
    assert (await reader.post(links, json=wanted)).status_code == 403
    assert (await reader.get(links)).status_code == 200
    refused = await ada.post(links, json={"interface": "web"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert (await ada.post(links, json={**wanted, "hours": 0})).status_code == 422
    assert (await ada.post(links, json={**wanted, "hours": 721})).status_code == 422
    assert (await (await callers.stranger()).post(links, json=wanted)).status_code == 401
