"""The first process of a lab machine: makes its file system, starts what it is told to, and buries what ended.

Run by `lab.machine` in new namespaces, as a file of its own and with nothing but the standard library: what it would import later
lies outside the root that it moves into.
"""

import contextlib
import ctypes
import fcntl
import grp
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
    "fuse": (10, 229),
    "net/tun": (10, 200),
}
LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
HIERARCHY = Path("/sys/fs/cgroup")
# CLONE_NEWCGROUP of unshare(2), which Python has from 3.12 on.
NEW_CGROUPS = 0x02000000


def mount(*words: str | Path) -> None:
    """Mount something."""
    subprocess.run(["/usr/bin/mount", *map(str, words)], check=True)


def make_root(plan: Mapping[str, Any]) -> Path:
    """Lay this machine's own files over the common root, and mount what a machine has; return where."""
    mount("--make-rprivate", "/")
    root, folder = Path(plan["folder"]) / "root", Path(plan["folder"])
    for name in ("root", "upper", "work"):
        (folder / name).mkdir(exist_ok=True)
    layers = f"lowerdir={plan['base']},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    mount("-t", "overlay", "-o", layers, "overlay", root)
    mount("-t", "proc", "-o", "nosuid,nodev,noexec", "proc", root / "proc")
    mount("-t", "sysfs", "-o", "nosuid,nodev,noexec", "sysfs", root / "sys")
    mount("-t", "tmpfs", "-o", "mode=755,nosuid,nodev", "tmpfs", root / "run")
    make_devices(root / "dev", plan["devices"])
    make_cgroups(root / HIERARCHY.relative_to("/"), plan["cgroups"])
    for source, target in plan["binds"].items():
        place = root / target.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        mount("--bind", source, place)
    return root


def make_devices(folder: Path, more: Mapping[str, Sequence[int]]) -> None:
    """Make the devices of a small machine, and `more`."""
    mount("-t", "tmpfs", "-o", "mode=755,nosuid", "tmpfs", folder)
    for name in ("pts", "shm", "net", "mqueue"):
        (folder / name).mkdir()
    for name, (major, minor) in {**DEVICES, **more}.items():
        os.mknod(folder / name, 0o020666, os.makedev(major, minor))
        (folder / name).chmod(0o666)
    for name, target in LINKS.items():
        (folder / name).symlink_to(target)
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts", folder / "pts")
    mount("-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "tmpfs", folder / "shm")
    mount("-t", "mqueue", "mqueue", folder / "mqueue")


def join_groups(groups: Sequence[str], *, unified: bool) -> None:
    """Move into control groups of this machine's own, and make them all that is seen from here.

    Parameters
    ----------
    groups
        Their folders, one in each hierarchy.
    unified
        They are of version 2, where processes may only be in a group that has none below it.
    """
    for group in map(Path, groups):
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not unified and (group / name).exists():
                (group / name).write_bytes((group.parent / name).read_bytes())
        (group / "cgroup.procs").write_text("0")
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_CGROUPS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if unified:
        (group,) = map(Path, groups)
        (group / "init").mkdir(exist_ok=True)
        (group / "init/cgroup.procs").write_text("0")
        controllers = (group / "cgroup.controllers").read_text().split()
        (group / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in controllers))


def make_cgroups(folder: Path, hierarchies: Mapping[str, str]) -> None:
    """Mount the control groups of this machine, in the version that the host has.

    Parameters
    ----------
    folder
        Where they belong.
    hierarchies
        Those of version 1: names, and by which option each is mounted; none: the host has version 2.
    """
    if not hierarchies:
        mount("-t", "cgroup2", "cgroup2", folder)
        return
    mount("-t", "tmpfs", "-o", "mode=755,nosuid,nodev,noexec", "tmpfs", folder)
    for name, option in hierarchies.items():
        (folder / name).mkdir()
        mount("-t", "cgroup", "-o", option, "cgroup", folder / name)


