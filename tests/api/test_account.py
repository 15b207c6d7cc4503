"""One's own account, other people, and computings over the API."""

import pytest

from tests.support.callers import Callers

pytestmark = pytest.mark.anyio


async def test_a_token_is_made_by_hand_used_and_revoked(callers: Callers) -> None:
    ada = await callers.browser("ada")
    made = await ada.post("/tokens", json={"name": "laptop", "scopes": ["read"], "days": 5})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    secret, token = made.json()["secret"], made.json()["token"]
    assert secret.startswith("specola_")
    stranger = await callers.stranger()
    bearer = {"Authorization": f"Bearer {secret}"}
    who = (await stranger.get("/whoami", headers=bearer)).json()
    assert (who["person"]["name"], who["scopes"], who["by"]) == ("ada", ["read"], "token")
    assert token["id"] in {one["id"] for one in (await ada.get("/tokens")).json()}
    assert secret not in (await ada.get("/tokens")).text
    assert (await ada.delete(f"/tokens/{token['id']}")).status_code == 204
    assert (await stranger.get("/whoami", headers=bearer)).status_code == 401


async def test_sessions_are_listed_and_ended(callers: Callers) -> None:
    here, there = await callers.browser("ada"), await callers.browser("ada")
    sessions = (await here.get("/sessions")).json()
    [current] = [one for one in sessions if one["current"]]
    other = next(one for one in (await there.get("/sessions")).json() if one["current"])
    assert current["id"] != other["id"]
    assert (await here.delete(f"/sessions/{other['id']}")).status_code == 204
    assert (await there.get("/whoami")).status_code == 401
    assert (await here.delete("/sessions/current")).status_code == 204
    assert (await here.get("/whoami")).status_code == 401


async def test_somebody_is_invited_and_signs_in_with_a_password(callers: Callers) -> None:
    admin, stranger = await callers.browser("admin"), await callers.stranger()
    shown = (await admin.post("/invitations", json={"note": "for Grace"})).json()
    url, _, secret = shown["url"].partition("#")
    assert url == f"{callers.platform.settings.url}/invitation"
    assert (await stranger.post("/invitations/read", json={"secret": secret})).json()["note"] == "for Grace"
    account = {"secret": secret, "name": "grace", "full_name": "Grace", "password": "a long enough one"}
    accepted = await stranger.post("/invitations/accept", json=account)
    assert accepted.status_code == 201, accepted.text
    cookie = accepted.headers["set-cookie"]
    assert cookie.startswith("__Host-specola-session=")
    assert all(part in cookie for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    stranger.cookies.clear()
    wrong = await stranger.post("/sessions", json={"name": "grace", "password": "wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "sign_in")
    right = await stranger.post("/sessions", json={"name": "grace", "password": "a long enough one"})
    assert right.status_code == 201
    assert (await stranger.post("/invitations/accept", json=account)).status_code == 401


async def test_administrators_change_people(callers: Callers) -> None:
    admin, dan = await callers.browser("admin"), await callers.browser("dan")
    assert "dan" in {person["name"] for person in (await admin.get("/people")).json()}
    assert (await admin.patch("/people/dan", json={})).status_code == 422
    link = (await admin.post("/people/dan/sign-in-link")).json()
    assert link["url"].startswith(f"{callers.platform.settings.url}/sign-in/link#")
    disabled = await admin.patch("/people/dan", json={"disabled": True})
    assert disabled.json()["disabled"] is not None
    assert (await dan.get("/whoami")).status_code == 401
    stranger = await callers.stranger()
    spent = await stranger.post("/sessions/by-link", json={"secret": link["url"].partition("#")[2]})
    assert spent.status_code == 401
    assert (await admin.patch("/people/nobody", json={"disabled": True})).status_code == 404


async def test_an_invitation_is_withdrawn(callers: Callers) -> None:
    admin, stranger = await callers.browser("admin"), await callers.stranger()
    shown = (await admin.post("/invitations", json={})).json()
    number = shown["invitation"]["id"]
    assert number in {one["id"] for one in (await admin.get("/invitations")).json()}
    assert (await admin.delete(f"/invitations/{number}")).status_code == 204
    secret = shown["url"].partition("#")[2]
    assert (await stranger.post("/invitations/read", json={"secret": secret})).status_code == 401


async def test_computings_are_shown_and_tested(callers: Callers) -> None:
    ada = await callers.program("ada")
    [computing] = (await ada.get("/computings")).json()
    assert (computing["name"], computing["kind"], computing["reachable"]) == ("local", "memory", True)
    assert "settings" not in computing
    assert (await ada.get("/computings/local")).json()["name"] == "local"
    probe = (await ada.post("/computings/local/test")).json()
    assert probe["product"] == "memory"
    assert probe["capabilities"] == sorted(probe["capabilities"])


async def test_a_computing_that_is_away_is_503(callers: Callers) -> None:
    ada = await callers.program("ada")
    callers.platform.world.break_down()
    try:
        answer = await ada.post("/computings/local/test")
    finally:
        callers.platform.world.mend()
    assert (answer.status_code, answer.json()["code"]) == (503, "computing_unreachable")
    assert answer.headers["retry-after"]


async def test_health_tells_each_part(callers: Callers) -> None:
    stranger = await callers.stranger()
    answer = await stranger.get("/health")
    assert answer.status_code == 200
    assert answer.json()["up"] is True
    assert [part["name"] for part in answer.json()["parts"]] == ["database", "worker", "connector"]
    await callers.platform.end("connector")
    try:
        answer = await stranger.get("/health")
    finally:
        callers.platform.begin("connector")
    assert answer.status_code == 503
    assert {part["name"]: part["up"] for part in answer.json()["parts"]}["connector"] is False
