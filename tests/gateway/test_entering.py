"""A browser is let into a task's origin by a nonce, a code that is spent once, and a cookie."""

import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.stage import ORIGIN, Stage, request
from tests.support.web_side import TASK

pytestmark = pytest.mark.anyio

PAGE = ("Accept: text/html", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
NONCE = "n" * 43


async def test_a_navigation_without_a_cookie_is_sent_to_the_platform(stage: Stage) -> None:
    answer = await stage.refused(request("/lab/tree?a=b", *PAGE, cookie=None))
    assert answer.status == 303
    set_cookie = answer.header("set-cookie") or ""
    assert set_cookie.endswith("Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax")
    nonce = set_cookie.partition("=")[2].partition(";")[0]
    target = urlsplit(answer.header("location") or "")
    assert f"{target.scheme}://{target.netloc}{target.path}" == "http://localhost:8080/authorize"
    assert parse_qs(target.query) == {
        "task": [TASK],
        "interface": ["lab"],
        "nonce": [hashlib.sha256(nonce.encode()).hexdigest()],
        "path": ["/lab/tree?a=b"],
    }


async def test_a_nonce_is_kept_so_that_two_tabs_can_sign_in(stage: Stage) -> None:
    answer = await stage.refused(request("/", *PAGE, f"Cookie: __Host-specola-nonce={NONCE}", cookie=None))
    assert (answer.header("set-cookie") or "").startswith(f"__Host-specola-nonce={NONCE};")


async def test_an_expired_cookie_leads_to_the_platform_again(stage: Stage) -> None:
    assert (await stage.refused(request("/", *PAGE, cookie="expired"))).status == 303


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Accept: application/json",),
        ("Accept: text/html", "X-Requested-With: XMLHttpRequest"),
        ("Accept: text/html", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"),
        ("Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"),
        ("Accept: text/html", "Connection: Upgrade", "Upgrade: websocket"),
    ],
)
async def test_what_is_no_navigation_gets_json(stage: Stage, headers: tuple[str, ...]) -> None:
    answer = await stage.refused(request("/", *headers, cookie=None))
    assert answer.status == 401
    assert answer.header("content-type") == "application/problem+json"
    assert b'"sign_in"' in answer.body


async def test_a_code_becomes_a_cookie_and_a_clean_address(stage: Stage) -> None:
    stage.web.codes["the-code"] = {"cookie": "fresh", "seconds": 3600, "path": "/lab?a=b"}
    enter = request("/.specola/enter?code=the-code", f"Cookie: __Host-specola-nonce={NONCE}", cookie=None)
    answer = await stage.refused(enter)
    assert (answer.status, answer.header("location")) == (303, "/lab?a=b")
    assert answer.header("set-cookie") == ("__Host-specola=fresh; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax")
    assert (await stage.refused(enter)).status == 403


async def test_a_code_needs_the_nonce_of_this_browser(stage: Stage) -> None:
    stage.web.codes["the-code"] = {"cookie": "fresh", "seconds": 3600, "path": "/"}
    answer = await stage.refused(request("/.specola/enter?code=the-code", *PAGE, cookie=None))
    assert answer.status == 403
    assert b"<h1>This sign-in was not begun in this browser" in answer.body
    assert "the-code" in stage.web.codes


@pytest.mark.parametrize("path", ["//evil.example/", "https://evil.example/", "/\\evil.example", "", "javascript:x"])
async def test_a_path_leads_nowhere_else(stage: Stage, path: str) -> None:
    stage.web.codes["c"] = {"cookie": "fresh", "seconds": 3600, "path": path}
    enter = request("/.specola/enter?code=c", f"Cookie: __Host-specola-nonce={NONCE}", cookie=None)
    assert (await stage.refused(enter)).header("location") == "/"


async def test_our_paths_are_for_browsers(stage: Stage) -> None:
    program = f"Authorization: Bearer specola_{'t' * 43}"
    for path, method in (("/.specola/stop", "POST"), ("/.specola/events", "GET")):
        answer = await stage.refused(request(path, program, method=method, cookie=None))
        assert answer.status in {401, 403}
    assert [asked.target for asked in stage.web.asked if asked.target.startswith("/waiting/")] == []


async def test_our_paths_show_the_waiting_page_to_those_let_in(stage: Stage) -> None:
    own = (f"Origin: {ORIGIN}", "Sec-Fetch-Site: same-origin")
    stop = await stage.refused(request("/.specola/stop", *own, method="POST"))
    assert stop.body == f'{{"path": "/waiting/{TASK}/lab/stop"}}'.encode()
    asked = stage.web.asked[-1]
    assert asked.header("x-specola-person") == "ada"
    assert asked.header("x-specola-marks")
    assert asked.header("cookie") is None
    style = await stage.refused(request("/.specola/static/page.css"))
    assert style.body == f'{{"path": "/waiting/{TASK}/lab/static/page.css"}}'.encode()
    assert b"data: ready" in (await stage.refused(request("/.specola/events"))).body
    for other in ("/.specola/", "/.specola/page", "/.specola/static/../stop", "/.specola/stop"):
        assert (await stage.refused(request(other))).status == 404
    assert stage.task.peers == []


async def test_our_paths_are_closed_to_strangers(stage: Stage) -> None:
    assert (await stage.refused(request("/.specola/events", cookie=None))).status == 401
