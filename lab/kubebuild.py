"""The Debian that the lab's Kubernetes node runs: made once, with Kubernetes compiled from Debian's own source package."""

import hashlib
import os
import shutil
from pathlib import Path

from lab.machine import Machine
from lab.root import CACHED, alone, is_in_use, mirror
from scripts.machine import FailedError, run, say

__all__ = ["is_built", "kubernetes"]

SUITE = "bookworm"
# The last Debian whose source package has the servers, and not only the client.
COMPILES = ("golang-1.19-go", "gcc", "libc6-dev", "make", "rsync", "ca-certificates", "mount")
RUNS = (
    "etcd-server",
    "containerd",
    "containernetworking-plugins",
    "runc",
    "iptables",
    "iproute2",
    "procps",
    "conntrack",
    "ca-certificates",
    "mount",
)
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
VERSION = {
    "KUBE_GIT_VERSION": "v1.20.2",
    "KUBE_GIT_MAJOR": "1",
    "KUBE_GIT_MINOR": "20",
    "KUBE_GIT_COMMIT": "faecb196815e248d3ecfb03c680a4507229c2a56",
    "KUBE_GIT_TREE_STATE": "clean",
}
SOURCES = "/usr/src/kubernetes"
# The first process of each node is a container's, and does nothing but bury what ended in its pod.
PAUSE = """\
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void leave(int number) { exit(0); }
static void bury(int number) { while (waitpid(-1, NULL, WNOHANG) > 0); }
int main(void) {
    signal(SIGINT, leave);
    signal(SIGTERM, leave);
    signal(SIGCHLD, bury);
    for (;;) pause();
}
"""
STEPS = (
    ("tar", "--extract", "--strip-components=1", f"--directory={SOURCES}", f"--file={SOURCES}.tar.gz"),
    ("gcc", "-static", "-O2", "-o", "/usr/local/bin/pause", "/usr/src/pause.c"),
    ("make", "-s", f"--directory={SOURCES}", "GOLDFLAGS=-s -w", "WHAT=" + " ".join(f"cmd/{one}" for one in PROGRAMS)),
)
COMPILE_SECONDS = 2400.0


def is_built() -> bool:
    """Tell whether it is there already."""
    return _root().exists()


def kubernetes() -> Path:
    """Return the folder of that Debian, made first if it is not there or was made otherwise: six minutes of two cores.

    Raises
    ------
    FailedError
        Debian's packages cannot be had, or it cannot be compiled.
    """
    root = _root()
    with alone("kubernetes-root"):
        if not root.exists():
            say(f"Making the Debian that the lab's Kubernetes runs, once, in {CACHED}: about eight minutes, 1 GB.")
            part, builder = CACHED / f"part-{os.getpid()}", CACHED / f"builder-{os.getpid()}"
            try:
                _make(part, builder)
                part.rename(root)
            finally:
                shutil.rmtree(part, ignore_errors=True)
                shutil.rmtree(builder, ignore_errors=True)
            for earlier in CACHED.glob("kubernetes-*"):
                if earlier.is_dir() and earlier != root and not is_in_use(earlier):
                    shutil.rmtree(earlier)
    return root


def _root() -> Path:
    return CACHED / f"kubernetes-{_version()}"


def _version() -> str:
    """Return a hash of what it is made of."""
    parts = (SUITE, COMPILES, RUNS, PROGRAMS, VERSION, PAUSE, STEPS)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _make(root: Path, builder: Path) -> None:
    _debootstrap(root, RUNS)
    source = (
        'cd "$1/usr/src" && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get source --quiet=2 --download-only kubernetes'
    )
    _debootstrap(builder, COMPILES, f"--customize-hook={source}")
    found = sorted((builder / "usr/src").glob("kubernetes_*.orig.tar.gz"))
    if not found:
        raise FailedError("Debian's source package of Kubernetes is not what the lab knows how to compile.")
    found[-1].rename(builder / f"{SOURCES[1:]}.tar.gz")
    (builder / SOURCES[1:]).mkdir()
    (builder / "usr/src/pause.c").write_text(PAUSE, encoding="ascii")
    machine = Machine("builder", builder.with_name(f"{builder.name}-machine"))
    try:
        machine.start(builder, binds={})
        words = ["env", "PATH=/usr/lib/go-1.19/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/scratch"]
        words += [f"{name}={value}" for name, value in VERSION.items()]
        for step in STEPS:
            machine.run("nice", *words, *step, seconds=COMPILE_SECONDS)
        for name in PROGRAMS:
            machine.run("cp", "--dereference", f"{SOURCES}/_output/bin/{name}", "/scratch")
            shutil.copy(machine.folder / "local/scratch" / name, root / "usr/local/bin" / name)
        machine.run("cp", "/usr/local/bin/pause", "/scratch")
        shutil.copy(machine.folder / "local/scratch/pause", root / "usr/local/bin/pause")
    finally:
        machine.remove()


def _debootstrap(folder: Path, packages: tuple[str, ...], *options: str) -> None:
    words = ["--quiet", "--variant=apt", f"--include={','.join(packages)}", '--aptopt=APT::Install-Recommends "false"']
    words += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")]
    sources = [f"{kind} {mirror()} {SUITE} main" for kind in ("deb", "deb-src")]
    run(["mmdebstrap", *words, *options, SUITE, folder, *sources])
