"""Who may do what: every operation stands in one table, and an operation that is not in it fails the test."""

from dataclasses import dataclass

import httpx
import pytest

from specola.domain.person import Scope
from tests.support.callers import Callers

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Rule:
    """Who may: anyone at all, or those with a scope (None: any); administrators only; not by a token."""

    anyone: bool = False
    scope: Scope | None = None
    administrators: bool = False
    by_hand: bool = False


ANYONE = Rule(anyone=True)
SIGNED_IN = Rule()
BY_HAND = Rule(by_hand=True)
READ, TASKS, SOFTWARE, CONNECT, COMPUTINGS = (
    Rule(scope=scope) for scope in (Scope.READ, Scope.TASKS, Scope.SOFTWARE, Scope.CONNECT, Scope.COMPUTINGS)
)
ADMINISTRATION = Rule(scope=Scope.ADMINISTRATION, administrators=True)

TABLE = {
    "GET /health": ANYONE,
    "GET /ssh/authority": ANYONE,
    "POST /sessions": ANYONE,
    "POST /sessions/by-link": ANYONE,
    "POST /invitations/read": ANYONE,
    "POST /invitations/accept": ANYONE,
    "GET /whoami": SIGNED_IN,
    "DELETE /sessions/current": SIGNED_IN,
    "DELETE /tokens/{token}": SIGNED_IN,
    "DELETE /account/keys/{key}": SIGNED_IN,
    "PATCH /groups/{name}": SIGNED_IN,
    "PUT /groups/{name}/members/{person}": SIGNED_IN,
    "DELETE /groups/{name}/members/{person}": SIGNED_IN,
    "PATCH /account": BY_HAND,
    "PUT /account/password": BY_HAND,
    "POST /tokens": BY_HAND,
    "DELETE /sessions/{session}": BY_HAND,
    "GET /sessions": READ,
    "GET /tokens": READ,
    "GET /account/keys": READ,
    "GET /tasks": READ,
    "GET /tasks/{task}": READ,
    "GET /tasks/{task}/events": READ,
    "GET /tasks/{task}/logs": READ,
    "GET /tasks/{task}/usage": READ,
    "GET /tasks/{task}/use": READ,
    "GET /tasks/{task}/connections": READ,
    "GET /tasks/{task}/links": READ,
    "GET /tasks/{task}/ports": READ,
    "GET /account/links": READ,
    "GET /accounts/authority": READ,
    "GET /groups": READ,
    "GET /groups/{name}": READ,
    "GET /software": READ,
    "GET /software/{name}": READ,
    "GET /software/{name}/definition": READ,
    "GET /computings": READ,
    "GET /computings/{name}": READ,
    "GET /computings/{name}/offer": READ,
    "POST /computings/{name}/test": READ,
    "POST /computings": COMPUTINGS,
    "POST /computings/test": COMPUTINGS,
    "GET /computings/{name}/definition": COMPUTINGS,
    "GET /overseen-computings": COMPUTINGS,
    "PUT /computings/{name}": COMPUTINGS,
    "PATCH /computings/{name}": COMPUTINGS,
    "DELETE /computings/{name}": COMPUTINGS,
    "POST /tasks": TASKS,
    "PATCH /tasks/{task}": TASKS,
    "POST /tasks/{task}/stop": TASKS,
    "POST /tasks/{task}/again": TASKS,
    "DELETE /tasks/{task}": TASKS,
    "GET /tasks/{task}/interfaces/{interface}/credential": CONNECT,
    "POST /tasks/{task}/links": CONNECT,
    "DELETE /tasks/{task}/links/{link}": CONNECT,
    "POST /account/certificates": CONNECT,
    "DELETE /account/certificates/{serial}": CONNECT,
    "GET /account/certificates": READ,
    "PUT /account/links/{computing}": CONNECT,
    "POST /account/links/{computing}/check": CONNECT,
    "DELETE /account/links/{computing}": CONNECT,
    "POST /account/keys": CONNECT,
    "POST /account/ssh-certificates": CONNECT,
    "POST /software": SOFTWARE,
    "POST /tasks/{task}/ports/{port}": SOFTWARE,
    "POST /software/drafts": SOFTWARE,
    "PUT /software/{name}/definition": SOFTWARE,
    "PUT /software/{name}/sharing": SOFTWARE,
    "DELETE /software/{name}": SOFTWARE,
    "GET /computings/{name}/accounts": READ,
    "PUT /computings/{name}/accounts/{person}": ADMINISTRATION,
    "DELETE /computings/{name}/accounts/{person}": ADMINISTRATION,
    "POST /groups": ADMINISTRATION,
    "DELETE /groups/{name}": ADMINISTRATION,
    "GET /people": ADMINISTRATION,
    "PATCH /people/{name}": ADMINISTRATION,
    "POST /people/{name}/sign-in-link": Rule(by_hand=True, administrators=True),
    "GET /invitations": ADMINISTRATION,
    "POST /invitations": ADMINISTRATION,
    "DELETE /invitations/{invitation}": ADMINISTRATION,
    "GET /orphans": ADMINISTRATION,
    "DELETE /orphans/{name}/{task}": ADMINISTRATION,
}
# Bodies that are complete, where rights are looked at only after the body.
BODIES: dict[str, object] = {
    "PATCH /account": {"full_name": "Somebody"},
    "PUT /account/password": {"wanted": "long enough for anybody"},
    "POST /tokens": {"name": "another", "scopes": ["read"]},
    "PATCH /people/{name}": {"disabled": False},
    "POST /invitations": {},
    "PUT /computings/{name}/accounts/{person}": {"account": "ada"},
    "PUT /account/links/{computing}": {"account": "ada"},
    "PATCH /computings/{name}": {"intake": "paused"},
    "POST /groups": {"name": "x"},
    "PATCH /groups/{name}": {"title": "A title"},
}
PLACES = (
    "task",
    "computing",
    "interface",
    "name",
    "person",
    "session",
    "token",
    "invitation",
    "serial",
    "key",
    "link",
    "port",
)


