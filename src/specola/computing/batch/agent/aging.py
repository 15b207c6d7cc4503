"""Converted images are removed that no task has used for long."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["USED", "age", "using"]

USED = "used"
"""A file beside an image, as old as its last use."""
SHELF = re.compile(r"[0-9a-f]{64}-[a-z0-9_]+")
ASIDE = ".gone-"
DAY = 86400.0
HOUR = 3600.0


async def using(image: Path) -> None:
    """Say that a task uses an image, until this is cancelled.

    By a lock, which needs no right but to read it, and by the age of a file, for file systems whose locks other nodes do
    not see.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            file = stack.enter_context(image.open("rb"))
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        while True:
            with contextlib.suppress(OSError):
                (image.parent / USED).touch(mode=0o644)
            await asyncio.sleep(HOUR)


def age(images: Path, *, days: float, tasks: Path) -> list[str]:
    """Remove the images of this account that nobody has used for so long; return the names of their folders.

    1. An image is old if nothing in its folder was changed for so long, which every use does.
    2. It is in use if somebody holds its lock, or if a task of any installation that has not ended names it: such a task
       may wait in the queue for longer than that.
    3. It is moved aside in one step, and looked at once more, before it is removed: who comes in between finds none, and
       fetches it anew.

    Parameters
    ----------
    images
        The folder of all images.
    days
        How long an image is kept after its last use.
    tasks
        The folder that has `INSTALLATION/tasks/TASK` in it.
    """
    removed = []
    with contextlib.suppress(OSError):
        for left in images.glob(f"{ASIDE}*"):
            if left.stat().st_ctime < time.time() - HOUR:
                shutil.rmtree(left, ignore_errors=True)
        for folder in sorted(one for one in images.iterdir() if SHELF.fullmatch(one.name)):
            # Somebody else may remove it at the same time, or not let us look.
            with contextlib.suppress(OSError):
                if _may_go(folder, days, tasks) and _gone(folder, days, tasks):
                    removed.append(folder.name)
    return removed


def _gone(folder: Path, days: float, tasks: Path) -> bool:
    """Remove an image; return whether nobody came in between."""
    aside = folder.with_name(f"{ASIDE}{folder.name}-{os.getpid()}")
    folder.rename(aside)
    if not _is_old(aside, days) or folder.name in _wanted(tasks):
        # Where the image is being fetched anew already, this one is left for the next time.
        aside.rename(folder)
        return False
    shutil.rmtree(aside)
    return True


def _may_go(folder: Path, days: float, tasks: Path) -> bool:
    if folder.is_symlink() or folder.stat().st_uid != os.getuid() or not _is_old(folder, days):
        return False
    return not _is_locked(folder) and folder.name not in _wanted(tasks)


def _is_old(folder: Path, days: float) -> bool:
    times = [folder.stat().st_mtime, *(one.lstat().st_mtime for one in folder.iterdir())]
    return max(times) < time.time() - days * DAY


def _is_locked(folder: Path) -> bool:
    """Tell whether somebody uses the image, or makes it now."""
    for file in (one for one in folder.iterdir() if one.name.endswith((".sif", ".lock"))):
        with file.open("r+b") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def _wanted(tasks: Path) -> set[str]:
    """Return the names of the folders of the images of all tasks of this account that have not ended."""
    return set(_named(tasks))


def _named(tasks: Path) -> Iterator[str]:
    for file in tasks.glob("*/tasks/*/manifest.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            sif = json.loads(file.read_text(encoding="utf-8"))["image"]["sif"]
            if sif and not _has_ended(file.with_name("status.json")):
                yield Path(sif).parent.name


def _has_ended(status: Path) -> bool:
    try:
        return bool(json.loads(status.read_text(encoding="utf-8"))["phase"] == "ended")
    except (OSError, ValueError, KeyError, TypeError):
        return False
