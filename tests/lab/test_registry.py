"""The lab's registry: holds what it is given, under one name on this machine and in the lab."""

import json
import subprocess
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
