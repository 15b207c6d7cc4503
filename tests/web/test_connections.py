"""The part of a task's page that shows who reached it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from specola.domain.connection import Connection, ConnectionKind
from specola.services.access import Traffic
from tests.support.pages import Pages, read_until, text_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_connections_are_shown_live_and_in_pages(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada)
    now = pages.platform.services.clock.now()
    visit = Connection(
        id="connection-00",
        task=task.id,
        interface="web",
        kind=ConnectionKind.HTTP,
        person=ada.person.id,
        address="192.0.2.7",
        began=now,
        heard=now,
        received=1500,
    )
    browser = await pages.browser("ada")
    async with browser.stream("GET", f"/live/tasks/{task.id}/connections") as stream:
        lines = stream.aiter_lines()
        _ = await read_until(lines, lambda event: "Nobody has reached" in event)
        await pages.platform.services.connections.note([visit])
        shown = await read_until(lines, lambda event: "192.0.2.7" in event)
        assert "1.5 kB" in shown
        assert "Open" in shown
    hostile = replace(visit, person="", refused="sign_in", times=4, kind=ConnectionKind.WEBSOCKET, ended=now)
    earlier = [
        replace(hostile, id=f"connection-{number}", began=now - timedelta(minutes=number)) for number in range(10, 70)
    ]
    await pages.platform.services.connections.note(earlier)
    page = await browser.get(f"/tasks/{task.id}/connections")
    assert "unknown or ended sign-in, 4 times" in text_of(page)
    assert "Earlier connections" in page.text
    cursor = (await pages.platform.services.connections.list(ada, task.id)).cursor
    last = await browser.get(f"/tasks/{task.id}/connections", params={"cursor": str(cursor)})
    assert last.text.count("<code>192.0.2.7</code>") == 11
    assert "hx-sse:connect" not in last.text
    assert (await browser.get(f"/tasks/{task.id}/connections", params={"cursor": "x"})).status_code == 422
    grace = await pages.browser("grace")
    assert (await grace.get(f"/tasks/{task.id}/connections")).status_code == 404


async def test_overview_says_whether_the_task_is_in_use(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada)
    browser = await pages.browser("ada")
    assert "In use" in (await browser.get(f"/tasks/{task.id}")).text
    traffic = Traffic(task=task.id, interface="web", person=ada.person.id, received=5, sent=7, used=True)
    await pages.platform.services.access.note_traffic([traffic])
    said = text_of(await browser.get(f"/tasks/{task.id}"))
    assert "ada used “web” within the last 10 minutes." in said
