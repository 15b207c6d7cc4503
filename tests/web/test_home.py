"""Home: live tasks as they change, cards to start, and the search."""

import pytest

from specola.domain.task import TaskState, Wish
from tests.support.pages import Pages, read_until, text_of

pytestmark = pytest.mark.anyio


async def test_empty_home_teaches_and_offers_cards(pages: Pages) -> None:
    page = await (await pages.browser("newcomer")).get("/")
    assert page.status_code == 200
    assert "Nothing runs at the moment." in text_of(page)
    assert 'action="/software/jupyterlab/start" target="_blank" rel="noopener"' in page.text
    assert "Any image…" in text_of(page)
    assert "specola software ls" in text_of(page)


async def test_live_task_stands_first_with_state_place_and_open(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada, name="spectra")
    page = await (await pages.browser("ada")).get("/")
    said = text_of(page)
    assert "spectra" in said
    assert "This machine" in said
    assert "Running" in said
    assert f'href="http://{task.release.interfaces[0].name}--{task.id}.localhost:{pages.platform.port}/"' in page.text


async def test_home_shows_nobody_elses_tasks(pages: Pages) -> None:
    _ = await pages.platform.started(await pages.callers.actor("ada"), name="private-work")
    assert "private-work" not in (await (await pages.browser("grace")).get("/")).text


async def test_home_follows_what_happens(pages: Pages) -> None:
    actor = await pages.callers.actor("follower")
    browser = await pages.browser("follower")
    async with browser.stream("GET", "/live/home") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        first = await read_until(lines, lambda event: "Nothing runs" in event)
        assert '<hx-partial hx-target="#running" hx-swap="innerMorph">' in first
        task = await pages.platform.start(actor, name="followed")
        event = await read_until(lines, lambda event: f"task-{task.id}" in event and "Running" in event)
        assert "followed" in event
        _ = await pages.platform.services.tasks.stop(actor, task.id)
        assert "#running" in await read_until(lines, lambda event: "Nothing runs" in event)


async def test_stream_ends_with_the_session(pages: Pages) -> None:
    browser = await pages.browser("leaver")
    async with browser.stream("GET", "/live/home") as stream:
        lines = stream.aiter_lines()
        _ = await read_until(lines, lambda event: "Nothing runs" in event)
        _ = await browser.post("/sign-out")
        async for _ in lines:
            pass
    assert (await browser.get("/live/home")).status_code == 303


async def test_stream_needs_a_session(pages: Pages) -> None:
    stranger = await pages.stranger(Accept="text/event-stream")
    assert (await stranger.get("/live/home")).status_code == 401


async def test_search_finds_software_and_tasks(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada, name="nebula")
    browser = await pages.browser("ada", **{"HX-Request": "true"})
    found = await browser.get("/search", params={"q": "nebu"})
    assert f'href="/tasks/{task.id}"' in found.text
    assert "<html" not in found.text
    assert 'action="/software/jupyterlab/start"' in (await browser.get("/search", params={"q": "jupyterlab"})).text
    assert "Nothing found for “zzz”" in text_of(await browser.get("/search", params={"q": "zzz"}))
    assert (await browser.get("/search", params={"q": " "})).text == ""


async def test_search_works_without_a_script(pages: Pages) -> None:
    page = await (await pages.browser("ada")).get("/search", params={"q": "jupyterlab"})
    assert "<html" in page.text
    assert 'action="/software/jupyterlab/start"' in page.text


async def test_hostile_names_are_text(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    hostile = "<img src=x onerror=alert(1)>"
    text = f"software: hostile\nversion: '1'\ntitle: '{hostile}'\ndescription: '</p>{hostile}'\nimage: example.test/exits:1\n"
    _ = await pages.platform.services.catalogue.add(ada, text)
    task = await pages.platform.services.tasks.request(Wish(software="hostile", name="careful"), actor=ada)
    _ = await pages.platform.until_state(task.id, TaskState.FAILED)
    browser = await pages.browser("ada")
    for path in ("/", "/software", "/software/hostile", "/tasks", f"/tasks/{task.id}", "/search?q=img"):
        page = (await browser.get(path)).text
        assert hostile not in page, path
        assert "&lt;img src=x onerror=alert(1)&gt;" in page, path
    answer = (await browser.get("/search", params={"q": '"><script>alert(1)</script>'})).text
    assert "<script>alert" not in answer
