"""Pages of interfaces that are no HTTP: what gateways relay to their origins."""

import pytest

from specola.domain.task import Task, TaskState, Wish
from tests.support.pages import Pages, text_of

pytestmark = pytest.mark.anyio

DEFINITION = """
software: several
title: Several
version: "1"
image: example.test/web:1
interfaces:
  - {name: db, port: 5432, protocol: postgres}
  - {name: shell, port: 22, protocol: ssh}
  - {name: raw, port: 7007, protocol: tcp}
  - {name: web, port: 8000}
"""


@pytest.fixture(scope="module")
async def task(pages: Pages) -> Task:
    """A task of ada's that runs."""
    ada = await pages.callers.actor("ada")
    await pages.platform.services.catalogue.add(ada, DEFINITION)
    started = await pages.platform.services.tasks.request(Wish(software="several"), actor=ada)
    return await pages.platform.until_state(started.id, TaskState.RUNNING)


async def as_person(pages: Pages, name: str) -> dict[str, str]:
    return {"X-Specola-Person": (await pages.callers.actor(name)).person.id}


async def test_it_says_what_it_is_and_how_it_is_reached(pages: Pages, task: Task) -> None:
    inner = await pages.client(await as_person(pages, "ada"), inner=True)
    page = await inner.get(f"/viewers/{task.id}/db/page")
    said = text_of(page)
    assert page.status_code == 200
    assert "PostgreSQL · port 5432" in said
    for line in (f"specola connect {task.id} db -- psql", f"specola forward {task.id} db:5432"):
        assert line in said
    assert "psql -h 127.0.0.1 -p 5432 -U postgres" in said
    assert f"specola login {pages.platform.settings.url}" in said
    shell = text_of(await inner.get(f"/viewers/{task.id}/shell/page"))
    assert f'ssh -o ProxyCommand="specola connect {task.id} shell --stdio" {task.id}' in shell


async def test_it_carries_its_own_strict_policy_and_files(pages: Pages, task: Task) -> None:
    inner = await pages.client(await as_person(pages, "ada"), inner=True)
    page = await inner.get(f"/viewers/{task.id}/raw/page")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert " style=" not in page.text
    assert (page.headers["cache-control"], page.headers["x-frame-options"]) == ("no-store", "DENY")
    script = page.text.partition('<script src="/.specola/')[2].partition('"')[0]
    answer = await inner.get(f"/viewers/{task.id}/raw/{script}")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert (await inner.get(f"/viewers/{task.id}/raw/static/none.js")).status_code == 404


@pytest.mark.parametrize("interface", ["web", "other"])
async def test_there_is_none_for_what_speaks_http_or_is_not_there(pages: Pages, task: Task, interface: str) -> None:
    inner = await pages.client(await as_person(pages, "ada"), inner=True)
    assert (await inner.get(f"/viewers/{task.id}/{interface}/page")).status_code == 404
    eve = await pages.client(await as_person(pages, "eve"), inner=True)
    assert (await eve.get(f"/viewers/{task.id}/db/page")).status_code == 404


async def test_it_learns_when_its_time_is_over(pages: Pages) -> None:
    ada = await pages.callers.actor("cid")
    await pages.platform.services.catalogue.add(ada, DEFINITION.replace("several", "ending"))
    task = await pages.platform.services.tasks.request(Wish(software="ending"), actor=ada)
    _ = await pages.platform.until_state(task.id, TaskState.RUNNING)
    inner = await pages.client(await as_person(pages, "cid"), inner=True)
    async with inner.stream("GET", f"/viewers/{task.id}/db/events") as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == ":"
        await pages.platform.services.tasks.stop(ada, task.id)
        assert "event: over" in [line async for line in lines]


async def test_the_task_page_has_every_way_in(pages: Pages, task: Task) -> None:
    browser = await pages.browser("ada")
    page = await browser.get(f"/tasks/{task.id}/interfaces")
    origin = pages.platform.services.addresses.origin(task.id, "db")
    assert f'href="{origin}"' in page.text
    assert f"specola connect {task.id} raw -- nc {{host}} {{port}}" in text_of(page)
    assert "Show password" in text_of(page)
    shown = await browser.post(f"/tasks/{task.id}/credential", data={"interface": "db"})
    assert "this task's own credential" in text_of(shown)
    assert f"specola connect {task.id} db -- psql" in text_of(shown)


async def test_terminal_has_a_page_of_its_own(pages: Pages, task: Task) -> None:
    inner = await pages.client(await as_person(pages, "ada"), inner=True)
    page = await inner.get(f"/viewers/{task.id}/terminal/page")
    assert page.status_code == 200
    assert "unsafe" not in page.headers["content-security-policy"]
    assert " style=" not in page.text
    assert f"Terminal of {task.name}" in page.text
    script = page.text.partition('<script src="/.specola/')[2].partition('"')[0]
    assert script.startswith("static/terminal-")
    answer = await inner.get(f"/viewers/{task.id}/terminal/{script}")
    assert answer.headers["content-type"].startswith("text/javascript")
    other = await pages.client(await as_person(pages, "grace"), inner=True)
    assert (await other.get(f"/viewers/{task.id}/terminal/page")).status_code == 404


async def test_terminal_of_a_task_that_ended_says_so(pages: Pages) -> None:
    ended = await pages.platform.start(await pages.callers.actor("ada"), "example.test/exits:1")
    _ = await pages.platform.until_state(ended.id, TaskState.FAILED)
    inner = await pages.client(await as_person(pages, "ada"), inner=True)
    page = await inner.get(f"/viewers/{ended.id}/terminal/page")
    assert "This task has no terminal now." in text_of(page)
    assert "data-live" not in page.text
