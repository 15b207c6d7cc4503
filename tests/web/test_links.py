"""Links in the pages: the sheet that makes them, the page by which guests come, and what guests are shown."""

import hashlib
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from specola.domain.errors import MissingError
from specola.domain.task import Task, Wish
from tests.support.pages import Pages, text_of

pytestmark = pytest.mark.anyio

NONCE = hashlib.sha256(b"the guest's nonce cookie").hexdigest()
DEFINITION = """\
software: screen
image: example.test/web:1
interfaces: [{name: desktop, port: 8000, protocol: rfb}, {name: web, port: 8001}]
"""


async def desktop(pages: Pages) -> Task:
    """Start a task of Ada's that has a desktop."""
    ada = await pages.callers.actor("ada")
    services = pages.platform.services
    try:
        await services.catalogue.get(ada, "screen")
    except MissingError:
        await services.catalogue.add(ada, DEFINITION)
    task = await services.tasks.request(Wish(software="screen"), actor=ada)
    return await pages.platform.until(task.id, lambda now: all(one.ready for one in now.interfaces) and now.is_live)


async def shared(pages: Pages, task: Task) -> str:
    """Make a link by the sheet; return its secret."""
    browser = await pages.browser("ada")
    page = await browser.post(f"/tasks/{task.id}/interfaces/desktop/share", data={"hours": "8"})
    assert page.status_code == 200
    found = re.search(r"/shared#([A-Za-z0-9_\-]{43})", page.text)
    assert found is not None
    return found[1]


async def authorize(browser: httpx.AsyncClient, task: Task, cookie: str, interface: str = "desktop") -> httpx.Response:
    query = {"task": task.id, "interface": interface, "nonce": NONCE, "path": "/"}
    return await browser.get("/authorize", params=query, headers={"Cookie": cookie})


async def test_the_sheet_makes_lists_and_takes_back(pages: Pages) -> None:
    task = await desktop(pages)
    browser = await pages.browser("ada")
    assert "Share desktop" in text_of(await browser.get(f"/tasks/{task.id}/interfaces"))
    sheet = f"/tasks/{task.id}/interfaces/desktop/share"
    secret = await shared(pages, task)
    page = await browser.get(sheet)
    assert secret not in page.text
    assert "Links that are good" in text_of(page)
    found = re.search(rf"/tasks/{task.id}/links/([0-9a-z]+)/take-back", page.text)
    assert found is not None
    assert (await browser.post(found[0])).status_code == 303
    assert "Links that are good" not in text_of(await browser.get(sheet))
    wrong = await browser.post(sheet, data={"hours": "5000"})
    assert (wrong.status_code, "Choose how long" in text_of(wrong)) == (422, True)
    assert (await browser.post(f"/tasks/{task.id}/interfaces/web/share", data={"hours": "8"})).status_code == 422
    grace = await pages.browser("grace")
    assert (await grace.get(sheet)).status_code == 404
    assert (await grace.post(sheet, data={"hours": "8"})).status_code == 404
    assert (await grace.post(found[0])).status_code == 404


async def come(pages: Pages, task: Task, secret: str) -> tuple[str, dict[str, Any]]:
    """Come by a link as far as the gateway's question; return the cookie on the platform, and the decision."""
    stranger = await pages.stranger()
    entered = await stranger.post("/shared", data={"secret": secret})
    assert entered.status_code == 303, entered.text
    origin = pages.platform.services.addresses.origin(task.id, "desktop")
    assert entered.headers["location"] == f"{origin}/"
    given = entered.headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= {one.strip() for one in given.split(";")}
    cookie = given.partition(";")[0]
    over = await authorize(stranger, task, cookie)
    assert (over.status_code, over.headers["cache-control"]) == (303, "no-store")
    assert over.headers["location"].startswith(f"{origin}/.specola/enter?code=")
    [code] = parse_qs(urlsplit(over.headers["location"]).query)["code"]
    inner = await pages.client({}, inner=True)
    spent = {"code": code, "nonce": NONCE, "task": task.id, "interface": "desktop"}
    entry = (await inner.post("/redeem", json=spent)).json()
    question = {"task": task.id, "interface": "desktop", "cookie": entry["cookie"]}
    return cookie, (await inner.post("/decide", json=question)).json()


