"""A cookie authorises nothing across origins: every combination of Origin and fetch metadata."""

from itertools import product

import pytest

from specola.gateway.crossing import check_crossing
from specola.gateway.requests import RefusedError, read_head
from tests.support.peers import plain
from tests.support.stage import HOST, ORIGIN, TOKEN, Stage, request

pytestmark = pytest.mark.anyio

ORIGINS = (
    None,
    ORIGIN,
    "null",
    "http://evil.example",
    "http://lab--sibling999.localhost:8080",
    ORIGIN + "0",
    "http://localhost:8080",
)
SITES = (None, "same-origin", "none", "same-site", "cross-site", "SAME-ORIGIN", "")
MODES = (None, "navigate", "cors", "no-cors", "websocket", "same-origin")
DESTS = (None, "document", "iframe", "empty", "image", "websocket")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "DELETE")


def passes(
    method: str, origin: str | None, site: str | None, mode: str | None, dest: str | None, *, upgrade: bool
) -> bool:
    named = {"Origin": origin, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    headers = [f"{name}: {value}" for name, value in named.items() if value is not None]
    headers += ["Connection: Upgrade", "Upgrade: websocket"] if upgrade else []
    try:
        check_crossing(read_head(request("/", *headers, method=method)), ORIGIN)
    except RefusedError:
        return False
    return True


def test_only_the_own_origin_and_whole_pages_pass() -> None:
    for method, origin, site, mode, dest, upgrade in product(METHODS, ORIGINS, SITES, MODES, DESTS, (False, True)):
        passed = passes(method, origin, site, mode, dest, upgrade=upgrade)
        whole_page = (method, origin, mode, dest, upgrade) == ("GET", None, "navigate", "document", False)
        harmless = method in {"GET", "HEAD", "OPTIONS"} and not upgrade
        if site in {"same-origin", "none"}:
            expected = origin in {None, ORIGIN} or (origin == "null" and not upgrade)
        elif site is not None:
            expected = whole_page
        else:
            expected = origin == ORIGIN or (origin is None and harmless)
        assert passed == expected, (method, origin, site, mode, dest, upgrade)


def test_metadata_sent_twice_is_not_believed() -> None:
    twice = request("/", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
    with pytest.raises(RefusedError):
        check_crossing(read_head(twice), ORIGIN)


ATTACKS = {
    "form of a sibling": ("POST", ("Origin: http://x--sibling999.localhost:8080", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")),
    "no-cors of a sibling": ("POST", ("Origin: http://x--sibling999.localhost:8080", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors")),
    "frame of a sibling": ("GET", ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe")),
    "sandboxed frame": ("POST", ("Origin: null", "Sec-Fetch-Site: cross-site")),
    "socket of a sibling": ("GET", ("Origin: http://x--sibling999.localhost:8080", "Connection: Upgrade", "Upgrade: websocket")),
    "socket without origin": ("GET", ("Connection: Upgrade", "Upgrade: websocket")),
    "post without origin": ("POST", ()),
    "image": ("GET", ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image")),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_refused_and_reaches_nobody(stage: Stage, name: str) -> None:
    method, headers = ATTACKS[name]
    answer = await stage.refused(request("/", *headers, method=method))
    assert answer.status == 403
    assert b'"cross_origin"' in answer.body
    assert stage.task.peers == []


async def test_our_own_paths_are_guarded_too(stage: Stage) -> None:
    foreign = ("Origin: http://evil.example", "Sec-Fetch-Site: cross-site")
    assert (await stage.refused(request("/.specola/stop", *foreign, method="POST"))).status == 403


async def test_it_is_checked_before_the_origin_is_rewritten(stage: Stage) -> None:
    stage.web.serve_interface("lab", stage.task.endpoint, origin="rewrite")
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")
    assert (await stage.refused(request("/", "Origin: http://evil.example", *upgrade))).status == 403
    _, _, head = await stage.pair(request("/", f"ORIGIN: {ORIGIN}", *upgrade))
    assert f"ORIGIN: http://127.0.0.1:{stage.task.port}\r\n".encode() in head


async def test_a_token_needs_no_origin(stage: Stage) -> None:
    sent = request("/", f"Authorization: Bearer {TOKEN}", "Sec-Fetch-Site: cross-site", method="POST", cookie=None)
    visitor, task, _ = await stage.pair(sent)
    await task.send(plain(b"for a program"))
    assert (await visitor.answer()).body == b"for a program"


async def test_a_known_header_block_is_judged_for_each_method(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/1"))
    await task.send(plain())
    await visitor.answer()
    assert (await visitor.ask(request("/2", method="POST"))).status == 403
    assert HOST in request().decode()
