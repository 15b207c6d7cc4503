"""The control groups that a lab machine gets as its own, below this process's, so that what is in them is bounded and removed as one."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.machine import FailedError

__all__ = ["Groups", "is_unified"]

MOUNTS, OWN = Path("/proc/self/mountinfo"), Path("/proc/self/cgroup")
UNIFIED = Path("/sys/fs/cgroup")
PLAIN = frozenset({"rw", "ro"})
REMOVE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One hierarchy of version 1: what selects it when it is mounted, where it is, and where this process is in it."""

    option: str
    mounted: Path
    own: str


def _hierarchies() -> Iterator[Hierarchy]:
    """Yield the hierarchies of version 1 that are mounted (cgroups(7)); none: this machine has version 2 alone."""
    mine = {}
    for line in OWN.read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        mine[controllers] = path
    for line in MOUNTS.read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup":
            option = ",".join(one for one in options.split(",") if one not in PLAIN and not one.startswith("xattr"))
            yield Hierarchy(option, Path(before.split(" ")[4]), mine.get(option, "/"))


def is_unified() -> bool:
    """Tell whether this machine has version 2 alone."""
    return not any(_hierarchies())


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one lab machine, which have the same name in every hierarchy."""

    name: str

    def plan(self) -> dict[str, Any]:
        """Return what the machine's first process has to know to join its groups, and to mount them inside."""
        hierarchies = list(_hierarchies())
        return {
            "groups": [str(folder) for folder in self.folders()],
            "cgroups": {one.mounted.name: one.option for one in hierarchies},
        }

    def remove(self) -> None:
        """Remove the groups and all below them; their processes have ended.

        Raises
        ------
        FailedError
            The kernel keeps one.
        """
        for folder in self.folders():
            until = time.monotonic() + REMOVE_SECONDS
            # What has ended stays in its group until the kernel is done with it.
            while folder.exists():
                for one in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
                    with contextlib.suppress(OSError):
                        one.rmdir()
                with contextlib.suppress(OSError):
                    folder.rmdir()
                if time.monotonic() > until:
                    raise FailedError(f"The control group {folder} cannot be removed.")
                time.sleep(0.01)

    def folders(self) -> list[Path]:
        """Return their folders, one in each hierarchy."""
        hierarchies = list(_hierarchies())
        if not hierarchies:
            # A group of version 2 that has processes of its own has no groups below with controllers: not below ours.
            return [UNIFIED / self.name]
        return [one.mounted / one.own.lstrip("/") / self.name for one in hierarchies]
