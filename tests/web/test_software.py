"""Software: cards, one entry, starting with options, sharing, export and removal."""

import pytest

from specola.domain.software import HomeAccess
from specola.domain.task import TaskState
from tests.support.pages import Pages, text_of

pytestmark = pytest.mark.anyio

WEB = """\
software: {name}
title: {title}
version: "1"
image: example.test/web:1
resources: {{cpus: 1, memory: 256MiB}}
interfaces: [{{name: web, port: 8000}}]
parameters: [{{name: theme, kind: choice, choices: [light, dark], default: light}}]
"""


async def entry(pages: Pages, name: str, *, owner: str = "ada", title: str = "Web", more: str = "") -> None:
    actor = await pages.callers.actor(owner)
    _ = await pages.platform.services.catalogue.add(actor, WEB.format(name=name, title=title) + more)


async def test_start_goes_to_the_tasks_own_address_at_once(pages: Pages) -> None:
    await entry(pages, "quick")
    answer = await (await pages.browser("ada")).post("/software/quick/start")
    assert answer.status_code == 303
    address = answer.headers["location"]
    assert address.startswith("http://web--")
    assert address.endswith(f".localhost:{pages.platform.port}/")


async def test_options_are_taken(pages: Pages) -> None:
    await entry(pages, "chosen")
    form = {
        "name": "my-run",
        "computing": "local",
        "cpus": "0.5",
        "memory": "512MiB",
        "environment": "A=1\nB=x=y",
        "parameters.theme": "dark",
    }
    answer = await (await pages.browser("ada")).post("/software/chosen/start", data=form)
    task = await pages.platform.services.tasks.get(await pages.callers.actor("ada"), "my-run")
    assert task.id in answer.headers["location"]
    assert (task.resources.cpus, task.resources.memory) == (0.5, 512 * 1024**2)
    assert task.environment == {"A": "1", "B": "x=y"}
    assert task.parameters == {"theme": "dark"}


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("memory", "lots", "is not a size"),
        ("cpus", "many", "is not a number of CPUs"),
        ("environment", "no sign here", "Line 1 is not NAME=VALUE"),
        ("cpus", "9999", "at most"),
    ],
)
async def test_wrong_option_is_told_and_nothing_is_lost(pages: Pages, field: str, value: str, says: str) -> None:
    name = f"kept-{field}-{len(says)}"
    await entry(pages, name)
    form = {"name": "typed-name", "parameters.theme": "dark", field: value}
    answer = await (await pages.browser("ada")).post(f"/software/{name}/start", data=form)
    assert answer.status_code in {422, 429}
    assert says in text_of(answer)
    assert value in answer.text
    assert 'value="typed-name"' in answer.text
    assert '<option value="dark" selected>' in answer.text


async def test_options_come_as_a_sheet_for_scripts_and_as_a_page_without(pages: Pages) -> None:
    browser = await pages.browser("ada")
    page = await browser.get("/software/jupyterlab/start")
    sheet = await browser.get("/software/jupyterlab/start", headers={"HX-Request": "true"})
    assert "<html" in page.text
    assert "<html" not in sheet.text
    assert 'target="_blank"' in sheet.text


async def test_entry_shows_releases_and_interfaces(pages: Pages) -> None:
    await entry(pages, "shown", title="Shown software")
    said = text_of(await (await pages.browser("ada")).get("/software/shown"))
    assert "Shown software" in said
    assert "example.test/web:1" in said
    assert "its owner only" in said
    assert "specola run shown" in said


async def test_what_is_not_shared_is_missing_for_others_until_it_is(pages: Pages) -> None:
    await entry(pages, "mine")
    ada, grace = await pages.browser("ada"), await pages.browser("grace")
    assert (await grace.get("/software/mine")).status_code == 404
    assert (await grace.post("/software/mine/start")).status_code == 404
    assert (await ada.post("/software/mine/share", data={"shared": "true"})).status_code == 303
    assert (await grace.get("/software/mine")).status_code == 200
    assert (await grace.post("/software/mine/delete")).status_code == 403
    assert (await grace.post("/software/mine/share", data={"shared": "false"})).status_code == 403
    assert "/software/mine/edit" not in (await grace.get("/software/mine")).text


async def test_export_is_a_file(pages: Pages) -> None:
    await entry(pages, "given")
    answer = await (await pages.browser("ada")).get("/software/given/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="given.yaml"'
    assert answer.text.startswith("software: given\n")


async def test_removal_asks_once(pages: Pages) -> None:
    await entry(pages, "gone")
    browser = await pages.browser("ada")
    assert "Delete “Web”?" in text_of(await browser.get("/software/gone/delete"))
    assert (await browser.post("/software/gone/delete")).headers["location"] == "/software"
    assert (await browser.get("/software/gone")).status_code == 404


async def test_software_without_a_web_interface_leads_to_its_task_page(pages: Pages) -> None:
    actor = await pages.callers.actor("ada")
    text = "software: headless\nversion: '1'\nimage: example.test/done:1\n"
    _ = await pages.platform.services.catalogue.add(actor, text)
    browser = await pages.browser("ada")
    target = (await browser.post("/software/headless/start")).headers["location"]
    assert target.startswith("/tasks/")
    task = target.removeprefix("/tasks/")
    _ = await pages.platform.until_state(task, TaskState.FINISHED)
    assert "Finished" in text_of(await browser.get(target))
    card = (await browser.get("/software")).text.partition("/software/headless/start")[2]
    assert not card.startswith('" target="_blank"')


async def test_the_home_is_asked_about_where_there_is_one(pages: Pages) -> None:
    browser = await pages.browser("ada")
    await entry(pages, "homeless")
    assert 'name="home"' not in (await browser.get("/software/homeless/start")).text
    await entry(pages, "homely", more="home: /home/ada\nhome_access: read\n")
    assert "as usual: read only" in (await browser.get("/software/homely/start")).text
    answer = await browser.post("/software/homely/start", data={"name": "careful", "home": "none"})
    assert answer.status_code == 303
    task = await pages.platform.services.tasks.get(await pages.callers.actor("ada"), "careful")
    assert task.release.home_access is HomeAccess.NONE
    refused = await browser.post("/software/homely/start", data={"home": "all"})
    assert "nothing that can be done with a home" in text_of(refused)
