"""Processes of the lab, noted so that they are found again, and ended, by exactly the process that was started."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scripts.machine import FailedError

__all__ = ["Process", "spawn", "wait_for"]

BOOT = Path("/proc/sys/kernel/random/boot_id")
STATE, BEGAN = 0, 19
END_SECONDS = 20.0


def _facts(pid: int) -> list[str]:
    """Return what the kernel tells of a process after its name (proc(5), `stat`); empty: there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its number, and when it began, since numbers are used again."""

    pid: int
    began: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """Return a process that runs now."""
        return cls(pid, _began(_facts(pid)))

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Return the process that was noted in a file; None: none was."""
        try:
            pid, began = file.read_text(encoding="ascii").split(maxsplit=1)
        except (OSError, ValueError):
            return None
        return cls(int(pid), began)

    def note(self, file: Path) -> None:
        """Note it in a file."""
        file.write_text(f"{self.pid} {self.began}", encoding="ascii")

    @property
    def runs(self) -> bool:
        """Whether it is still there, and not only as what its parent has yet to collect."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        facts = _facts(self.pid)
        return bool(facts) and facts[STATE] != "Z" and _began(facts) == self.began

    @property
    def children(self) -> list[int]:
        """The numbers of the processes that it started and that are still there."""
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
            return [int(one) for one in text.split()]
        return []

    def end(self, *, hard: bool = False) -> None:
        """End it and wait until it has gone.

        Parameters
        ----------
        hard
            Do not ask first.

        Raises
        ------
        FailedError
            It does not go.
        """
        if not self.runs:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL if hard else signal.SIGTERM)
        until = time.monotonic() + END_SECONDS
        while self.runs:
            if time.monotonic() > until:
                raise FailedError(f"Process {self.pid} does not end.")
            time.sleep(0.01)


def _began(facts: Sequence[str]) -> str:
    boot = BOOT.read_text(encoding="ascii").strip()
    return f"{boot}/{facts[BEGAN]}" if facts else boot


def spawn(argv: Sequence[str | Path], log: Path, *, output: int | None = None, folder: Path = Path("/")) -> Process:
    """Start a process in a session of its own, which goes on when this one ends.

    Parameters
    ----------
    argv
        Its command; the program with its whole path.
    log
        Where what it says is put.
    output
        A descriptor for its standard output, instead of the log.
    folder
        Where it works.
    """
    words = ["/usr/bin/env", f"--chdir={folder}", *map(str, argv)]
    environment: Mapping[str, str] = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 2 if output is None else output, 1),
    ]
    return Process.of(os.posix_spawn(words[0], words, environment, file_actions=actions, setsid=True))


def wait_for(what: str, *, seconds: float, is_there: Callable[[], bool], log: Path | None = None) -> None:
    """Wait until a question is answered with yes.

    Raises
    ------
    FailedError
        It is not in time; the sentence names `what`, and where to look.
    """
    until = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > until:
            raise FailedError(f"{what} is not there after {seconds:.0f} s." + (f" See {log}." if log else ""))
        time.sleep(0.05)
