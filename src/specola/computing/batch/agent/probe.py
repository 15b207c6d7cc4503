"""What this node has that tasks need."""

from __future__ import annotations

import os
import platform
import pwd
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

from . import apptainer, kernel, outward, places, podman
from .runtime import lookup

__all__ = ["architecture", "probe"]

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Machines in the words of registries."""
VERSION = re.compile(r"\d+(?:\.\d+)+")
ANSWER_SECONDS = 20
GPUS = re.compile(r"nvidia\d+|kfd")


def probe() -> dict[str, Any]:
    """Look at this node; nothing is started but programs that tell their version."""
    runtimes = {"apptainer": _version(*apptainer.NAMES), "podman": _version(podman.NAME)}
    way_out = lookup(*outward.NAMES)
    return {
        "node": socket.gethostname(),
        "python": platform.python_version(),
        "architecture": architecture(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": sum(bool(GPUS.fullmatch(one.name)) for one in Path("/dev").iterdir()),
        "runtimes": {name: version for name, version in runtimes.items() if version},
        "user_namespaces": _has_namespaces(),
        "outward": Path(way_out).name if way_out else None,
        "subuid": _has_range(Path("/etc/subuid")) and _has_range(Path("/etc/subgid")),
        "squashfuse": lookup("squashfuse_ll", "squashfuse") is not None,
        "fuse_overlayfs": lookup("fuse-overlayfs") is not None,
        "sockets": next((str(one) for one in places.candidates()), None),
        "scratch": next((str(one) for one in places.disks() if one.is_dir() and os.access(one, os.W_OK)), None),
    }


def architecture() -> str:
    """Return what registries call machines like this one."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def _version(*names: str) -> str | None:
    program = lookup(*names)
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 -- a list, written here
            [program, "--version"], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = VERSION.search(done.stdout)
    return found[0] if found else None


def _has_namespaces() -> bool:
    """Try whether an account may make namespaces; the child that tries it ends at once."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            user, group = os.getuid(), os.getgid()
            kernel.leave(kernel.USER | kernel.NETWORK)
            kernel.map_itself(user, group)
            kernel.loopback_up()
            code = 0
        except OSError:
            pass
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def _has_range(file: Path) -> bool:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = ""
    return any(line.partition(":")[0] in {name, str(os.getuid())} for line in lines if line)