def move_into(root: Path) -> None:
    """Make `root` the root of everything here; by pivot_root, since the kernel refuses user namespaces in a chroot."""
    os.chdir(root)
    (root / "mnt").mkdir(exist_ok=True)
    subprocess.run(["/usr/sbin/pivot_root", ".", "mnt"], check=True)
    os.chdir("/")
    subprocess.run(["/usr/bin/umount", "--lazy", "/mnt"], check=True)
    # As on a machine of its own; nothing of it reaches the machine below.
    mount("--make-rshared", "/")


class Services:
    """The programs that this machine runs, by name, and how those ended that have."""

    def __init__(self, logs: int) -> None:
        self._logs = logs
        self._pids: dict[str, int] = {}
        self._ends: dict[int, int] = {}

    def bury(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Collect every process that ended, also those whose parents went before them."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                self._ends[found[0]] = os.waitstatus_to_exitcode(found[1])

    def start(self, name: str, argv: Sequence[str], user: str, environment: Mapping[str, str]) -> None:
        """Start a program unless it runs already; what it says goes to its log."""
        if name in self._pids and self._pids[name] not in self._ends:
            return
        account = pwd.getpwnam(user)
        groups = [one.gr_gid for one in grp.getgrall() if user in one.gr_mem]
        log = os.open(f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600, dir_fd=self._logs)
        pid = os.fork()
        if pid:
            os.close(log)
            self._ends.pop(pid, None)
            self._pids[name] = pid
            return
        try:
            os.setsid()
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            for number, source in enumerate((os.open("/dev/null", os.O_RDONLY), log, log)):
                os.dup2(source, number)
            os.setgroups([account.pw_gid, *groups])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            os.execvpe(argv[0], list(argv), environment)  # noqa: S606 -- without a shell, on purpose
        except OSError as error:
            os.write(2, f"{argv[0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def send(self, name: str, number: int) -> None:
        """Send a signal to a program that runs."""
        if name in self._pids and self._pids[name] not in self._ends:
            os.kill(self._pids[name], number)

    def tell(self) -> dict[str, int | None]:
        """Return of each program how it ended; None: it runs."""
        return {name: self._ends.get(pid) for name, pid in self._pids.items()}


def answer(services: Services, request: Mapping[str, Any]) -> dict[str, int | None]:
    """Do what is asked, and tell how things are."""
    # A program that ends just now must not be noted between two of our lines.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        if request["verb"] == "start":
            services.start(request["name"], request["argv"], request["user"], request["environment"])
        elif request["verb"] == "signal":
            services.send(request["name"], request["number"])
        services.bury()
        return services.tell()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def serve(control: socket.socket, services: Services) -> None:
    """Answer one request on each connection, for ever."""
    while True:
        connection, _ = control.accept()
        with connection, contextlib.suppress(OSError, ValueError, KeyError):
            connection.settimeout(5)
            request = json.loads(connection.makefile().readline())
            connection.sendall(json.dumps(answer(services, request)).encode() + b"\n")


def main(file: Path) -> None:
    """Become the machine that a file describes, and tell so on standard output."""
    plan = json.loads(file.read_text(encoding="utf-8"))
    folder = Path(plan["folder"])
    socket.sethostname(plan["name"])
    subprocess.run(["/usr/sbin/ip", "link", "set", "lo", "up"], check=True)
    # Whoever makes a newer common root removes those that nobody holds.
    fcntl.flock(os.open(plan["base"], os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_SH)
    control = socket.socket(socket.AF_UNIX)
    control.bind(str(folder / "control"))
    control.listen(16)
    services = Services(os.open(folder / "logs", os.O_RDONLY | os.O_DIRECTORY))
    join_groups(plan["groups"], unified=not plan["cgroups"])
    move_into(make_root(plan))
    signal.signal(signal.SIGCHLD, services.bury)
    os.write(1, b"ready\n")
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    serve(control, services)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
