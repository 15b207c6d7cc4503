"""Computings over the API: records, drafts, and secrets that are never shown again."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from specola.domain.person import Scope
from tests.support.callers import Callers

pytestmark = pytest.mark.anyio

CANARY = "canary-7h2k9d3m"


def definition(name: str, **more: Any) -> str:
    """Return the definition of a computing in memory, in JSON."""
    return json.dumps({"computing": name, "kind": "memory", **more})


async def problem(answer: httpx.Response) -> Mapping[str, Any]:
    """Return a failure."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_record_is_added_changed_paused_and_removed(callers: Callers) -> None:
    admin, ada = await callers.program("admin"), await callers.browser("ada")
    text = "computing: far\ntitle: Far away\nkind: memory\nsettings: {cpus: 3}\noffer: {maximum: {cpus: 2}}\n"
    added = await admin.post("/computings", content=text)
    assert added.status_code == 201, added.text
    shown = added.json()
    assert (shown["title"], shown["audience"], shown["intake"], shown["editable"]) == (
        "Far away",
        "everybody",
        "open",
        True,
    )
    seen = (await ada.get("/computings/far")).json()
    assert (seen["title"], seen["editable"]) == ("Far away", False)
    exported = await admin.get("/computings/far/definition")
    assert exported.headers["content-type"].startswith("application/yaml")
    assert "cpus: 3\n" in exported.text
    assert (await problem(await ada.get("/computings/far/definition")))["code"] == "denied"
    changed = await admin.put("/computings/far", content=exported.text.replace("Far away", "Nearer"))
    assert changed.json()["title"] == "Nearer"
    assert (await problem(await ada.patch("/computings/far", json={"intake": "paused"})))["code"] == "denied"
    assert (await admin.patch("/computings/far", json={"intake": "paused"})).json()["intake"] == "paused"
    refused = await ada.post("/tasks", json={"image": "example.test/web:1", "computing": "far"})
    assert ((await problem(refused))["code"], refused.status_code) == ("conflict", 409)
    assert (await admin.patch("/computings/far", json={"intake": "stopped"})).status_code == 422
    assert (await problem(await ada.delete("/computings/far")))["code"] == "denied"
    assert (await admin.delete("/computings/far")).status_code == 204
    assert (await admin.get("/computings/far")).status_code == 404


async def test_ones_own_is_seen_by_oneself_alone(callers: Callers) -> None:
    ada, eve, admin = await callers.browser("ada"), await callers.browser("eve"), await callers.browser("admin")
    added = (await ada.post("/computings", content=definition("box"))).json()
    assert (added["name"], added["audience"], added["editable"]) == ("ada.box", "owner", True)
    for other in (eve, admin):
        assert (await other.get("/computings/ada.box")).status_code == 404
        assert (await other.post("/computings/ada.box/test")).status_code == 404
        assert "ada.box" not in {one["name"] for one in (await other.get("/computings")).json()}
    assert [one["name"] for one in (await ada.get("/overseen-computings")).json()] == ["ada.box"]
    overseen = {one["name"]: one for one in (await admin.get("/overseen-computings")).json()}
    assert (overseen["ada.box"]["owner"], overseen["local"]["owner"]) == ("ada", None)
    denied = await problem(await ada.post("/computings", content=definition("all", audience="everybody")))
    assert denied["code"] == "denied"
    engine = "computing: mine\nkind: engine\nsettings: {url: unix:///run/docker.sock}\n"
    assert (await problem(await ada.post("/computings", content=engine)))["code"] == "denied"
    assert (await admin.delete("/computings/ada.box")).status_code == 204


async def test_an_administrators_token_needs_both_scopes_for_what_is_the_platforms(callers: Callers) -> None:
    half = await callers.program("admin", Scope.COMPUTINGS)
    assert (await problem(await half.patch("/computings/local", json={"intake": "paused"})))["code"] == "denied"
    own = (await half.post("/computings", content=definition("desk"))).json()
    assert own["name"] == "admin.desk"
    assert (await half.delete("/computings/admin.desk")).status_code == 204


async def test_each_fault_of_a_definition_comes_with_its_line(callers: Callers) -> None:
    admin = await callers.program("admin")
    refused = await admin.post("/computings", content="computing: far\nkind: memory\nsettings:\n  cpus: -1\n  ram: 2\n")
    told = await problem(refused)
    assert told["code"] == "definition"
    assert [(one["field"], one["line"]) for one in told["problems"]] == [("settings.cpus", 4), ("settings.ram", 5)]


async def test_a_draft_is_tested_without_being_saved(callers: Callers) -> None:
    admin = await callers.program("admin")
    probe = await admin.post("/computings/test", content=definition("far", settings={"cpus": 5, "token": CANARY}))
    assert probe.json()["cpus"] == 5
    assert (await admin.get("/computings/far")).status_code == 404
    assert {"scheduler", "runtimes", "partitions", "projects", "gpus", "images", "skew"} <= set(probe.json())
    unsaved = await admin.post("/computings/test?name=local", content=definition("local", settings={"cpus": 6}))
    assert unsaved.json()["cpus"] == 6
    assert (await admin.post("/computings/local/test")).json()["cpus"] == 4


async def test_a_secret_is_never_shown_again(callers: Callers, caplog: pytest.LogCaptureFixture) -> None:
    admin = await callers.program("admin")
    said = definition("far", settings={"token": CANARY})
    answers = [
        await admin.post("/computings", content=said),
        await admin.post("/computings", content=said),
        await admin.get("/computings"),
        await admin.get("/computings/far"),
        await admin.get("/computings/far/definition"),
        await admin.get("/overseen-computings"),
        await admin.post("/computings/far/test"),
        await admin.put("/computings/far", content=definition("far", settings={"token": {"value": CANARY}})),
        await admin.post("/computings/test", content=definition("far", settings={"token": CANARY, "cpus": -1})),
        await admin.patch("/computings/far", json={"intake": "paused", "token": CANARY}),
    ]
    assert [one.status_code for one in answers] == [201, 409, 200, 200, 200, 200, 200, 422, 422, 422]
    for answer in answers:
        assert CANARY not in answer.text
    data = callers.platform.settings.data
    for file in (data / "database").iterdir():
        assert CANARY.encode() not in file.read_bytes(), file
    assert CANARY not in caplog.text
    assert (await admin.delete("/computings/far")).status_code == 204
