"""A task's pages: overview, interfaces, logs, record, and its verbs; all live."""

import pytest

from specola.domain.task import TaskState
from tests.support.pages import Pages, read_until, text_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_each_tab_shows_its_part_and_its_command(pages: Pages) -> None:
    task = await pages.platform.started(await pages.callers.actor("ada"), name="tabbed")
    browser = await pages.browser("ada")
    parts = {
        "": ("Use, last 10 minutes", f"specola show {task.id}"),
        "/interfaces": ("Copy address", f"specola open {task.id}"),
        "/connections": ("Nobody has reached this task yet.", f"specola connections {task.id}"),
        "/logs": ("Events", f"specola logs -f {task.id}"),
        "/record": (str(task.image.digest), f"specola show --json {task.id}"),
    }
    for tab, wanted in parts.items():
        page = await browser.get(f"/tasks/{task.id}{tab}")
        assert page.status_code == 200
        for words in wanted:
            assert words in page.text, (tab, words)


async def test_running_task_offers_its_terminal(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada)
    browser = await pages.browser("ada")
    address = pages.platform.services.addresses.origin(task.id, "terminal")
    assert f'href="{address}"' in (await browser.get(f"/tasks/{task.id}")).text
    ended = await pages.platform.start(ada, "example.test/exits:1")
    _ = await pages.platform.until_state(ended.id, TaskState.FAILED)
    assert "//terminal--" not in (await browser.get(f"/tasks/{ended.id}")).text


async def test_task_is_missing_for_others(pages: Pages) -> None:
    task = await pages.platform.started(await pages.callers.actor("ada"))
    grace = await pages.browser("grace")
    for path in (f"/tasks/{task.id}", f"/tasks/{task.id}/record", f"/tasks/{task.id}/log.txt"):
        assert (await grace.get(path)).status_code == 404, path
    for verb in ("stop", "again", "delete", "credential"):
        assert (await grace.post(f"/tasks/{task.id}/{verb}")).status_code == 404, verb
    assert (await grace.get(f"/live/tasks/{task.id}/overview")).status_code == 404


async def test_failure_says_what_happened_and_offers_to_change_it(pages: Pages) -> None:
    task = await pages.platform.start(await pages.callers.actor("ada"), "example.test/exits:1")
    _ = await pages.platform.until_state(task.id, TaskState.FAILED)
    said = text_of(await (await pages.browser("ada")).get(f"/tasks/{task.id}"))
    assert "The command ended with exit code 3." in said
    assert "no such setting" in said
    assert "Edit and retry" in said


async def test_page_follows_its_task(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada)
    browser = await pages.browser("ada")
    async with browser.stream("GET", f"/live/tasks/{task.id}/overview") as stream:
        lines = stream.aiter_lines()
        first = await read_until(lines, lambda event: "#head" in event)
        assert '<span class="state running">' in first
        _ = await pages.platform.services.tasks.stop(ada, task.id)
        _ = await read_until(lines, lambda event: '<span class="state stopped">' in event)


async def test_log_comes_line_by_line_and_ends(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada)
    record = await pages.platform.record(task.id)
    assert record.handle is not None
    browser = await pages.browser("ada")
    async with browser.stream("GET", f"/live/tasks/{task.id}/logs/lines") as stream:
        lines = stream.aiter_lines()
        first = await read_until(lines, lambda event: "serving" in event)
        assert 'hx-swap="innerHTML"' in first
        await pages.platform.world.say(record.handle, "<b>hostile</b>", stream="stderr")
        second = await read_until(lines, lambda event: "hostile" in event)
        assert 'hx-swap="beforeend"' in second
        assert "&lt;b&gt;hostile&lt;/b&gt;" in second
        _ = await pages.platform.services.tasks.stop(ada, task.id)
        assert [line async for line in lines if line.startswith("event:")] == ["event: end"]
    assert (await browser.get(f"/tasks/{task.id}/log.txt")).text.startswith("serving\n")


async def test_stop_works_with_and_without_a_script(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    browser = await pages.browser("ada")
    task = await pages.platform.started(ada)
    assert (await browser.post(f"/tasks/{task.id}/stop")).headers["location"] == f"/tasks/{task.id}"
    other = await pages.platform.started(ada)
    assert (await browser.post(f"/tasks/{other.id}/stop", headers={"HX-Request": "true"})).status_code == 204
    for one in (task, other):
        _ = await pages.platform.until_state(one.id, TaskState.STOPPED)


async def test_run_again_starts_the_same(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada, name="first")
    browser = await pages.browser("ada")
    target = (await browser.post(f"/tasks/{task.id}/again", data={"name": "second"})).headers["location"]
    again = await pages.platform.services.tasks.get(ada, "second")
    assert again.id in target
    assert (again.again_of, again.image.digest) == (task.id, task.image.digest)
    refused = await browser.post(f"/tasks/{task.id}/again", data={"memory": "nonsense"})
    assert refused.status_code == 422
    assert 'value="nonsense"' in refused.text


async def test_rename_and_delete_ask_first(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada)
    browser = await pages.browser("ada")
    assert 'name="wanted"' in (await browser.get(f"/tasks/{task.id}/rename")).text
    assert (await browser.post(f"/tasks/{task.id}/rename", data={"wanted": "better name"})).status_code == 303
    assert "better name" in text_of(await browser.get(f"/tasks/{task.id}"))
    assert (await browser.post(f"/tasks/{task.id}/rename", data={"wanted": ""})).status_code == 422
    assert (await browser.post(f"/tasks/{task.id}/delete")).status_code == 409
    _ = await pages.platform.services.tasks.stop(ada, task.id)
    _ = await pages.platform.until_state(task.id, TaskState.STOPPED)
    assert "Delete “better name”?" in text_of(await browser.get(f"/tasks/{task.id}/delete"))
    assert (await browser.post(f"/tasks/{task.id}/delete")).headers["location"] == "/tasks"
    assert (await browser.get(f"/tasks/{task.id}")).status_code == 404


async def test_credential_is_on_no_page_but_the_one_that_was_asked_for(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    text = (
        "software: database\nversion: '1'\nimage: example.test/web:1\n"
        "interfaces: [{name: db, port: 8000, protocol: postgres}]\n"
    )
    _ = await pages.platform.services.catalogue.add(ada, text)
    browser = await pages.browser("ada")
    target = (await browser.post("/software/database/start")).headers["location"]
    _ = await pages.platform.until_state(target.removeprefix("/tasks/"), TaskState.RUNNING)
    credential = await pages.platform.services.tasks.credential(ada, target.removeprefix("/tasks/"), "db")
    for tab in ("", "/interfaces", "/logs", "/record"):
        assert credential not in (await browser.get(f"{target}{tab}")).text
    shown = await browser.post(f"{target}/credential", data={"interface": "db"})
    assert credential in shown.text
    assert "psql -h " in shown.text
    assert shown.headers["cache-control"] == "no-store"


async def test_the_way_by_ssh_stands_ready(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada)
    shown = await (await pages.browser("ada")).get(f"/tasks/{task.id}/interfaces")
    assert f"ssh {task.id}@localhost -p 20022" in text_of(shown)
