"""Accounts on computings over the API."""

import pytest

from tests.support.callers import Callers
from tests.support.harness import Platform
from tests.support.hosted import add_on_host

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HOST = {"address": "192.0.2.7"}


async def test_an_account_is_linked_entered_and_ended(callers: Callers, platform: Platform) -> None:
    store = platform.services.store
    await add_on_host(store, "cluster", {**HOST, "identity": "certificate"})
    await add_on_host(store, "keyed", {**HOST, "identity": "key"})
    ada, admin = await callers.program("ada"), await callers.program("admin")
    linked = await ada.put("/account/links/cluster", json={"account": "ann"})
    assert linked.status_code == 200, linked.text
    assert linked.json()["challenge"].startswith("mkdir -p -m 700 ~/.specola && echo specola-")
    assert (linked.json()["proof"], linked.json()["line"]) == (None, "")
    keyed = (await ada.put("/account/links/keyed", json={"account": "ann"})).json()
    assert keyed["line"].startswith("restrict,port-forwarding ssh-ed25519 ")
    listed = (await ada.get("/account/links")).json()
    assert {one["computing"]: one["account"] for one in listed} == {"cluster": "ann", "keyed": "ann"}
    refused = await ada.put("/account/links/cluster", json={"account": "root"})
    assert (refused.status_code, refused.json()["code"]) == (422, "account_name")
    assert (await ada.put("/account/links/local", json={"account": "ann"})).json()["code"] == "conflict"
    entered = await admin.put("/computings/cluster/accounts/ada", json={"account": "ann"})
    assert entered.json()["proof"] == "entered"
    told = (await admin.get("/computings/cluster/accounts")).json()
    assert [(one["person"], one["account"]) for one in told["people"]] == [("ada", "ann")]
    assert (await ada.post("/account/links/cluster/check")).json()["proof"] == "entered"
    missing = await ada.post("/tasks", json={"image": "example.test/web:1", "computing": "keyed"})
    assert (missing.status_code, missing.json()["code"]) == (409, "account_missing")
    assert (await ada.delete("/account/links/cluster")).status_code == 204
    assert (await ada.delete("/account/links/cluster")).status_code == 404
    assert (await admin.delete("/computings/keyed/accounts/ada")).status_code == 204


async def test_a_shared_account_shows_administrators_its_line(callers: Callers, platform: Platform) -> None:
    await add_on_host(platform.services.store, "robots", {**HOST, "identity": "shared", "account": "robot"})
    admin, ada = await callers.browser("admin"), await callers.browser("ada")
    told = (await admin.get("/computings/robots/accounts")).json()
    assert told["shared"] == "robot"
    assert told["line"].startswith("restrict,port-forwarding ssh-ed25519 ")
    assert (await ada.get("/computings/robots/accounts")).status_code == 403
    assert (await ada.get("/accounts/authority")).json()["line"].startswith("ssh-ed25519 ")
