"""The lab's registry: holds what it is given, under one name on this machine and in the lab."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab import registry
from lab.place import Condition
from tests.support.images import TEST_IMAGE

pytestmark = pytest.mark.containers


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "box.tar"
    file.write_bytes(TEST_IMAGE.archive())
    return file


def test_it_serves_what_was_put_into_it_until_it_goes(tmp_path: Path, archive: Path) -> None:
    ground = tmp_path / "lab"
    place = registry.up(ground, {"test/box:1": archive})
    ((name, digest),) = place.digests.items()
    asked = ["skopeo", "inspect", "--tls-verify=false", "--no-tags", f"docker://{name}"]
    told = subprocess.run(asked, capture_output=True, check=True, timeout=60)
    assert json.loads(told.stdout)["Digest"] == digest

    assert registry.up(ground, {"test/box:1": archive}) == place
    assert registry.status(ground).condition is Condition.UP

    registry.down(ground)
    assert registry.status(ground).condition is Condition.DOWN
    assert subprocess.run(asked, capture_output=True, check=False, timeout=60).returncode != 0
    assert not ground.exists()
    registry.down(ground)


def test_it_is_told_the_same_by_the_command_line(tmp_path: Path) -> None:
    def say(*words: str) -> tuple[int, str]:
        argv = [sys.executable, "-m", *words, "--ground", str(tmp_path / "lab")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
        return done.returncode, done.stdout

    registry.up(tmp_path / "lab", {})
    assert say("lab.registry", "status") == (0, "up\n  docker-registry: runs\n")
    assert say("lab", "status", "registry") == (0, "registry: up\n")
    assert say("lab", "down", "registry") == (0, "")
    assert say("lab.registry", "status") == (3, "down\n")
    assert say("lab.nothing", "status")[0] == 1
    assert say("lab", "up", "nothing")[0] == 2