async def test_a_guest_is_handed_over_and_shown_the_desktop_to_look_at(pages: Pages) -> None:
    task = await desktop(pages)
    cookie, decision = await come(pages, task, await shared(pages, task))
    assert (decision["outcome"], decision["view_only"], decision["protocol"]) == ("pass", True, "rfb")
    assert decision["person"].startswith("link:")
    assert [one[:2] for one in decision["add"]] == [["rfb", "password"]]
    inner = await pages.client({"X-Specola-Person": decision["person"]}, inner=True)
    page = await inner.get(f"/viewers/{task.id}/desktop/page")
    assert page.status_code == 200
    assert "View only" in page.text
    assert "data-view-only" in page.text
    assert 'id="keys"' not in page.text
    assert task.id not in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    for path in (f"/viewers/{task.id}/web/page", f"/waiting/{task.id}/desktop/page"):
        assert (await inner.get(path, headers={"X-Specola-Marks": ""})).status_code in {401, 404}, path
    assert (await inner.post(f"/waiting/{task.id}/desktop/stop")).status_code in {401, 404}
    # The same cookie opens nothing else, on the platform or on the task.
    stranger = await pages.stranger()
    assert "/sign-in" in (await authorize(stranger, task, cookie, "web")).headers["location"]
    assert (await stranger.get(f"/tasks/{task.id}", headers={"Cookie": cookie})).status_code == 303


async def test_a_link_that_has_ended_is_said_once_and_then_one_signs_in(pages: Pages) -> None:
    task = await desktop(pages)
    secret = await shared(pages, task)
    cookie, decision = await come(pages, task, secret)
    ada = await pages.callers.actor("ada")
    await pages.platform.services.links.take_back(ada, task.id, decision["person"].removeprefix("link:"))
    stranger = await pages.stranger()
    ended = await authorize(stranger, task, cookie)
    assert (ended.status_code, "taken back" in text_of(ended)) == (404, True)
    assert 'shared=""' in ended.headers["set-cookie"]
    assert "/sign-in" in (await authorize(stranger, task, "")).headers["location"]
    again = await stranger.post("/shared", data={"secret": secret})
    assert (again.status_code, "set-cookie" in again.headers) == (404, False)
    inner = await pages.client({"X-Specola-Person": decision["person"]}, inner=True)
    assert (await inner.get(f"/viewers/{task.id}/desktop/page")).status_code == 404


async def test_the_owner_with_a_guests_cookie_stays_the_owner(pages: Pages) -> None:
    task = await desktop(pages)
    cookie, _ = await come(pages, task, await shared(pages, task))
    session = await pages.callers.session("ada")
    over = await authorize(await pages.stranger(), task, f"{cookie}; __Host-specola-session={session}")
    [code] = parse_qs(urlsplit(over.headers["location"]).query)["code"]
    inner = await pages.client({}, inner=True)
    spent = {"code": code, "nonce": NONCE, "task": task.id, "interface": "desktop"}
    entry = (await inner.post("/redeem", json=spent)).json()
    question = {"task": task.id, "interface": "desktop", "cookie": entry["cookie"]}
    assert (await inner.post("/decide", json=question)).json()["view_only"] is False


async def test_another_site_cannot_send_somebody_to_a_desktop(pages: Pages) -> None:
    task = await desktop(pages)
    secret = await shared(pages, task)
    stranger = await pages.stranger(**{"Sec-Fetch-Site": "cross-site"})
    assert (await stranger.post("/shared", data={"secret": secret})).status_code == 403
