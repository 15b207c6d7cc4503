"""Adding and editing software as a form and as YAML, and drafts from any image."""

import html
import re

import pytest

from specola.domain.software import Activity
from specola.services.definition import read_definition
from tests.support.pages import Pages, text_of

pytestmark = pytest.mark.anyio

FORM = {
    "software": "formed",
    "title": "Formed",
    "version": "3",
    "image": "example.test/web:1",
    "command": "serve\n--port\n8000",
    "environment": "MODE=fast",
    "resources.cpus": "1",
    "resources.memory": "256MiB",
    "user": "image",
    "interfaces[0].name": "web",
    "interfaces[0].port": "8000",
    "interfaces[0].protocol": "http",
    "interfaces[0].open": "/start",
    "interfaces[0].credential_way": "header",
    "interfaces[0].credential": "Authorization: token {credential}",
    "interfaces[0].health": "/health",
    "interfaces[0].expect": "200",
    "interfaces[0].ignore": "/metrics, GET /poll",
    "interfaces[0].pings": "13",
    "interfaces[0].origin": "rewrite",
    "parameters[0].name": "size",
    "parameters[0].kind": "number",
    "parameters[0].default": "4",
    "parameters[0].minimum": "1",
    "parameters[0].maximum": "8",
}


def fields(page: str) -> dict[str, str]:
    """Return the plain fields that a page's editor has."""
    return dict(re.findall(r'<input id="field-[^"]+" name="([^"]+)" type="text" value="([^"]*)"', page))


async def test_form_saves_all_that_it_says(pages: Pages) -> None:
    browser = await pages.browser("ada")
    answer = await browser.post("/software/add", data=FORM)
    assert answer.headers["location"] == "/software/formed"
    software = await pages.platform.services.catalogue.get(await pages.callers.actor("ada"), "formed")
    release = software.current
    assert release.command == ("serve", "--port", "8000")
    assert release.environment == {"MODE": "fast"}
    (interface,) = release.interfaces
    assert (interface.open, interface.origin, interface.activity) == (
        "/start",
        "rewrite",
        Activity(ignore=("/metrics", "GET /poll"), pings=13),
    )
    assert interface.credential is not None
    assert interface.credential.template == "Authorization: token {credential}"
    assert interface.health is not None
    assert (interface.health.path, interface.health.expect) == ("/health", "200")
    assert (release.parameters[0].minimum, release.parameters[0].maximum) == (1, 8)
    shown = fields((await browser.get("/software/formed/edit")).text)
    assert {name: shown[name] for name in shown if name in FORM} == {
        name: value for name, value in FORM.items() if name in shown
    }


async def test_wrong_form_shows_each_fault_at_its_field_and_loses_nothing(pages: Pages) -> None:
    wrong = {**FORM, "software": "Not A Name", "interfaces[0].port": "99999", "command": "{parameters.none}"}
    answer = await (await pages.browser("ada")).post("/software/add", data=wrong)
    assert answer.status_code == 422
    for name in ("software", "interfaces[0].port", "command"):
        field = answer.text.partition(f'id="field-{name}"')[2][:400]
        assert 'aria-invalid="true"' in field, name
    assert 'value="Not A Name"' in answer.text
    assert 'value="99999"' in answer.text
    assert "Nothing is lost." in text_of(answer)


async def test_environment_that_cannot_be_read_is_told_at_its_field(pages: Pages) -> None:
    answer = await (await pages.browser("ada")).post("/software/add", data={**FORM, "environment": "A=1\nnonsense"})
    assert answer.status_code == 422
    assert "Line 2 is not NAME=VALUE." in text_of(answer)
    assert "nonsense" in answer.text


async def test_wrong_yaml_shows_its_lines_and_loses_nothing(pages: Pages) -> None:
    text = "software: broken\nimage: example.test/web:1\ninterfaces:\n  - name: web\n    port: no\n    colour: red\n"
    answer = await (await pages.browser("ada")).post("/software/add", data={"text": text})
    assert answer.status_code == 422
    assert 'data-faults="5 6"' in answer.text
    assert 'data-line="6"' in answer.text
    assert text in answer.text


async def test_yaml_that_is_no_yaml_has_its_line(pages: Pages) -> None:
    answer = await (await pages.browser("ada")).post("/software/add", data={"text": "software: a\n  image: [\n"})
    assert answer.status_code == 422
    assert "data-line=" in answer.text


async def test_going_between_form_and_yaml_keeps_everything(pages: Pages) -> None:
    browser = await pages.browser("ada")
    as_yaml = await browser.post("/software/add", data={**FORM, "action": "yaml"})
    written = re.search(r'<textarea id="field-text"[^>]*>\n(.*?)</textarea>', as_yaml.text, re.DOTALL)
    assert written is not None
    text = html.unescape(written[1])
    assert read_definition(text).software.name == "formed"
    as_form = await browser.post("/software/add", data={"text": text, "action": "form"})
    shown = fields(as_form.text)
    assert shown["interfaces[0].credential"] == "Authorization: token {credential}"
    assert {shown[name] for name in ("software", "image", "version")} == {"formed", "example.test/web:1", "3"}


async def test_rows_are_added_and_removed_without_a_script(pages: Pages) -> None:
    browser = await pages.browser("ada")
    more = await browser.post("/software/add", data={**FORM, "action": "grow:interfaces"})
    assert 'name="interfaces[1].port"' in more.text
    assert 'value="formed"' in more.text
    second = {f"interfaces[1].{name}": "x" for name in ("name", "port")}
    less = await browser.post("/software/add", data={**FORM, **second, "action": "shrink:interfaces:0"})
    assert 'name="interfaces[0].name" type="text" value="x"' in less.text
    assert 'name="interfaces[1].name"' not in less.text
    odd = await browser.post("/software/add", data={**FORM, "action": "shrink:nothing:x"})
    assert odd.status_code == 200


async def test_image_becomes_a_draft_that_starts(pages: Pages) -> None:
    browser = await pages.browser("ada")
    page = await browser.post("/software/draft", data={"image": "example.test/web:1"})
    assert page.status_code == 200
    said = text_of(page)
    assert "amd64" in said
    assert "8000" in said
    shown = fields(page.text)
    assert shown["image"] == "example.test/web:1"
    draft = {**shown, "software": "drafted", "user": "image", "action": "start"}
    answer = await browser.post("/software/add", data={**draft, "interfaces[0].protocol": "http"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("http://")


@pytest.mark.parametrize("image", ["", "example.test/unknown:1", "not a reference!"])
async def test_image_that_cannot_be_read_is_told_and_kept(pages: Pages, image: str) -> None:
    answer = await (await pages.browser("ada")).post("/software/draft", data={"image": image})
    assert 400 <= answer.status_code < 500
    assert f'value="{image}"' in answer.text


async def test_copy_is_an_entry_of_ones_own(pages: Pages) -> None:
    browser = await pages.browser("grace")
    page = await browser.get("/software/add", params={"copy": "jupyterlab"})
    assert fields(page.text)["software"] == "jupyterlab-copy"
    assert (await browser.get("/software/jupyterlab/edit")).status_code in {200, 403}
    assert (await browser.post("/software/jupyterlab/edit", data=FORM)).status_code == 403


async def test_taken_name_is_told(pages: Pages) -> None:
    browser = await pages.browser("ada")
    first = await browser.post("/software/add", data={**FORM, "software": "taken"})
    assert first.status_code == 303
    second = await browser.post("/software/add", data={**FORM, "software": "taken", "title": "Kept title"})
    assert second.status_code == 409
    assert "There is already" in text_of(second)
    assert 'value="Kept title"' in second.text
