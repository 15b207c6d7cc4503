"""A lab machine: namespaces of this one with a Debian, a network, control groups and accounts of their own."""

import hashlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.cgroups import Groups
from lab.processes import Process, spawn, wait_for
from scripts.machine import FailedError

__all__ = ["ENVIRONMENT", "Machine", "Service"]

INSIDE = Path(__file__).with_name("inside.py")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
}
# On the disk itself, since what containers are laid over cannot be laid over something in turn.
SCRATCH = "/scratch"
LOCAL = (SCRATCH, "/var/lib/containers")
KINDS = ("mount", "uts", "ipc", "net", "pid")
START_SECONDS, SERVICE_SECONDS, ANSWER_SECONDS = 30.0, 60.0, 10.0
# A Kubernetes API server waits a minute for who watches it.
END_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Service:
    """A program that a machine runs in the foreground.

    Parameters
    ----------
    name
        What it is called in the lab.
    argv
        Its command.
    user
        As whom it runs.
    answers
        A command in the machine that succeeds once it can be used.
    environment
        What is added to the usual environment.
    """

    name: str
    argv: Sequence[str]
    user: str = "root"
    answers: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of a place: its host name, and the folder of all it has."""

    name: str
    folder: Path

    def start(
        self, base: Path, *, binds: Mapping[Path, str], devices: Mapping[str, tuple[int, int]] | None = None
    ) -> bool:
        """Start it unless it runs; return whether it had to be. What was on its disk is there again.

        Parameters
        ----------
        base
            The Debian that it runs, which stays as it is.
        binds
            Folders of this machine, and where each is seen in that one.
        devices
            Devices beside the usual ones: names below /dev, major and minor numbers.

        Raises
        ------
        FailedError
            This machine refuses what one needs.
        """
        if self.runs:
            return False
        self._clear(base)
        local = {self.folder / "local" / target.replace("/", "-").strip("-"): target for target in LOCAL}
        for folder in (self.folder / "logs", *local):
            folder.mkdir(parents=True, exist_ok=True)
        plan = {
            "name": self.name,
            "folder": str(self.folder),
            "base": str(base),
            "binds": {str(source): target for source, target in {**local, **binds}.items()},
            "devices": dict(devices or {}),
            **self.groups.plan(),
        }
        file = self.folder / "plan.json"
        file.write_text(json.dumps(plan), encoding="utf-8")
        self._start(file)
        self.run("chmod", "1777", SCRATCH)
        return True

    def _clear(self, base: Path) -> None:
        """Remove what of an earlier start is in the way: all, if that was on another Debian."""
        self.halt()
        self.groups.remove()
        (self.folder / "control").unlink(missing_ok=True)
        try:
            earlier = json.loads((self.folder / "plan.json").read_text(encoding="utf-8"))["base"]
        except (OSError, ValueError):
            earlier = ""
        if self.folder.exists() and earlier != str(base):
            shutil.rmtree(self.folder)

    def _start(self, plan: Path) -> None:
        reading, writing = os.pipe()
        try:
            log = self.folder / "logs/machine.log"
            apart = [f"--{kind}" for kind in KINDS]
            argv: list[str | Path] = [
                "/usr/bin/unshare",
                *apart,
                "--fork",
                "--kill-child=KILL",
                sys.executable,
                "-I",
                INSIDE,
                plan,
            ]
            outer = spawn(argv, log, output=writing)
            # At once: with it ends all that it starts, also if this process is interrupted before that is ready.
            outer.note(self.folder / "outer")
            os.close(writing)
            ready, _, _ = select.select([reading], [], [], START_SECONDS)
            if not ready or os.read(reading, 16) != b"ready\n":
                outer.end(hard=True)
                raise FailedError(f"{self.name} did not start: {log.read_text(encoding='utf-8').strip()[-500:]}")
            Process.of(outer.children[0]).note(self.folder / "pid")
        finally:
            os.close(reading)

    @property
    def process(self) -> int:
        """The number, on this machine, of that machine's first process.

        Raises
        ------
        FailedError
            It does not run.
        """
        found = Process.read(self.folder / "pid")
        if found is None or not found.runs:
            raise FailedError(f"The machine {self.name} does not run.")
        return found.pid

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        found = Process.read(self.folder / "pid")
        return found is not None and found.runs

    @property
    def groups(self) -> Groups:
        """Its control groups."""
        return Groups(f"specola-lab-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}-{self.name}")

    def command(self, *argv: str, user: str = "root") -> list[str]:
        """Return the command that runs another inside, as an account of that machine."""
        enter = ["nsenter", f"--target={self.process}", *(f"--{kind}" for kind in KINDS), "--root", "--wdns=/"]
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"] if user != "root" else []
        return [*enter, "--", *become, *argv]

    def run(self, *argv: str, user: str = "root", given: bytes = b"", seconds: float = 60) -> str:
        """Run a command inside to its end; return what it printed.

        Parameters
        ----------
        given
            What it reads from its standard input.

        Raises
        ------
        FailedError
            It failed, or took longer.
        """
        try:
            done = self._done(argv, user, given, seconds)
        except subprocess.TimeoutExpired as error:
            raise FailedError(f"On {self.name}, “{' '.join(argv)}” took longer than {seconds:.0f} s.") from error
        if done.returncode != 0:
            text = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise FailedError(f"On {self.name}, “{' '.join(argv)}” failed with {done.returncode}: {text[-500:]}")
        return done.stdout.decode()

    def put(self, path: str, text: str, *, owner: str = "root", mode: str = "0644") -> None:
        """Write a file inside, in place of what is there."""
        words = ["install", "-D", f"--owner={owner}", f"--group={owner}", f"--mode={mode}", "/dev/stdin", path]
        self.run(*words, given=text.encode())

    def succeeds(self, *argv: str, user: str = "root") -> bool:
        """Tell whether a command inside succeeds, and soon."""
        try:
            return self._done(argv, user, b"", ANSWER_SECONDS).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def _done(
        self, argv: Sequence[str], user: str, given: bytes, seconds: float
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            self.command(*argv, user=user),
            env={**ENVIRONMENT, "HOME": f"/home/{user}" if user != "root" else "/root"},
            input=given,
            capture_output=True,
            timeout=seconds,
            check=False,
        )

    def serve(self, service: Service) -> bool:
        """Start a program unless it runs, and wait until it can be used; return whether it had to be started.

        Raises
        ------
        FailedError
            It ended, or cannot be used in time.
        """
        if self.services().get(service.name, 0) is None:
            return False
        environment = {**ENVIRONMENT, **service.environment}
        words = {"name": service.name, "argv": list(service.argv), "user": service.user, "environment": environment}
        self._ask({"verb": "start", **words})
        log = self.folder / "logs" / f"{service.name}.log"

        def is_there() -> bool:
            if (code := self.services()[service.name]) is not None:
                text = log.read_text(encoding="utf-8", errors="replace").strip()[-500:]
                raise FailedError(f"{service.name} on {self.name} ended with {code}: {text}")
            return not service.answers or self.succeeds(*service.answers)

        wait_for(f"{service.name} on {self.name}", seconds=SERVICE_SECONDS, is_there=is_there, log=log)
        return True

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a program; SIGSTOP makes it slow beyond measure, SIGKILL breaks it."""
        self._ask({"verb": "signal", "name": name, "number": int(number)})

    def end(self, name: str) -> None:
        """Ask a program to end, and wait until it has."""
        self.signal(name, signal.SIGTERM)
        wait_for(f"The end of {name}", seconds=END_SECONDS, is_there=lambda: self.services().get(name, 0) is not None)

    def services(self) -> dict[str, int | None]:
        """Return of each program that was started how it ended; None: it runs."""
        return self._ask({"verb": "tell"})

    def _ask(self, request: Mapping[str, object]) -> dict[str, int | None]:
        # The address of a Unix socket is short, and the folder may be deep: it is reached through its descriptor.
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ANSWER_SECONDS)
                connection.connect(f"/proc/self/fd/{folder}/control")
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile() as answer:
                    return dict(json.loads(answer.readline()))
        except (OSError, ValueError) as error:
            raise FailedError(f"The machine {self.name} does not answer: {error}") from error
        finally:
            os.close(folder)

    def halt(self) -> None:
        """End it with all its processes at once, as when its power fails."""
        for name in ("pid", "outer"):
            if found := Process.read(self.folder / name):
                found.end(hard=True)

    def remove(self) -> None:
        """End it, and remove all that it had."""
        self.halt()
        self.groups.remove()
        if self.folder.exists():
            shutil.rmtree(self.folder)
