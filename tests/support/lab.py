"""What tests do with places of the lab: share them between processes, log in, and look for what is left."""

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lab import kubernetes, registry, slurm, sshhost
from lab.keys import Host, Keys
from lab.place import Place
from lab.processes import Process
from tests.support.engines import cache_folder

__all__ = ["LAB", "Account", "Login", "Traces", "opens", "own_ground", "shared", "take_down", "until"]

PlaceT = TypeVar("PlaceT")
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED"}
LAB = cache_folder() / "lab"
"""The lab of the tests, beside any other of this machine."""


@contextlib.contextmanager
def shared(name: str, *, up: Callable[[Path], PlaceT], down: Callable[[Path], None]) -> Iterator[PlaceT]:
    """Have a place while the body runs; the first process that wants it brings it up, the last takes it down."""
    LAB.mkdir(parents=True, exist_ok=True)
    users = LAB.parent / f"lab-{name}.users"
    with _alone(users) as others:
        place = up(LAB)
        users.write_text(" ".join([*others, str(os.getpid())]), encoding="ascii")
    try:
        yield place
    finally:
        with _alone(users) as others:
            users.write_text(" ".join(others), encoding="ascii")
            if not others:
                down(LAB)


@contextlib.contextmanager
def own_ground() -> Iterator[Path]:
    """Have a ground that nobody else uses, for places that are to be broken; what is there is taken down in the end.

    It is on a disk: what is laid over one another cannot lie in memory.
    """
    for left in cache_folder().glob("lab-of-*"):
        # By a run that was killed.
        if not Path(f"/proc/{left.name.rpartition('-')[2]}").exists():
            take_down(left)
    folder = cache_folder() / f"lab-of-{os.getpid()}"
    try:
        yield folder
    finally:
        take_down(folder)


def take_down(ground: Path) -> None:
    """Take down whatever was brought up on a ground."""
    for module in (slurm, sshhost, kubernetes, registry):
        module.down(ground)


@contextlib.contextmanager
def _alone(users: Path) -> Iterator[list[str]]:
    """Yield the numbers of the other processes that have the place, and still run."""
    with users.with_suffix(".lock").open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        noted = users.read_text(encoding="ascii").split() if users.exists() else []
        yield [one for one in noted if Path(f"/proc/{one}").exists() and int(one) != os.getpid()]


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody's way to a host of the lab, with the ordinary `ssh`."""

    keys: Keys
    person: str
    host: str

    def argv(self, *words: str) -> list[str]:
        """Return the command; the last of `words` is what the shell over there gets."""
        return ["ssh", "-F", str(self.keys.configuration), "-l", self.person, self.host, *words]

    def tries(self, command: str, *, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        """Run a command line over there, and return whatever came of it."""
        return subprocess.run(self.argv(command), input=given, capture_output=True, timeout=90, check=False)

    def run(self, command: str, *, given: bytes = b"") -> str:
        """Run a command line over there that succeeds; return what it printed."""
        done = self.tries(command, given=given)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.decode().strip()


def opens(keys: Keys, host: Host, key: Path, person: str) -> bool:
    """Tell whether a private key, with the certificate beside it, opens somebody's account on a host that is reached directly."""
    options = (f"UserKnownHostsFile={keys.known_hosts}", "IdentitiesOnly=yes", "BatchMode=yes")
    words = ["ssh", "-F", "none", *(word for option in options for word in ("-o", option)), "-i", str(key)]
    done = subprocess.run([*words, f"{person}@{host.address}", "true"], capture_output=True, timeout=60, check=False)
    return done.returncode == 0


def until(what: str, found: Callable[[], bool], *, seconds: float = 60) -> None:
    """Ask again and again until the answer is yes."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody at the login node of a cluster."""

    login: Login

    def submit(self, command: str, *options: str) -> str:
        """Submit a job that runs a command line; return its number."""
        return self.login.run(
            f"sbatch --parsable {' '.join(options)} --output=job-%j.out", given=f"#!/bin/sh\n{command}\n".encode()
        )

    def field(self, job: str, name: str) -> str:
        """Return what accounting says of a job."""
        return self.login.run(f"sacct --noheader --allocations --parsable2 --jobs={job} --format={name}")

    def ends(self, job: str, *, seconds: float = 60) -> str:
        """Wait until accounting says how a job ended; return that."""
        until(f"The end of job {job}", lambda: self.field(job, "state").split(" ")[0] in ENDED, seconds=seconds)
        return self.field(job, "state")

    def runs(self, job: str) -> str:
        """Wait until a job runs; return its node."""
        until(f"Job {job}", lambda: self.login.run(f"squeue --noheader --jobs={job} --format=%T") == "RUNNING")
        return self.login.run(f"squeue --noheader --jobs={job} --format=%B")


@dataclass(frozen=True, slots=True)
class Traces:
    """What of a lab can be seen on this machine: each thing that is left is one entry.

    Parameters
    ----------
    ground
        The lab's folder, whose name stands in commands and mounts of what belongs to it.
    processes
        Those in its namespaces. Namespaces cannot be looked for afterwards: their numbers are used again at once.
    groups
        Its control groups.
    """

    ground: Path
    processes: frozenset[Process] = frozenset()
    groups: frozenset[Path] = frozenset()

    @classmethod
    def of(cls, place: Place) -> "Traces":
        """Note what belongs to a place that is up."""
        machines = [place.machine(name) for name in place.machines]
        own = _namespaces(Path("/proc/self"))
        held = {one for machine in machines for one in _namespaces(Path(f"/proc/{machine.process}"))} - own
        inside = [process for process in Path("/proc").glob("[0-9]*") if _namespaces(process) & held]
        groups = {folder for machine in machines for folder in machine.groups.folders()}
        return cls(place.ground, frozenset(Process.of(int(one.name)) for one in inside), frozenset(groups))

    def left(self) -> list[str]:
        """Return processes, mounts, control groups and files that belong to it and are still there."""
        mark, found = str(self.ground), [f"process {one.pid}" for one in self.processes if one.runs]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(process.name) != os.getpid() and mark.encode() in (process / "cmdline").read_bytes():
                    found.append(f"command {process.name}")
                if mark in (process / "mountinfo").read_text(encoding="utf-8"):
                    found.append(f"mount seen by {process.name}")
        groups = [f"control group {folder}" for folder in self.groups if folder.exists()]
        return [*found, *groups, *([mark] if self.ground.exists() else [])]


def _namespaces(process: Path) -> set[str]:
    try:
        return {str(one.readlink()) for one in (process / "ns").iterdir()}
    except OSError:
        return set()