async def ask(client: httpx.AsyncClient, operation: str) -> httpx.Response:
    """Ask for something that is not there, so that nothing happens whoever asks."""
    method, path = operation.split()
    for place in PLACES:
        path = path.replace(f"{{{place}}}", "1" if place == "port" else "nothing")
    return await client.request(method, path, json=BODIES.get(operation, {}) if method != "GET" else None)


def refused(answer: httpx.Response) -> str:
    """Return the code of a refusal for lack of rights; empty: it was let in."""
    return answer.json()["code"] if answer.status_code in {401, 403} else ""


async def test_every_operation_stands_in_the_table(callers: Callers) -> None:
    description = (await (await callers.stranger()).get("/openapi.json")).json()
    there = {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}
    assert there == set(TABLE)


@pytest.mark.parametrize("operation", TABLE)
async def test_a_stranger_is_asked_to_sign_in(callers: Callers, operation: str) -> None:
    answer = await ask(await callers.stranger(), operation)
    assert refused(answer) == ("" if TABLE[operation].anyone else "unauthenticated"), answer.text


@pytest.mark.parametrize("operation", [name for name, rule in TABLE.items() if rule.scope])
async def test_a_token_does_what_its_scopes_say(callers: Callers, operation: str) -> None:
    for scope in Scope:
        answer = await ask(await callers.program("admin", scope), operation)
        assert refused(answer) == ("" if scope is TABLE[operation].scope else "scope"), (scope, answer.text)


@pytest.mark.parametrize("operation", [name for name, rule in TABLE.items() if not rule.anyone])
async def test_a_person_does_not_administer(callers: Callers, operation: str) -> None:
    answer = await ask(await callers.browser("eve"), operation)
    assert bool(refused(answer)) == TABLE[operation].administrators, answer.text


@pytest.mark.parametrize("operation", [name for name, rule in TABLE.items() if not rule.anyone])
async def test_an_administrator_may_do_everything_by_hand(callers: Callers, operation: str) -> None:
    answer = await ask(await callers.browser("admin-too"), operation)
    assert refused(answer) == "", answer.text


@pytest.mark.parametrize("operation", [name for name, rule in TABLE.items() if rule.by_hand])
async def test_a_token_does_not_change_the_account(callers: Callers, operation: str) -> None:
    answer = await ask(await callers.program("admin"), operation)
    assert refused(answer) == "denied", answer.text


@pytest.mark.parametrize(
    "operation", [name for name, rule in TABLE.items() if not (rule.scope or rule.anyone or rule.administrators)]
)
async def test_any_scope_is_enough_for_what_is_ones_own(callers: Callers, operation: str) -> None:
    answer = await ask(await callers.program("ada", Scope.CONNECT), operation)
    assert refused(answer) in {"", "denied"}, answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
    ids=str,
)
async def test_a_cookie_changes_nothing_from_another_site(callers: Callers, headers: dict[str, str]) -> None:
    secret = await callers.session("ada")
    stranger = await callers.stranger()
    sent = {"Cookie": f"__Host-specola-session={secret}", **headers}
    for operation in ("POST /tasks", "PATCH /account", "DELETE /sessions/current"):
        method, path = operation.split()
        answer = await stranger.request(method, path, json={}, headers=sent)
        assert refused(answer) == "cross_origin", answer.text
    assert (await stranger.get("/whoami", headers=sent)).status_code == 200


@pytest.mark.parametrize("path", ["/sessions", "/sessions/by-link", "/invitations/accept"])
async def test_nobody_is_signed_in_from_another_site(callers: Callers, path: str) -> None:
    stranger = await callers.stranger()
    answer = await stranger.post(path, json={}, headers={"Origin": "https://evil.example"})
    assert refused(answer) == "cross_origin"


async def test_an_older_browser_proves_itself_by_its_origin(callers: Callers) -> None:
    secret = await callers.session("ada")
    stranger = await callers.stranger()
    sent = {"Cookie": f"__Host-specola-session={secret}", "Origin": callers.platform.settings.url}
    assert (await stranger.patch("/account", json={"full_name": "Ada"}, headers=sent)).status_code == 200


@pytest.mark.parametrize("value", ["Bearer nonsense", "Bearer specola_" + "x" * 43, "Basic YTpi", "Bearer", "token x"])
async def test_a_wrong_authorization_is_not_made_good_by_a_cookie(callers: Callers, value: str) -> None:
    secret = await callers.session("ada")
    stranger = await callers.stranger()
    sent = {"Cookie": f"__Host-specola-session={secret}", "Authorization": value}
    answer = await stranger.get("/whoami", headers=sent)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
