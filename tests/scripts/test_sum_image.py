"""The demonstration service: it sums, and says what is wrong with what it cannot sum."""

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from scripts.machine import ROOT


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    environment = {**os.environ, "PORT": "0"}
    command = [sys.executable, str(ROOT / "images/sum/server.py")]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        port = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
        process.terminate()


@pytest.mark.parametrize(
    ("query", "total"), [("a=1&b=2", 3), ("a=-1&b=0.5", -0.5), ("a=0.1&b=0.2", 0.3), ("a=1e3&b=1", 1001)]
)
def test_it_sums_by_query(service: httpx.Client, query: str, total: float) -> None:
    answer = service.get(f"/sum?{query}")
    assert (answer.status_code, answer.json()["sum"]) == (200, total)


def test_it_sums_by_json(service: httpx.Client) -> None:
    answer = service.post("/sum", json={"a": 2, "b": 40})
    assert (answer.status_code, answer.json()) == (200, {"a": 2, "b": 40, "sum": 42})


@pytest.mark.parametrize("query", ["a=1", "a=1&b=x", "a=nan&b=1", "a=inf&b=1", "a=1e999&b=1", "a=&b=1"])
def test_it_refuses_what_is_no_number(service: httpx.Client, query: str) -> None:
    answer = service.get(f"/sum?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("“")


@pytest.mark.parametrize("body", [b"", b"[1, 2]", b"{", b"\xff", b"9" * 5000])
def test_it_refuses_what_is_no_object(service: httpx.Client, body: bytes) -> None:
    answer = service.post("/sum", content=body)
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_it_refuses_a_body_that_is_too_long_or_of_unknown_length(service: httpx.Client) -> None:
    for content in (b"x" * 1_000_000, iter([b"{}"])):
        answer = service.post("/sum", content=content)
        assert (answer.status_code, answer.headers["connection"]) == (400, "close")


def test_it_serves_people_and_says_what_it_offers(service: httpx.Client) -> None:
    assert service.get("/").headers["content-type"].startswith("text/html")
    assert set(service.get("/openapi.json").json()["paths"]) == {"/sum", "/health"}
    assert service.get("/health").json() == {"status": "good"}
    assert service.get("/nothing").status_code == 404
