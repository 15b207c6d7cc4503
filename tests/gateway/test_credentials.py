"""What a task gets to know of a visitor, and what it may put into the visitor's browser."""

import pytest

from tests.support.peers import plain
from tests.support.stage import COOKIE, ORIGIN, TOKEN, Stage, request

pytestmark = pytest.mark.anyio

PROGRAM = f"Authorization: Bearer {TOKEN}"


async def test_our_cookies_never_reach_a_task(stage: Stage) -> None:
    ours = f"Cookie: a=1; __Host-specola={COOKIE}; __Host-specola-session=s; __host-SPECOLA-nonce=n; b=2"
    _, _, head = await stage.pair(request("/", ours, cookie=None))
    assert b"Cookie: a=1; b=2\r\n" in head
    assert b"specola=" not in head.lower()


async def test_a_cookie_header_of_ours_alone_is_left_out(stage: Stage) -> None:
    _, _, head = await stage.pair(request())
    assert b"cookie" not in head.lower()


@pytest.mark.parametrize("way", ["Bearer", "bearer", "BEARER "])
async def test_a_platform_token_never_reaches_a_task(stage: Stage, way: str) -> None:
    _, _, head = await stage.pair(request("/", f"Authorization: {way} {TOKEN}", cookie=None))
    assert b"authorization" not in head.lower()
    assert TOKEN.encode() not in head


async def test_a_malformed_platform_token_does_not_either(stage: Stage) -> None:
    _, _, head = await stage.pair(request("/", f"Authorization: Bearer {TOKEN}x"))
    assert b"specola_" not in head


async def test_an_applications_own_authorization_passes_untouched(stage: Stage) -> None:
    stage.web.serve_interface("lab", stage.task.endpoint, add=[["header", "Authorization", "token secret"]])
    _, _, head = await stage.pair(request("/", "authorization: Basic YTpi"))
    assert b"authorization: Basic YTpi\r\n" in head
    assert b"token secret" not in head


async def test_a_header_is_added_in_place_of_the_visitors(stage: Stage) -> None:
    added = [["header", "Authorization", "token secret"], ["header", "X-User", "ada"]]
    stage.web.serve_interface("lab", stage.task.endpoint, add=added)
    _, _, head = await stage.pair(request("/", PROGRAM, "x-user: root", cookie=None))
    assert b"Authorization: token secret\r\n" in head
    assert b"X-User: ada\r\n" in head
    assert b"root" not in head


async def test_a_query_parameter_is_added_to_every_request(stage: Stage) -> None:
    stage.web.serve_interface("lab", stage.task.endpoint, add=[["query", "token", "a&b"]])
    visitor, task, head = await stage.pair(request("/a?x=1&token=forged"))
    assert head.startswith(b"GET /a?x=1&token=a%26b HTTP/1.1\r\n")
    await task.send(plain())
    await visitor.answer()
    await visitor.send(request("/b"))
    assert (await task.head()).startswith(b"GET /b?token=a%26b HTTP/1.1\r\n")


async def test_a_cookie_is_added_to_the_visitors_own(stage: Stage) -> None:
    stage.web.serve_interface("lab", stage.task.endpoint, add=[["cookie", "key", "secret"]])
    _, _, head = await stage.pair(request("/", "Cookie: a=1; key=forged"))
    assert b"Cookie: a=1; key=secret\r\n" in head
    assert head.count(b"Cookie:") == 1
    assert b"forged" not in head


async def test_one_of_our_cookies_sent_twice_is_refused(stage: Stage) -> None:
    twice = f"Cookie: __Host-specola={COOKIE}; __Host-specola=tossed"
    assert (await stage.refused(request("/", twice, cookie=None))).status == 400
    assert (await stage.refused(request("/", "Cookie: __Host-specola=tossed"))).status == 400
    assert stage.web.decisions() == []


@pytest.mark.parametrize("name", ["specola", "__Secure-specola", "__host-specola", "__HOST-SPECOLA", "__Host-Specola"])
async def test_only_the_exact_name_lets_in(stage: Stage, name: str) -> None:
    answer = await stage.refused(request("/", f"Cookie: {name}={COOKIE}", cookie=None))
    assert answer.status == 401
    assert stage.task.peers == []


TOSSED = (
    "__Host-specola=evil; Path=/; Secure",
    "__host-specola=evil",
    "__Host-specola-nonce=evil; Secure; Path=/",
    "=__Host-specola=evil",
    " __Host-specola=evil",
    "__Host-specola-session=evil",
    "a=b; Domain=localhost",
    "a=b; domain = .localhost",
    "a=b;DOMAIN=",
    "a=b; Path=/; Domain",
)


@pytest.mark.parametrize("value", TOSSED)
async def test_a_task_cannot_set_our_cookies_or_those_of_a_domain(stage: Stage, value: str) -> None:
    visitor, task, _ = await stage.pair(request())
    await task.send(plain(b"", f"Set-Cookie: {value}", "Set-Cookie: own=1; Path=/", f"SET-COOKIE: {value}"))
    assert (await visitor.answer()).headers("set-cookie") == ["own=1; Path=/"]


async def test_a_task_cannot_speak_for_the_site(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request())
    await task.send(plain(b"", 'Clear-Site-Data: "*"', 'Alt-Svc: h2=":1"', "X-Specola-Person: root", "X-Mine: 1"))
    answer = await visitor.answer()
    assert answer.header("x-mine") == "1"
    for gone in ("clear-site-data", "alt-svc", "x-specola-person"):
        assert answer.header(gone) is None


async def test_an_unknown_token_is_refused_and_never_redirected(stage: Stage) -> None:
    page = ("Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    answer = await stage.refused(request("/", f"Authorization: Bearer specola_{'x' * 43}", *page, cookie=None))
    assert answer.status == 401
    assert stage.task.peers == []


async def test_two_authorizations_are_refused(stage: Stage) -> None:
    assert (await stage.refused(request("/", PROGRAM, "Authorization: Basic YTpi"))).status == 400


async def test_a_token_comes_before_a_cookie(stage: Stage) -> None:
    await stage.pair(request("/", PROGRAM, f"Origin: {ORIGIN}"))
    [question] = stage.web.decisions()
    assert (question["task"], question["interface"]) == ("k3f9x2ab4c", "lab")
    assert (question["cookie"], question["token"], question["certificate"]) == (None, TOKEN, None)
