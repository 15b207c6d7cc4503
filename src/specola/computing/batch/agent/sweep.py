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
from .children import close_all_but
from .manifest import Storage
from .podman import NAME, removal
from .runtime import lookup

__all__ = ["clear", "guard", "sweep"]

PAUSE, ROUNDS = 0.05, 100
RESET_SECONDS = 60


def sweep(installation: str) -> list[str]:
    """End and remove what is left of an installation's tasks whose agents run no more; return the names of their folders."""
    swept = []
    for parent in places.candidates():
        for folder in sorted(parent.glob(f"{places.name_of(installation, '')}*")):
            if places.is_ours(folder) and (folder / places.OWNER).exists() and not places.owner_runs(folder):
                clear(folder)
                swept.append(folder.name)
    return swept


def guard(folder: Path) -> None:
    """Have another process wait for the end of this one, and clear up if it could not do that itself."""
    reading, writing = os.pipe()
    if os.fork() != 0:
        os.close(reading)
        # Nobody ever writes: the kernel closes it with this process.
        os.set_inheritable(writing, False)
        return
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        close_all_but((reading,))
        os.read(reading, 1)
        if (folder / places.OWNER).exists():
            clear(folder)
    finally:
        os._exit(0)


def clear(folder: Path) -> None:
    """End what belongs to a task whose agent runs no more, and remove its folders."""
    disk: Path | None = None
    sessions: dict[int, int] = {}
    with contextlib.suppress(OSError, ValueError, KeyError):
        told = json.loads((folder / places.OWNER).read_text(encoding="utf-8"))
        disk = Path(told["disk"])
        sessions = {
            int(pid): int(began) for pid, began in told["sessions"].items() if began and int(pid) != told["pid"]
        }
    _end_all(folder, sessions)
    if disk is not None and disk.name.startswith(folder.name) and places.is_ours(disk):
        _forget_containers(folder, disk)
        _end_all(folder, {})
        places.remove(disk)
    places.remove(folder)


def _end_all(folder: Path, sessions: dict[int, int]) -> None:
    """Kill what was started for a task, and all that it has started, until nothing is left.

    It is known by its session, whose number nothing else gets while one of it lives, or by the mark in its variables:
    some make sessions of their own, and others write over their variables.
    """
    mark = f"{places.MARK}={folder}".encode()
    for _ in range(ROUNDS):
        seen = processes.processes().values()
        roots = [
            one.pid
            for one in seen
            if (one.session in sessions and one.began >= sessions[one.session]) or mark in _environment(one.pid)
        ]
        found = {pid for root in roots for pid in (root, *(one.pid for one in processes.below(root)))}
        alive = {pid for pid in found - {os.getpid()} if processes.started(pid) is not None}
        if not alive:
            return
        for pid in alive:
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
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        words, more = removal(program, Storage(str(disk / "root"), str(disk / "runroot")), folder)
        subprocess.run(  # noqa: S603 -- a list, written here
            words,
            env={**os.environ, **more, places.MARK: str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RESET_SECONDS,
            check=False,
        )
