"""Converted images that nobody uses any more are removed, and no others."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from specola.computing.batch.agent.aging import USED, age, using

pytestmark = pytest.mark.anyio

DAY = 86400.0
KEY = f"{'a' * 64}-amd64"


def shelf(images: Path, *, days: float, key: str = KEY) -> Path:
    """Lay out an image that was last used some days ago; return its folder."""
    folder = images / key
    folder.mkdir(parents=True)
    for name in ("image.sif", "image.sif.json", ".image.sif.lock", "image.json", USED):
        (folder / name).write_text(name, encoding="ascii")
    made_older(folder, days)
    return folder


def made_older(folder: Path, days: float) -> None:
    at = time.time() - days * DAY
    for one in (*folder.iterdir(), folder):
        os.utime(one, (at, at))


def task(folder: Path, image: Path, *, installation: str = "other", status: Mapping[str, str] | None = None) -> None:
    """Lay out the folder of a task that has an image; without a status, it waits in the queue."""
    own = folder / installation / "tasks" / "one"
    own.mkdir(parents=True)
    (own / "manifest.json").write_text(json.dumps({"image": {"sif": str(image / "image.sif")}}), encoding="ascii")
    if status is not None:
        (own / "status.json").write_text(json.dumps(status), encoding="ascii")


def test_image_that_was_not_used_for_so_long_is_removed(tmp_path: Path) -> None:
    old = shelf(tmp_path / "images", days=31)
    young = shelf(tmp_path / "images", days=29, key=f"{'b' * 64}-amd64")
    (tmp_path / "images/notes").mkdir()
    made_older(tmp_path / "images/notes", 100)
    assert age(tmp_path / "images", days=30, tasks=tmp_path) == [old.name]
    assert sorted(one.name for one in (tmp_path / "images").iterdir()) == [young.name, "notes"]
    assert age(tmp_path / "images", days=30, tasks=tmp_path) == []


@pytest.mark.parametrize("status", [None, {"phase": "starting"}, {"phase": "running"}])
def test_image_of_a_task_that_waits_or_runs_stays(tmp_path: Path, status: Mapping[str, str] | None) -> None:
    old = shelf(tmp_path / "images", days=100)
    task(tmp_path, old, status=status)
    assert age(tmp_path / "images", days=30, tasks=tmp_path) == []
    assert (old / "image.sif").exists()


def test_image_of_a_task_that_has_ended_goes(tmp_path: Path) -> None:
    old = shelf(tmp_path / "images", days=100)
    task(tmp_path, old, status={"phase": "ended"})
    assert age(tmp_path / "images", days=30, tasks=tmp_path) == [old.name]


async def test_image_in_use_is_locked_and_young(tmp_path: Path) -> None:
    old = shelf(tmp_path / "images", days=100)
    use = asyncio.create_task(using(old / "image.sif"))
    await asyncio.sleep(0)
    assert time.time() - (old / USED).stat().st_mtime < 60
    assert age(tmp_path / "images", days=30, tasks=tmp_path) == []
    # A node whose clock is wrong, or that sees no locks: one of both is enough.
    made_older(old, 100)
    assert age(tmp_path / "images", days=30, tasks=tmp_path) == []
    use.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await use
    assert age(tmp_path / "images", days=30, tasks=tmp_path) == [old.name]


def test_folder_that_is_missing_has_no_images(tmp_path: Path) -> None:
    assert age(tmp_path / "nowhere", days=30, tasks=tmp_path) == []
