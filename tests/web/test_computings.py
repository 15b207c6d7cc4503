"""Pages of computings: each place, its record as a form and as YAML, tests of drafts, and what is kept from view."""

import html
import re
from collections.abc import AsyncIterator

import asyncssh
import pytest

from tests.support.pages import Pages, read_until, text_of

pytestmark = pytest.mark.anyio

CANARY = "canary-4r8t1w6q"
FORM = {
    "computing": "formed",
    "title": "Formed",
    "description": "Made by a form.",
    "kind": "memory",
    "audience": "everybody",
    "settings.cpus": "6",
    "settings.token": CANARY,
    "offer.maximum.cpus": "4",
    "offer.maximum.memory": "8GiB",
    "offer.maximum.time": "2d",
    "offer.default.time": "8h",
    "offer.partitions": "short, long",
    "offer.options": "qos=normal, high\nconstraint",
    "offer.mirrors": "docker.io=mirror.example/hub",
}


def definition(page: str) -> str:
    """Return the YAML that a page's editor has."""
    found = re.search(r'<textarea id="field-text"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def fields(page: str) -> dict[str, str]:
    """Return the fields that a page's editor has."""
    lines = re.findall(r'<input id="field-[^"]+" name="([^"]+)" type="text" value="([^"]*)"', page)
    texts = re.findall(r'<textarea id="field-[^"]+" name="([^"]+)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in (*lines, *texts, *hidden)}


async def test_a_form_is_tested_saved_changed_and_removed(pages: Pages) -> None:
    admin, ada = await pages.browser("admin"), await pages.browser("ada")
    tested = await admin.post("/computing/add", data={**FORM, "action": "test"})
    assert tested.status_code == 200, tested.text
    assert "It answers. Nothing is saved yet." in text_of(tested)
    assert "6 CPUs" in text_of(tested)
    untold = await admin.post(
        "/computing/add", data={**FORM, "settings.cpus": "0", "settings.memory": "0", "action": "test"}
    )
    assert "Size not told" in text_of(untold)
    assert "GPUs not told" in text_of(untold)
    assert (await admin.get("/computing/formed")).status_code == 404
    assert fields(tested.text)["settings.token"] == CANARY
    saved = await admin.post("/computing/add", data=FORM)
    assert saved.headers["location"] == "/computing/formed"
    record = await pages.platform.services.computings.get(await pages.callers.actor("admin"), "formed")
    assert record.settings == {"cpus": 6}
    assert record.secrets == ("token",)
    assert record.offer.options == {"qos": ("normal", "high"), "constraint": ()}
    assert record.offer.mirrors == {"docker.io": "mirror.example/hub"}
    assert record.offer.partitions == ("short", "long")
    edited = await admin.get("/computing/formed/edit")
    shown = fields(edited.text)
    assert shown["settings.token"] == ""
    assert shown["offer.options"] == "qos=normal, high\nconstraint="
    assert shown["offer.maximum.time"] == "2d"
    assert "It is set; leave this empty to keep it." in text_of(edited)
    again = await admin.post("/computing/formed/edit", data={**shown, "title": "Formed anew", "audience": ""})
    assert again.status_code == 303
    kept = await pages.platform.services.computings.get(await pages.callers.actor("admin"), "formed")
    assert (kept.title, kept.secrets, kept.revision) == ("Formed anew", ("token",), record.revision)
    forgotten = {**shown, "audience": "", "forget.settings.token": "", "forget.token": "true"}
    assert (await admin.post("/computing/formed/edit", data=forgotten)).status_code == 303
    assert "leave this empty" not in text_of(await admin.get("/computing/formed/edit"))
    assert "Formed" in text_of(await ada.get("/computing"))
    assert (await ada.get("/computing/formed/edit")).status_code == 403
    assert (await ada.get("/computing/formed/remove")).status_code == 403
    assert "Nothing is done on the computing itself" in text_of(await admin.get("/computing/formed/remove"))
    assert (await admin.post("/computing/formed/remove")).headers["location"] == "/computing"
    assert (await admin.get("/computing/formed")).status_code == 404


async def test_going_between_form_and_yaml_keeps_everything(pages: Pages) -> None:
    admin = await pages.browser("admin")
    as_yaml = await admin.post("/computing/add", data={**FORM, "action": "yaml"})
    text = definition(as_yaml.text)
    assert f"token: {CANARY}" in text
    assert "maximum:\n    cpus: 4\n    memory: 8GiB\n    time: 2d\n" in text
    as_form = await admin.post("/computing/add", data={"text": text, "action": "form"})
    shown = fields(as_form.text)
    assert {name: shown[name] for name in FORM if name in shown} == {
        name: value
        for name, value in {**FORM, "offer.options": "qos=normal, high\nconstraint="}.items()
        if name in shown
    }
    assert (
        definition((await admin.post("/computing/add", data={**shown, "audience": "everybody", "action": "yaml"})).text)
        == text
    )


async def test_what_the_form_would_lose_stays_yaml(pages: Pages) -> None:
    admin = await pages.browser("admin")
    text = "computing: far\nkind: memory\nsettings:\n  cpus: 2\n  ram: 3\n"
    answer = await admin.post("/computing/add", data={"text": text, "action": "form"})
    assert answer.status_code == 422
    assert "there is no such setting" in text_of(answer)
    assert definition(answer.text) == text
    assert 'data-line="5"' in answer.text


async def test_wrong_form_shows_each_fault_at_its_field_and_loses_nothing(pages: Pages) -> None:
    wrong = {**FORM, "computing": "Not A Name", "settings.cpus": "-3", "offer.default.time": "soon", "order": "first"}
    answer = await (await pages.browser("admin")).post("/computing/add", data=wrong)
    assert answer.status_code == 422
    for name in ("computing", "offer.default.time", "order"):
        field = answer.text.partition(f'id="field-{name}"')[2][:300]
        assert 'aria-invalid="true"' in field, name
    assert 'value="Not A Name"' in answer.text
    mended = {**wrong, "computing": "mended", "offer.default.time": "1h", "order": "3"}
    settings = await (await pages.browser("admin")).post("/computing/add", data=mended)
    assert 'aria-invalid="true"' in settings.text.partition('id="field-settings.cpus"')[2][:300]
    assert "Nothing is lost." in text_of(settings)


async def test_a_person_adds_their_own_and_nobody_else_sees_it(pages: Pages) -> None:
    ada, eve, admin = await pages.browser("ada"), await pages.browser("eve"), await pages.browser("admin")
    text = f"computing: box\ntitle: My box\nkind: memory\nsettings:\n  token: {CANARY}\n"
    saved = await ada.post("/computing/add", data={"text": text, "action": "save"})
    assert saved.headers["location"] == "/computing/ada.box"
    assert "only you" in text_of(await ada.get("/computing/ada.box"))
    assert "My box" not in text_of(await eve.get("/computing"))
    for other in (eve, admin):
        assert (await other.get("/computing/ada.box")).status_code == 404
        assert (await other.get("/computing/ada.box/edit")).status_code == 404
    for path in ("/computing", "/computing/ada.box", "/computing/ada.box/edit", "/computing/ada.box/edit?by=yaml"):
        assert CANARY not in (await ada.get(path)).text
    everything = await admin.get("/administration/computings")
    assert "My box" in text_of(everything)
    assert CANARY not in everything.text
    paused = await admin.post(
        "/computing/ada.box/intake", data={"intake": "paused", "back": "/administration/computings"}
    )
    assert paused.headers["location"] == "/administration/computings"
    assert "It takes no new tasks." in text_of(await ada.get("/computing/ada.box"))
    refused = await ada.post("/computing/add", data={"text": "computing: all\nkind: memory\naudience: everybody\n"})
    assert refused.status_code == 403
    assert "computing: all" in definition(refused.text)
    assert (await ada.post("/computing/ada.box/remove")).status_code == 303


async def test_a_place_is_tested_paused_and_opened(pages: Pages) -> None:
    admin, ada = await pages.browser("admin"), await pages.browser("ada")
    assert "It has just answered." in text_of(await ada.post("/computing/local/test"))
    pages.platform.world.break_down()
    try:
        answer = await ada.post("/computing/local/test")
    finally:
        pages.platform.world.mend()
    assert answer.status_code == 503
    assert "does not answer" in text_of(answer)
    assert (await ada.post("/computing/local/intake", data={"intake": "paused"})).status_code == 403
    assert (await admin.post("/computing/local/intake", data={"intake": "paused"})).status_code == 303
    assert "Open again" in text_of(await admin.get("/computing/local"))
    computings, boss = pages.platform.services.computings, await pages.callers.actor("admin")
    _ = await computings.add(boss, "computing: spare\nkind: memory\n")
    options = await ada.get("/software/jupyterlab/start")
    assert '<option value="local" disabled>This machine (takes no new tasks)</option>' in options.text
    await computings.remove(boss, "spare")
    assert (await admin.post("/computing/local/intake", data={"intake": "open"})).status_code == 303


async def test_removing_is_refused_while_live_tasks_are_there(pages: Pages) -> None:
    admin = await pages.browser("admin")
    task = await pages.platform.started(await pages.callers.actor("ada"))
    refused = await admin.post("/computing/local/remove")
    assert refused.status_code == 409
    assert "live task" in text_of(refused)
    await pages.platform.services.tasks.stop(await pages.callers.actor("ada"), task.id)


async def test_places_are_followed(pages: Pages) -> None:
    ada = await pages.browser("ada")
    async with ada.stream("GET", "/live/computing") as stream:
        lines = stream.aiter_lines()
        _ = await read_until(lines, lambda data: "This machine" in data)
        text = "computing: seen\ntitle: Seen at once\nkind: memory\n"
        _ = await pages.platform.services.computings.add(await pages.callers.actor("admin"), text)
        _ = await read_until(lines, lambda data: "Seen at once" in data)
    await pages.platform.services.computings.remove(await pages.callers.actor("admin"), "seen")


async def test_what_is_known_of_a_place_is_followed(pages: Pages) -> None:
    admin, ada = await pages.browser("admin"), await pages.browser("ada")
    actor = await pages.callers.actor("admin")
    _ = await pages.platform.services.computings.add(actor, "computing: new\ntitle: New\nkind: memory\n")
    assert 'hx-sse:connect="/live/computing/new"' in (await ada.get("/computing/new")).text
    assert "hx-sse:connect" not in (await admin.post("/computing/new/test")).text
    async with ada.stream("GET", "/live/computing/new") as stream:
        lines = stream.aiter_lines()
        _ = await read_until(lines, lambda data: "Answers" in data and "memory 1" in data)
    await pages.platform.services.computings.remove(actor, "new")
    assert (await ada.get("/live/computing/new")).status_code == 404


async def test_starting_points_lead_to_a_form(pages: Pages) -> None:
    admin, ada = await pages.browser("admin"), await pages.browser("ada")
    page = await admin.get("/computing/add")
    starts = re.findall(r'href="(/computing/add\?start=[a-z-]+)"', page.text)
    assert "/computing/add?start=here" in starts
    for start in starts:
        shown = await admin.get(start)
        assert shown.status_code == 200, start
        assert (await admin.get(f"{start}&by=yaml")).status_code == 200
    own = await ada.get("/computing/add?start=slurm")
    assert '<option value="key" selected>key</option>' in own.text
    assert "start=here" not in (await ada.get("/computing/add")).text
    assert (await ada.get("/computing/add?start=here")).status_code == 404


@pytest.fixture
async def machine() -> AsyncIterator[tuple[int, str]]:
    """A machine that speaks SSH: its port, and the fingerprint of its host key."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_host_keys=[key]) as server:
        yield server.get_port(), key.get_fingerprint()


async def test_host_keys_are_fetched_and_shown_to_be_compared(pages: Pages, machine: tuple[int, str]) -> None:
    admin, (port, fingerprint) = await pages.browser("admin"), machine
    form = {"computing": "far", "kind": "batch", "settings.host.address": "127.0.0.1", "settings.host.port": str(port)}
    fetched = await admin.post("/computing/add", data={**form, "action": "keys:settings.host"})
    assert fetched.status_code == 200, fetched.text
    assert fingerprint in text_of(fetched)
    assert fields(fetched.text)["settings.host.keys"].startswith("ssh-ed25519 AAAA")
    nowhere = await admin.post(
        "/computing/add", data={**form, "settings.host.port": "1", "action": "keys:settings.host"}
    )
    assert nowhere.status_code == 503
    for wrong in ({"settings.host.address": ""}, {"settings.host.port": "70000"}):
        refused = await admin.post("/computing/add", data={**form, **wrong, "action": "keys:settings.host"})
        assert refused.status_code == 422
        assert 'aria-invalid="true"' in refused.text
