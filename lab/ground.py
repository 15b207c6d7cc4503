"""Where a lab lies: its folder, and the port of its registry."""

import os
import stat
import zlib
from pathlib import Path

from scripts.machine import FailedError

__all__ = ["GROUND", "REGISTRY_PORTS", "lay", "registry_port"]

GROUND = Path(os.environ.get("SPECOLA_LAB") or "/var/tmp/specola-lab")  # noqa: S108 -- `lay` looks whose it is
"""Where places are, unless somebody names another folder; each folder has a lab of its own."""
REGISTRY_PORTS = range(20450, 20500)
"""The ports among which every lab's registry is; lab machines ask these without TLS."""


def registry_port(ground: Path) -> int:
    """Return the port of a lab's registry: the same on the loopback of this machine and of every lab machine."""
    if ground == GROUND:
        return REGISTRY_PORTS[-1]
    return REGISTRY_PORTS[zlib.crc32(str(ground).encode()) % (len(REGISTRY_PORTS) - 1)]


def lay(ground: Path, place: str) -> Path:
    """Make the folder of a place, closed to everybody else; return it.

    Raises
    ------
    FailedError
        Somebody else made the lab's folder, and could put into it what they like.
    """
    ground.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = ground.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise FailedError(f"{ground} is not a folder that you alone may write to; remove it, or name another --ground.")
    (ground / place).mkdir(mode=0o700, exist_ok=True)
    return ground / place
