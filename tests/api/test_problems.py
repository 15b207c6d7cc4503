"""Failures: each a problem with code, sentence, hint and the request's number."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from specola.api.problems import MEDIA_TYPE, STATUS, handle_failures
from specola.api.requests import NumberedRequests
from specola.clock import Clock
from specola.domain.errors import Kind, TooManyAttemptsError
from tests.support.callers import Callers

pytestmark = pytest.mark.anyio


def test_every_kind_has_a_status() -> None:
    assert set(STATUS) == set(Kind)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "no_such_address"),
        ("PUT", "/health", 405, "method"),
        ("GET", "/tasks/nope", 404, "missing"),
        ("GET", "/tasks?most=many", 422, "invalid"),
    ],
)
async def test_whatever_is_wrong_is_told_alike(
    callers: Callers, method: str, path: str, status: int, code: str
) -> None:
    answer = await (await callers.program("ada")).request(method, path)
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert problem["code"] == code
    assert problem["type"] == f"/api/v1/docs#problem-{code}"
    assert problem["detail"].endswith((".", "]"))
    assert problem["request"] == answer.headers["x-request-id"] != ""


async def test_a_method_that_is_not_known_tells_those_that_are(callers: Callers) -> None:
    answer = await (await callers.stranger()).put("/health")
    assert answer.headers["allow"] == "GET"


async def test_a_fault_in_the_body_names_its_field(callers: Callers) -> None:
    ada = await callers.program("ada")
    problem = (await ada.post("/tasks", json={"image": "x", "memory": "lots", "cpus": "many"})).json()
    assert {fault["field"] for fault in problem["problems"]} == {"memory", "cpus"}
    assert problem["field"] in problem["detail"]


async def test_what_cannot_be_read_is_malformed(callers: Callers) -> None:
    ada = await callers.program("ada")
    answer = await ada.post("/tasks", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize("path", ["/tasks", "/software"])
@pytest.mark.parametrize("told", [True, False], ids=["length", "chunked"])
async def test_a_body_that_is_too_large_is_refused(callers: Callers, path: str, *, told: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * 1024**2

    ada = await callers.program("ada")
    content = b" " * (3 * 1024**2) if told else pieces()
    answer = await ada.post(path, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_a_password_does_not_come_back_in_a_problem(callers: Callers) -> None:
    answer = await (await callers.stranger()).post("/sessions", json={"name": ["x"], "password": {"is": "s3cret"}})
    assert answer.status_code == 422
    assert "s3cret" not in answer.text


async def test_the_number_of_a_request_is_taken_from_the_gateway(callers: Callers) -> None:
    stranger = await callers.stranger()
    assert (await stranger.get("/health", headers={"X-Request-Id": "gw-1.2"})).headers["x-request-id"] == "gw-1.2"
    made = (await stranger.get("/health", headers={"X-Request-Id": "a b"})).headers["x-request-id"]
    assert made.isalnum()


def failing() -> httpx.AsyncClient:
    """Return a client of an application whose every answer fails."""
    app = FastAPI()
    handle_failures(app)
    app.add_middleware(NumberedRequests, clock=Clock())

    @app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError("what only the log may see")

    @app.get("/slow-down")
    async def slow_down() -> None:
        raise TooManyAttemptsError(17)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_a_bug_of_ours_is_500_with_a_number_and_no_more() -> None:
    async with failing() as client:
        answer = await client.get("/bug")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal")
    assert problem["request"] in problem["hint"]
    assert "log" not in problem["detail"]
    assert "ZeroDivision" not in answer.text


async def test_a_limit_says_when_to_try_again() -> None:
    async with failing() as client:
        answer = await client.get("/slow-down")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "17")
