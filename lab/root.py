"""The Debian that lab machines run: made once, from Debian's own packages, and shared by all of them read-only."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from lab.ground import REGISTRY_PORTS
from scripts.machine import CACHE, FailedError, answers, has, run, say
from scripts.setup import Need, install, programs

__all__ = ["CACHED", "PEOPLE", "alone", "debian", "is_in_use", "mirror", "prepare", "refusal"]

CACHED = CACHE / "lab"
SUITE, NEWER = "trixie", "sid"
PACKAGES = {
    "carries SSH": ("openssh-server", "openssh-client"),
    "is the scheduler": ("slurmctld", "slurmd", "slurmdbd", "slurm-client", "slurm-wlm-mysql-plugin", "munge"),
    "keeps the scheduler's accounts": ("mariadb-server",),
    "lets a job's owner, and nobody else, into its node": ("libpam-slurm-adopt",),
    "runs containers": ("podman", "runc", "netavark", "aardvark-dns", "nftables", "fuse-overlayfs", "uidmap", "passt"),
    "runs containers without an engine; only the newer Debian has it": ("apptainer", "squashfuse"),
    "is what every machine has": (
        "iproute2",
        "procps",
        "python3",
        "curl",
        "netcat-openbsd",
        "busybox-static",
        "tzdata",
    ),
}
UNREAD = ("doc", "man", "locale", "info")
PEOPLE = {"ann": 5001, "ben": 5002}
"""The accounts on every lab machine, and their numbers."""
SUBORDINATE = {"ann": 200000, "ben": 300000}
# Small, since each cluster begins with a copy; and what it was told outlives the end of its process.
DATABASE = """\
[mariadbd]
skip-networking
skip-name-resolve
innodb_log_file_size = 8M
innodb_buffer_pool_size = 64M
innodb_undo_tablespaces = 0
innodb_flush_log_at_trx_commit = 2
"""
# Lab machines run without systemd, on some hosts without the right to raise limits, and on some with the first control groups.
CONTAINERS = """\
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:8192"]
log_driver = "k8s-file"
"""
REGISTRIES = "".join(f'[[registry]]\nlocation = "127.0.0.1:{port}"\ninsecure = true\n' for port in REGISTRY_PORTS)
FILES = {
    "etc/mysql/mariadb.conf.d/90-lab.cnf": DATABASE,
    "etc/containers/containers.conf": CONTAINERS,
    "etc/containers/registries.conf.d/lab.conf": REGISTRIES,
    "etc/resolv.conf": "# There is nobody to ask; programs that run containers want the file.\n",
    "etc/environment": "PODMAN_IGNORE_CGROUPSV1_WARNING=1\n",
}
# What is secret is made for each machine, and what is found out by asking would be asked in vain.
UNWANTED = ("etc/munge/munge.key", "etc/ssh/ssh_host_*", "etc/resolv.conf", "var/lib/mysql/*", "var/cache/apt/*")
TABLES = ("mariadb-install-db", "--user=mysql", "--skip-test-db", "--auth-root-authentication-method=socket")
ON_HOST = (
    Need(("mmdebstrap",), "makes the Debian that lab machines run", programs("mmdebstrap")),
    Need(("openssh-client",), "is how lab machines are reached", programs("ssh", "ssh-keygen")),
    Need(("iproute2",), "connects lab machines", programs("ip")),
    Need(("util-linux", "mount"), "keeps lab machines apart", programs("unshare", "nsenter", "pivot_root", "mount")),
)


def refusal() -> str:
    """Return why this machine cannot have lab machines, whatever is installed; empty: it can."""
    if os.geteuid() != 0:
        return "Lab machines are namespaces, mounts and networks of this one: only root can make them."
    apart = [f"--{kind}" for kind in ("mount", "uts", "ipc", "net", "pid")]
    if has("unshare") and answers(["unshare", *apart, "--fork", "true"]) is None:
        return "Lab machines are namespaces of this one, and it lets not even root make them."
    return ""


def prepare() -> None:
    """Install what lab machines need of this one, saying what and why; refuse whoever may not make them.

    Raises
    ------
    FailedError
        This machine cannot have any, or something cannot be installed.
    """
    if why := refusal():
        raise FailedError(why)
    install(ON_HOST)


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Do something while no other process does what has the same name."""
    CACHED.mkdir(parents=True, exist_ok=True)
    with (CACHED / f"{name}.lock").open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def debian() -> Path:
    """Return the folder of that Debian, made first if it is not there or was made otherwise: a minute or two.

    Raises
    ------
    FailedError
        Debian's packages cannot be had.
    """
    root = CACHED / f"root-{_version()}"
    with alone("root"):
        if not root.exists():
            say(f"Making the Debian that lab machines run, once, in {CACHED}: a minute or two, 1 GB.")
            part = CACHED / f"part-{os.getpid()}"
            try:
                _make(part)
                part.rename(root)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            for earlier in CACHED.glob("root-*"):
                if earlier != root and not is_in_use(earlier):
                    shutil.rmtree(earlier)
    return root


def _version() -> str:
    """Return a hash of what it is made of."""
    parts = (SUITE, NEWER, PACKAGES, UNREAD, PEOPLE, SUBORDINATE, FILES, UNWANTED, TABLES)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def is_in_use(root: Path) -> bool:
    """Tell whether a machine runs on it: the first process of each holds a lock."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(folder)
    return False


def mirror() -> str:
    """Return where this machine has Debian's packages from."""
    question = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT) $(LABEL)", "Created-By: Packages"]
    for _ in range(2):
        for line in (answers(question) or "").splitlines():
            address, *rest = line.split(" ", 2)
            if rest == ["main", "Debian"]:
                return address
        # Until its lists are fetched, a machine does not know whose its sources are.
        run(["apt-get", "update", "--quiet=2"])
    raise FailedError("Lab machines are made from Debian's packages, and this machine has no source of them.")


def _make(root: Path) -> None:
    """Make it."""
    source = mirror()
    packages = ",".join(package for names in PACKAGES.values() for package in names)
    options = [
        "--quiet",
        "--variant=apt",
        f"--include={packages}",
        f'--aptopt=APT::Default-Release "{SUITE}"',
        '--aptopt=APT::Install-Recommends "false"',
        # The newer Debian is made anew every few hours, and a mirror may be a little behind.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNREAD),
    ]
    sources = [f"deb {source} {suite} main" for suite in (SUITE, NEWER)]
    run(["mmdebstrap", *options, SUITE, root, *sources])
    for pattern in UNWANTED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    if answers(["chroot", root, *TABLES], seconds=120) is None:
        raise FailedError(f"The database of the lab's scheduler could not be made: chroot {root} {' '.join(TABLES)}")
    for name in ("subuid", "subgid"):
        lines = (f"{person}:{first}:65536\n" for person, first in SUBORDINATE.items())
        (root / "etc" / name).write_text("".join(lines), encoding="ascii")
    for person, number in PEOPLE.items():
        account = ["--uid", str(number), "--no-create-home", "--shell", "/bin/bash"]
        # "*" lets nobody in by password; useradd's own "!" would close the account to keys and certificates too.
        run(["chroot", root, "useradd", *account, "--password", "*", person])
