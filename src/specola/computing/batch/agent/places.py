"""The folders on a node that belong to one task alone: one for sockets, one for what needs a disk."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import processes
from .status import write_whole

__all__ = [
    "MARK",
    "OWNER",
    "Place",
    "PlaceError",
    "candidates",
    "disk_for",
    "disks",
    "is_ours",
    "make",
    "name_of",
    "note",
    "owner_runs",
    "remove",
]

MARK = "SPECOLA_AGENT_FOLDER"
"""The variable by which what a runtime started for a task is known, in all that it started in turn."""
OWNER = "owner.json"
# The address of a Unix socket has 107 bytes, unix(7).
MOST_ADDRESS = 90


class PlaceError(Exception):
    """There is no folder on this node that this account alone could use."""


@dataclass(frozen=True)
class Place:
    """The folders of one task on its node, both closed to everybody else."""

    sockets: Path
    disk: Path

    @property
    def socket(self) -> Path:
        """Where the agent answers."""
        return self.sockets / "agent.sock"


def name_of(installation: str, task: str) -> str:
    """Return how a task's folders are called."""
    return f"specola-{installation}-{task}"


def make(name: str, folders: Sequence[str]) -> Place:
    """Make the folders of a task; what an agent that was killed left there is removed before.

    Parameters
    ----------
    folders
        Where the node's own disk is looked for first.

    Raises
    ------
    PlaceError
        Nowhere can they be made, or another agent of this task runs.
    """
    sockets = _make(name, [one for one in candidates() if len(f"{one}/{name}/agent.sock") < MOST_ADDRESS])
    disk = disk_for(f"{name}-disk", folders)
    place = Place(sockets, disk)
    note(place)
    return place


def note(place: Place, *sessions: int) -> None:
    """Write down who has a task's folders, and the sessions of processes that it has started."""
    began = {str(one): processes.started(one) for one in (os.getpid(), *sessions)}
    told = {"pid": os.getpid(), "began": began[str(os.getpid())], "disk": str(place.disk), "sessions": began}
    # In one step: whoever reads half of it takes the task for one whose agent was killed, and clears it away.
    write_whole(place.sockets / OWNER, json.dumps(told))


def disk_for(name: str, folders: Sequence[str]) -> Path:
    """Make a folder on the node's own disk; what one of that name still has is removed before. Raises PlaceError."""
    return _make(name, [*map(Path, folders), *disks()])


def candidates() -> list[Path]:
    """Return the folders in which sockets may be, best first."""
    told = [os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}", os.environ.get("TMPDIR"), "/tmp"]  # noqa: S108
    return list(dict.fromkeys(Path(one) for one in told if one and Path(one).is_dir()))


def disks() -> Iterator[Path]:
    """Yield where the disk of a node may be, best first."""
    # What schedulers and sites call the disk of a node.
    for variable in ("SLURM_TMPDIR", "TMPDIR"):
        if told := os.environ.get(variable):
            yield Path(told)
    yield from map(Path, ("/scratch", "/var/tmp", "/tmp"))  # noqa: S108 -- `_make` looks whose they are


def _make(name: str, parents: Sequence[Path]) -> Path:
    failures = []
    for parent in parents:
        folder = parent / name
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if not is_ours(folder):
                failures.append(f"{folder} is somebody else's")
                continue
            if owner_runs(folder):
                raise PlaceError(f"Another agent has this task, in {folder}.") from None
            remove(folder)
            folder.mkdir(mode=0o700)
        except OSError as error:
            failures.append(str(error))
            continue
        if is_ours(folder):
            return folder
        failures.append(f"{folder} cannot be closed to others")
    raise PlaceError(f"No folder for this task can be made: {'; '.join(failures) or 'nowhere'}.")


def is_ours(folder: Path) -> bool:
    """Tell whether a folder is this account's, and closed to everybody else."""
    facts = folder.lstat()
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o077


def owner_runs(folder: Path) -> bool:
    """Tell whether the agent that made a folder for sockets still runs."""
    try:
        told = json.loads((folder / OWNER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    began = processes.started(int(told["pid"]))
    return began is not None and began == told["began"]


def remove(folder: Path) -> None:
    """Remove a folder with all it has, also what a container closed to this account itself."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for parent, names, _ in os.walk(folder):
            for name in names:
                one = Path(parent, name)
                if not one.is_symlink():
                    with contextlib.suppress(OSError):
                        one.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
