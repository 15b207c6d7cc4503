"""The catalogue over the API."""

import pytest

from tests.support.callers import Callers

pytestmark = pytest.mark.anyio

DEFINITION = """\
software: counter
title: A counter
image: example.test/web:1
interfaces:
  - {name: web, port: 8000, protocol: http}
"""
YAML = {"Content-Type": "application/yaml"}


async def test_an_entry_is_added_shown_exported_edited_and_removed(callers: Callers) -> None:
    ada = await callers.program("ada")
    added = await ada.post("/software", content=DEFINITION, headers=YAML)
    assert added.status_code == 201, added.text
    assert (added.json()["name"], added.json()["editable"]) == ("counter", True)
    assert added.json()["releases"][0]["interfaces"][0]["port"] == 8000
    assert (await ada.get("/software/counter")).json() == added.json()
    exported = await ada.get("/software/counter/definition")
    assert exported.headers["content-type"].startswith("application/yaml")
    changed = exported.text.replace("A counter", "Another counter")
    edited = await ada.put("/software/counter/definition", content=changed, headers=YAML)
    assert edited.json()["title"] == "Another counter"
    taken = await ada.post("/software", content=DEFINITION, headers=YAML)
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    assert (await ada.delete("/software/counter")).status_code == 204
    assert (await ada.get("/software/counter")).status_code == 404


async def test_a_definition_may_be_json(callers: Callers) -> None:
    ada = await callers.program("ada")
    definition = {"software": "as-json", "title": "As JSON", "image": "example.test/web:1"}
    assert (await ada.post("/software", json=definition)).json()["name"] == "as-json"


async def test_faults_come_with_their_lines(callers: Callers) -> None:
    ada = await callers.program("ada")
    text = DEFINITION.replace("port: 8000", "port: 99999").replace("title: A counter", "colour: red")
    answer = await ada.post("/software", content=text, headers=YAML)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "definition")
    assert {2, 5} <= {fault["line"] for fault in problem["problems"]}
    broken = await ada.post("/software", content="software: [", headers=YAML)
    assert broken.json()["problems"][0]["line"] >= 1


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe"])
async def test_what_is_no_text_is_refused(callers: Callers, content: bytes) -> None:
    ada = await callers.program("ada")
    answer = await ada.post("/software", content=content, headers=YAML)
    assert answer.status_code == 422
    assert answer.json()["hint"]


async def test_an_entry_is_ones_own_until_it_is_shared(callers: Callers) -> None:
    ada, bob = await callers.program("ada"), await callers.program("bob")
    await ada.post("/software", content=DEFINITION.replace("counter", "secret"), headers=YAML)
    assert (await bob.get("/software/secret")).status_code == 404
    shared = await ada.put("/software/secret/sharing", json={"shared": True})
    assert shared.json()["shared"] is True
    seen = await bob.get("/software/secret")
    assert seen.json()["editable"] is False
    refused = await bob.put("/software/secret/definition", content=DEFINITION, headers=YAML)
    assert refused.status_code == 403
    assert (await bob.delete("/software/secret")).status_code == 403


async def test_software_is_found(callers: Callers) -> None:
    ada = await callers.program("ada")
    everything = {one["name"] for one in (await ada.get("/software")).json()}
    assert {"jupyterlab", "sum", "ds9", "postgresql"} <= everything
    found = [one["name"] for one in (await ada.get("/software", params={"search": "jupyterlab"})).json()]
    assert "jupyterlab" in found
    assert len(found) < len(everything)


async def test_any_image_becomes_a_draft(callers: Callers) -> None:
    ada = await callers.program("ada")
    draft = (await ada.post("/software/drafts", json={"image": "example.test/web:1"})).json()
    assert draft["image"]["ports"] == [8000]
    added = await ada.post("/software", content=draft["definition"], headers=YAML)
    assert added.json()["name"] == draft["name"]
    unknown = await ada.post("/software/drafts", json={"image": "example.test/nothing:1"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "image_unknown")
