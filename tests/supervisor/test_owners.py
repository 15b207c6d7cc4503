"""What root hands to the unprivileged user: everything that is there, and nothing that a link leads to."""

import os
import pwd
from pathlib import Path

import pytest

from specola.lifetime import held
from specola.privileges import hand_over

NOBODY = "nobody"


def owner(path: Path) -> int:
    return path.lstat().st_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes owners")
def test_links_are_handed_over_themselves_and_never_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    (outside / "folder").mkdir(parents=True)
    (outside / "folder" / "file").touch()
    (inside / "folder").mkdir(parents=True)
    (inside / "folder" / "file").touch()
    (inside / "link").symlink_to(outside / "folder")
    hand_over(inside, NOBODY)
    nobody = pwd.getpwnam(NOBODY).pw_uid
    mine = [inside, inside / "folder", inside / "folder" / "file", inside / "link"]
    assert {owner(one) for one in mine} == {nobody}
    assert {owner(outside / "folder"), owner(outside / "folder" / "file")} == {os.geteuid()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes owners")
def test_a_link_in_the_place_of_a_folder_leads_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (tmp_path / "link").symlink_to(outside)
    hand_over(tmp_path / "link", NOBODY)
    assert owner(outside / "file") == os.geteuid()


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    (tmp_path / "lock").symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"), held(tmp_path / "lock"):
        pass
    assert target.read_text() == "kept"
