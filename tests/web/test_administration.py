"""Administration: for administrators only; people, invitations, everybody's tasks, health."""

import re

import pytest

from tests.support.pages import Pages, read_until, text_of

pytestmark = pytest.mark.anyio

PAGES = ("/administration", "/administration/tasks", "/administration/health", "/administration/live/health")
VERBS = ("/administration/invitations", "/administration/people/ada/role", "/administration/people/ada/link")


async def test_it_is_denied_to_others(pages: Pages) -> None:
    browser = await pages.browser("ada")
    for path in PAGES:
        assert (await browser.get(path)).status_code == 403, path
    for path in VERBS:
        assert (await browser.post(path)).status_code == 403, path
    assert 'href="/administration"' not in (await browser.get("/")).text


async def test_links_are_shown_once_and_carry_their_secret_in_the_fragment(pages: Pages) -> None:
    browser = await pages.browser("admin")
    _ = await pages.callers.actor("ada")
    invited = await browser.post("/administration/invitations", data={"note": "Caroline", "role": "person"})
    assert re.search(rf"{pages.platform.settings.url}/invitation#[\w-]{{20,}}", invited.text)
    linked = await browser.post("/administration/people/ada/link")
    (link,) = set(re.findall(rf"{pages.platform.settings.url}/sign-in/link#[\w-]{{20,}}", linked.text))
    assert link not in (await browser.get("/administration")).text
    (withdraw,) = re.findall(r'action="(/administration/invitations/[^"]+/withdraw)"', invited.text)
    assert (await browser.post(withdraw)).status_code == 303
    assert "Caroline" not in text_of(await browser.get("/administration")).partition("Open invitation")[2]


async def test_disabled_person_is_out_at_once_and_the_last_administrator_stays(pages: Pages) -> None:
    admin, grace = await pages.browser("admin"), await pages.browser("grace")
    assert (await admin.post("/administration/people/grace/disabled", data={"disabled": "true"})).status_code == 303
    assert (await grace.get("/")).status_code == 303
    refused = await admin.post("/administration/people/admin/role", data={"role": "person"})
    assert refused.status_code == 409
    assert "People" in text_of(refused)


async def test_all_tasks_have_their_owners(pages: Pages) -> None:
    _ = await pages.platform.started(await pages.callers.actor("ada"), name="watched")
    said = text_of(await (await pages.browser("admin")).get("/administration/tasks"))
    assert "watched" in said
    assert "ada" in said


async def test_health_shows_processes_and_computings_and_follows_them(pages: Pages) -> None:
    browser = await pages.browser("admin")
    said = text_of(await browser.get("/administration/health"))
    for part in ("database", "worker", "connector", "This machine"):
        assert part in said
    assert (await browser.post("/administration/computings/local/test")).status_code == 303
    async with browser.stream("GET", "/administration/live/health") as stream:
        lines = stream.aiter_lines()
        _ = await read_until(lines, lambda event: "Answers" in event)
        pages.platform.world.break_down()
        try:
            _ = await read_until(lines, lambda event: "Does not answer" in event)
        finally:
            pages.platform.world.mend()
