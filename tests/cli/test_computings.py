"""Computings on the command line."""

from pathlib import Path

import pytest

from specola.cli.probes import reach_word
from tests.cli.conftest import Program
from tests.support.callers import Callers
from tests.support.harness import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

FAR = "computing: far\ntitle: Far away\nkind: memory\nsettings:\n  cpus: 3\n  token: canary-5p8w2x\n"


async def test_computing_that_was_not_asked_yet_is_not_told_as_silent() -> None:
    assert reach_word({"asked": None, "reachable": False}) == "not asked yet"
    assert "unreachable" in reach_word({"asked": "2026-11-27T12:00:00Z", "reachable": False})


async def test_a_record_is_tested_added_edited_paused_and_removed(
    specola: Program, platform: Platform, callers: Callers, tmp_path: Path
) -> None:
    signed_in = {"SPECOLA_URL": platform.settings.url, "SPECOLA_TOKEN": await callers.token("admin")}
    (file := tmp_path / "far.yaml").write_text(FAR)
    tested = await specola("computings", "add", str(file), "--test", **signed_in)
    assert tested.code == 0, tested.err
    assert "3 CPU" in tested.out
    untold = FAR.replace("cpus: 3\n", "cpus: 0\n  memory: 0\n")
    assert "size" not in (await specola("computings", "add", "-", "--test", stdin=untold, **signed_in)).out
    assert (await specola("computings", "show", "far", **signed_in)).code == 4
    added = await specola("computings", "add", "-", stdin=FAR, **signed_in)
    assert added.out == "far: added. Test it: specola computings test far\n"
    shown = await specola("computings", "show", "far", "--yaml", **signed_in)
    assert "cpus: 3\n" in shown.out
    assert "canary" not in shown.out
    file.write_text(shown.out.replace("Far away", "Nearer"))
    assert "3 CPU" in (await specola("computings", "edit", "far", "--file", str(file), "--test", **signed_in)).out
    assert (await specola("computings", "edit", "far", "--file", str(file), **signed_in)).code == 0
    assert (await specola("computings", "pause", "far", "--json", **signed_in)).json["intake"] == "paused"
    assert "Nearer" in (listed := await specola("computings", "ls", **signed_in)).out
    assert "paused" in listed.out
    assert "platform" in (await specola("computings", "ls", "--mine", **signed_in)).out
    assert (await specola("computings", "open", "far", **signed_in)).code == 0
    assert "memory 1" in (await specola("computings", "test", "far", **signed_in)).out
    assert (await specola("computings", "remove", "far", **signed_in)).out == "far: removed\n"


async def test_faults_name_their_lines_and_a_person_adds_their_own(ada: Program, tmp_path: Path) -> None:
    refused = await ada("computings", "add", "-", stdin="computing: box\nkind: memory\nsettings: {cpu: 2}\n")
    assert refused.code == 2
    assert "line 3" in refused.err
    assert (await ada("computings", "add", "-", stdin=FAR + "audience: everybody\n")).code != 0
    assert (await ada("computings", "add", str(tmp_path / "missing.yaml"))).code == 4
    own = await ada("computings", "add", "-", "--json", stdin="computing: box\nkind: memory\n")
    assert own.json["name"] == "ada.box"
    assert "ada.box" in (await ada("computings", "ls", "--mine")).out
