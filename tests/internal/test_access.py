"""Decisions, hand-off and traffic, as gateways ask for them."""

import hashlib
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from specola.domain.person import ALL_SCOPES, Scope
from specola.services.people import Client
from tests.support.harness import Platform

pytestmark = pytest.mark.anyio


async def test_a_token_passes_to_ones_own_task(platform: Platform, internal: httpx.AsyncClient) -> None:
    ada = await platform.person("ada")
    token = await platform.services.people.create_token(ada, name="x", scopes=frozenset({Scope.CONNECT}), days=1)
    task = await platform.started(ada)
    question = {"task": task.id, "interface": "web", "cookie": None, "token": token.secret}
    answer = (await internal.post("/decide", json=question)).json()
    assert (answer["outcome"], answer["person"], answer["protocol"]) == ("pass", ada.person.id, "http")
    assert set(answer["endpoint"]) in ({"host", "port"}, {"path"})
    assert {f"task:{task.id}", f"token:{token.value.id}"} <= set(answer["marks"])
    assert 0 < answer["seconds"] <= 60
    missing = (await internal.post("/decide", json={**question, "interface": "other"})).json()
    assert missing == {"outcome": "missing", "person": ada.person.id}
    unknown = (await internal.post("/decide", json={**question, "token": None})).json()
    assert unknown == {"outcome": "sign_in"}


async def test_a_task_that_is_not_ready_says_why(platform: Platform, internal: httpx.AsyncClient) -> None:
    eve = await platform.person("eve")
    token = await platform.services.people.create_token(eve, name="x", scopes=ALL_SCOPES & eve.scopes, days=1)
    task = await platform.start(eve, "example.test/slow:1")
    answer = (await internal.post("/decide", json={"task": task.id, "interface": "web", "token": token.secret})).json()
    assert (answer["outcome"], answer["seconds"]) == ("not_ready", 0)
    assert set(answer["reason"]) == {"code", "sentence", "hint"}
    assert answer["state"] in {"queued", "starting"}


async def test_a_code_is_redeemed_once(platform: Platform, internal: httpx.AsyncClient) -> None:
    bob = await platform.person("bob")
    link = await platform.services.people.sign_in_link("bob")
    session = await platform.services.people.sign_in_by_link(link.secret, client=Client())
    actor = await platform.services.people.actor_of_session(session.secret)
    task = await platform.started(bob)
    nonce = hashlib.sha256(b"nonce").hexdigest()
    url = await platform.services.access.hand_over(actor, task=task.id, interface="web", nonce=nonce, path="/x?y=1")
    [code] = parse_qs(urlsplit(url).query)["code"]
    spent = {"code": code, "nonce": nonce, "task": task.id, "interface": "web"}
    first = await internal.post("/redeem", json=spent)
    assert (first.status_code, first.json()["path"]) == (200, "/x?y=1")
    second = await internal.post("/redeem", json=spent)
    assert second.status_code == 403
    assert set(second.json()) == {"code", "sentence", "hint"}
    question = {"task": task.id, "interface": "web", "cookie": first.json()["cookie"]}
    assert (await internal.post("/decide", json=question)).json()["outcome"] == "pass"


async def test_traffic_is_taken(platform: Platform, internal: httpx.AsyncClient) -> None:
    cid = await platform.person("cid")
    task = await platform.started(cid)
    report = {"task": task.id, "interface": "web", "person": cid.person.id, "received": 5, "sent": 7, "used": True}
    assert (await internal.post("/traffic", json=[report])).status_code == 204
    assert (await internal.post("/traffic", json=[{**report, "sent": -1}])).status_code == 422


async def test_a_question_that_is_none_does_not_come_back(internal: httpx.AsyncClient) -> None:
    answer = await internal.post("/decide", json={"task": "x", "cookie": {"secret": "s3cret"}})
    assert answer.status_code == 422
    assert "s3cret" not in answer.text
