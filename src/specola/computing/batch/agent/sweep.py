"""What agents that were killed have left on this node: found by their folders, ended, removed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from . import places, processes
from .manifest import Storage
from .podman import NAME, tool
from .runtime import lookup

__all__ = ["sweep"]

PAUSE, ROUNDS = 0.05, 100
RESET_SECONDS = 60


def sweep(installation: str) -> list[str]:
    """End and remove what is left of an installation's tasks whose agents run no more; return the names of their folders."""
    swept = []
    for parent in places.candidates():
        for folder in sorted(parent.glob(f"{places.name_of(installation, '')}*")):
            if places.is_ours(folder) and (folder / places.OWNER).exists() and not places.owner_runs(folder):
                _sweep(folder)
                swept.append(folder.name)
    return swept


def _sweep(folder: Path) -> None:
    disk: Path | None = None
    with contextlib.suppress(OSError, ValueError, KeyError):
        disk = Path(json.loads((folder / places.OWNER).read_text(encoding="utf-8"))["disk"])
    _end_all(folder)
    if disk is not None and disk.name.startswith(folder.name) and places.is_ours(disk):
        _forget_containers(folder, disk)
        _end_all(folder)
        places.remove(disk)
    places.remove(folder)


def _end_all(folder: Path) -> None:
    """Kill what was started with a folder's mark, and all that it has started, until nothing is left."""
    mark = f"{places.MARK}={folder}".encode()
    for _ in range(ROUNDS):
        marked = [pid for pid in processes.processes() if mark in _environment(pid)]
        found = {pid for root in marked for pid in (root, *(one.pid for one in processes.below(root)))}
        if not found:
            return
        for pid in found - {os.getpid()}:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE)


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        # It is somebody else's, or has ended.
        return []


def _forget_containers(folder: Path, disk: Path) -> None:
    """Have Podman remove its storage, part of which belongs to other numbers of this account."""
    program = lookup(NAME)
    if program is None or not (disk / "root").exists():
        return
    words = tool(program, Storage(str(disk / "root"), str(disk / "runroot")))
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "TMPDIR": str(disk), places.MARK: str(folder)}
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 -- a list, written here
            [*words, "system", "reset", "--force"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RESET_SECONDS,
            check=False,
        )
