"""The folder of a lab: made by whoever brings it up, and by nobody else."""

from pathlib import Path

import pytest

from lab.ground import GROUND, REGISTRY_PORTS, lay, registry_port
from scripts.machine import FailedError


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("open", "link"):
        with pytest.raises(FailedError, match="you alone"):
            lay(tmp_path / name, "slurm")


def test_a_place_is_closed_to_others(tmp_path: Path) -> None:
    folder = lay(tmp_path / "lab", "slurm")
    assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent)] == [0o700, 0o700]


def test_every_ground_has_one_port_for_its_registry(tmp_path: Path) -> None:
    assert registry_port(GROUND) == REGISTRY_PORTS[-1]
    assert registry_port(tmp_path) == registry_port(tmp_path) != registry_port(GROUND)
    assert registry_port(tmp_path) in REGISTRY_PORTS
