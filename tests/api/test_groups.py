"""Groups over the API."""

import pytest

from tests.support.callers import Callers

pytestmark = pytest.mark.anyio


async def test_a_group_is_made_filled_and_removed(callers: Callers) -> None:
    admin, ada, eve = await callers.program("admin"), await callers.browser("ada"), await callers.browser("eve")
    made = await admin.post("/groups", json={"name": "survey", "title": "The survey"})
    assert made.status_code == 201, made.text
    assert (await admin.put("/groups/survey/members/ada", json={"manages": True})).status_code == 200
    shown = await ada.put("/groups/survey/members/eve", json={})
    assert shown.json()["members"] == [
        {"name": "ada", "full_name": "", "manages": True},
        {"name": "eve", "full_name": "", "manages": False},
    ]
    assert [one["name"] for one in (await eve.get("/groups")).json()] == ["survey"]
    assert (await eve.patch("/groups/survey", json={"title": "Mine"})).json()["code"] == "denied"
    assert (await ada.patch("/groups/survey", json={"title": "Ours"})).json()["title"] == "Ours"
    assert (await eve.delete("/groups/survey/members/eve")).status_code == 204
    assert (await eve.get("/groups/survey")).status_code == 404
    assert (await admin.delete("/groups/survey")).status_code == 204
    assert (await admin.get("/groups")).json() == []
