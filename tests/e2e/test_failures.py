"""What people do wrong, on a real engine: a clear sentence, a hint, the right exit code, and nothing lost."""

import json
from pathlib import Path

import pytest

from tests.support.images import ARM_IMAGE
from tests.support.installed import Installed

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.xdist_group("podman-e2e")]


async def test_wrong_wishes_are_refused_before_anything_starts(platform: Installed) -> None:
    wrong = {
        ("localhost/specola/nothing:1.0",): (2, "There is no image"),
        (ARM_IMAGE.reference,): (2, "made for arm64"),
        ("sum", "--memory", "900TiB"): (5, "at most"),
        ("sum", "--memory", "much"): (2, "is not a size"),
        ("sum", "--on", "moon"): (4, "moon"),
        ("sum", "--env", "SPECOLA_X=1"): (2, "SPECOLA_X"),
        ("Sum!",): (2, "Sum!"),
    }
    for words, (expected, sentence) in wrong.items():
        code, _, errors = await platform.command("run", *words)
        assert (code, sentence in errors) == (expected, True), (words, code, errors)
        assert len(errors.strip().splitlines()) >= 2, f"no hint: {errors}"
    code, output, _ = await platform.command("ls", "--all", "--json")
    assert (code, json.loads(output)) == (0, [])


async def test_a_name_is_given_once(platform: Installed) -> None:
    assert (await platform.command("run", "sum", "--name", "mine"))[0] == 0
    code, _, errors = await platform.command("run", "sum", "--name", "mine")
    assert code == 5
    assert "mine" in errors


async def test_a_command_that_ends_at_once_shows_its_last_words(platform: Installed, tmp_path: Path) -> None:
    file = tmp_path / "brief.yaml"
    file.write_text(
        "software: brief\ntitle: Brief\nimage: localhost/specola/sum:1.0\n"
        "command: [python3, -c, \"import sys; print('what went wrong'); sys.exit(3)\"]\n"
        "interfaces: [{name: web, port: 8000}]\n",
        encoding="utf-8",
    )
    assert (await platform.command("software", "add", str(file)))[0] == 0
    code, output, errors = await platform.command("run", "brief", "--wait", "60", "--json")
    shown = json.loads(output)
    assert code != 0
    assert shown["state"] == "failed"
    assert "3" in shown["reason"]["sentence"]
    assert "what went wrong" in shown["reason"]["sentence"] + errors
    assert shown["reason"]["hint"]
    code, output, _ = await platform.command("logs", "Brief")
    assert (code, output.strip()) == (0, "what went wrong")


async def test_malformed_yaml_names_the_line(platform: Installed, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("software: wrong\nimage: a/b:1\ninterfaces:\n  - name: web\n    prot: 80\n", encoding="utf-8")
    code, _, errors = await platform.command("software", "add", str(file))
    assert code == 2
    assert "line 5" in errors
    assert "prot" in errors


async def test_a_port_that_never_answers_is_named_while_waiting(platform: Installed, tmp_path: Path) -> None:
    file = tmp_path / "silent.yaml"
    file.write_text(
        "software: silent\ntitle: Silent\nimage: localhost/specola/sum:1.0\n"
        "command: [sleep, infinity]\ninterfaces: [{name: web, port: 8000}]\n",
        encoding="utf-8",
    )
    assert (await platform.command("software", "add", str(file)))[0] == 0
    code, output, errors = await platform.command("run", "silent", "--wait", "5", "--json")
    assert code == 6, errors
    shown = json.loads(output)
    assert shown["state"] == "starting"
    assert [one["ready"] for one in shown["interfaces"]] == [False]
    code, output, _ = await platform.command("show", "Silent")
    assert code == 0
    assert "web" in output
    assert (await platform.command("stop", "Silent", "--wait", "30"))[0] == 0
