"""The processes of this node that belong to a task, as /proc tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Identity",
    "Process",
    "below",
    "first_of",
    "identity",
    "inside",
    "members",
    "outlives",
    "processes",
    "started",
    "together",
]

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
HANG_UP_IGNORED = 0x1


@dataclass(frozen=True)
class Process:
    """One process: who started it, its session, when it began, the seconds of CPU it used, its memory in bytes."""

    pid: int
    state: str
    parent: int
    session: int
    began: int
    seconds: float
    memory: int


@dataclass(frozen=True)
class Identity:
    """Whose rights a process has, as its own namespace of users numbers them."""

    user: int
    group: int
    groups: tuple[int, ...]
    capabilities: int
    no_new_privileges: bool


def processes() -> dict[int, Process]:
    """Return all processes that this one sees."""
    found = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (one := _read(int(folder.name))) is not None:
            found[one.pid] = one
    return found


def _read(pid: int) -> Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # proc(5): the fields after the name in brackets, of which the first is the third.
    fields = text.rpartition(")")[2].split()
    seconds = sum(map(int, fields[11:15])) / TICKS
    return Process(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        began=int(fields[19]),
        seconds=seconds,
        memory=int(fields[21]) * PAGE,
    )


def started(pid: int) -> int | None:
    """Return when a process began, which tells it from a later one of the same number; None: there is none."""
    found = _read(pid)
    return found.began if found is not None and found.state != "Z" else None


def below(root: int) -> Iterator[Process]:
    """Yield the processes that a process has started, and those that they have."""
    seen = processes()
    children: dict[int, list[Process]] = {}
    for one in seen.values():
        children.setdefault(one.parent, []).append(one)
    waiting = list(children.get(root, ()))
    while waiting:
        one = waiting.pop()
        yield one
        waiting += children.get(one.pid, ())


def inside(number: int, root: int) -> int | None:
    """Return which process below `root` has a number in a namespace of processes further in."""
    for one in below(root):
        numbers = _status(one.pid).get("NSpid", "").split()
        if len(numbers) > 1 and numbers[-1] == str(number) and one.state != "Z":
            return one.pid
    return None


def first_of(pid: int) -> int | None:
    """Return the first process of the namespace of processes that a process is in; without it, all of them end."""
    space = _space(pid)
    for one in processes():
        if _space(one) == space and _status(one).get("NSpid", "").split()[-1:] == ["1"]:
            return one
    return None


def together(pid: int) -> Iterator[Process]:
    """Yield the processes that are in one namespace of processes with another."""
    space = _space(pid)
    return (one for one in below(os.getpid()) if space is not None and _space(one.pid) == space)


def _space(pid: int) -> int | None:
    try:
        return (PROC / str(pid) / "ns/pid").stat().st_ino
    except OSError:
        return None


def members(session: int) -> list[Process]:
    """Return the processes of a session that have not ended."""
    return [one for one in processes().values() if one.session == session and one.state != "Z"]


def outlives(pid: int) -> bool:
    """Tell whether a process ignores the signal of a hang-up."""
    return bool(int(_status(pid).get("SigIgn", "0"), 16) & HANG_UP_IGNORED)


def identity(pid: int) -> Identity:
    """Return whose rights a process has. Raises OSError if it is gone."""
    status = _status(pid)
    if "Uid" not in status:
        raise ProcessLookupError("It has ended.")
    groups = (_mapped(pid, "gid_map", int(one)) for one in status["Groups"].split())
    return Identity(
        user=_mapped(pid, "uid_map", int(status["Uid"].split()[1])) or 0,
        group=_mapped(pid, "gid_map", int(status["Gid"].split()[1])) or 0,
        groups=tuple(one for one in groups if one is not None),
        capabilities=int(status["CapBnd"], 16),
        no_new_privileges=status.get("NoNewPrivs") == "1",
    )


def _mapped(pid: int, name: str, number: int) -> int | None:
    """Return what a number of ours is in the namespace of a process."""
    for line in (PROC / str(pid) / name).read_text(encoding="ascii").splitlines():
        first, ours, count = map(int, line.split())
        if ours <= number < ours + count:
            return first + number - ours
    return None


def _status(pid: int) -> dict[str, str]:
    try:
        text = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key: value.strip() for key, _, value in pairs}
