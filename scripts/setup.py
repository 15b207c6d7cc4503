"""Makes a clean clone ready: installs what is missing, saying what and why, and does nothing the second time."""

import argparse
import importlib.util
import json
import os
import pwd
import shlex
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts import frontend, images
from scripts.engines import Engine, find_engine, podman
from scripts.machine import ROOT, FailedError, answers, content_hash, has, is_root, run, say

__all__ = ["Need", "main", "missing"]

VENV = ROOT / ".venv"
PYTHON = VENV / "bin/python"
MARKER = VENV / "specola-installed.json"
REQUIREMENTS = ROOT / "requirements"
USER = "specola"
PODMAN = ("podman", "runc", "netavark", "aardvark-dns", "uidmap", "slirp4netns", "fuse-overlayfs")


@dataclass(frozen=True, slots=True)
class Need:
    """Debian packages, why they are needed, and how to tell that they are here already."""

    packages: tuple[str, ...]
    why: str
    met: Callable[[], bool]


def programs(*names: str) -> Callable[[], bool]:
    """Return a question whether programs are installed, also where only root looks for them."""
    places = ("/usr/sbin", "/sbin")
    return lambda: all(has(name) or any(os.access(f"{place}/{name}", os.X_OK) for place in places) for name in names)


def uv_works() -> bool:
    """Tell whether the installer `uv` is here; it is faster than pip and not required."""
    return answers(["uv", "--version"]) is not None


def can_make_venv() -> bool:
    """Tell whether an environment of Python packages is there or can be made."""
    return PYTHON.exists() or importlib.util.find_spec("ensurepip") is not None or uv_works()


def engine_answers() -> bool:
    """Tell whether Docker or Podman is here and works."""
    return find_engine(os.environ.get("SPECOLA_ENGINE", "")) is not None


def base_is_within_reach() -> bool:
    """Tell whether the base image of the demonstrations is here, can be fetched, or can be made."""
    if has("mmdebstrap"):
        return True
    engine = find_engine(os.environ.get("SPECOLA_ENGINE", ""))
    if engine is not None:
        return not images.stale(engine, images.images()) or images.fetched_base(engine) is not None
    try:
        socket.getaddrinfo(images.PUBLIC_BASE.partition("/")[0], 443)
    except OSError:
        return False
    return True


TO_RUN = (
    Need(("python3-venv",), "makes the environment that Specola's Python packages are installed into", can_make_venv),
    Need(
        ("nodejs", "npm"),
        "builds the pages' scripts and styles, once",
        lambda: frontend.is_fresh() or frontend.node_works(),
    ),
    Need(PODMAN, "starts the containers, since there is neither a working Docker nor Podman here", engine_answers),
    Need(("iptables",), "keeps tasks away from what else listens on this machine", programs("iptables")),
    Need(("busybox-static",), "looks into containers that bring no tools of their own", programs("busybox")),
    Need(
        ("openssh-sftp-server",),
        "gives access to the files of tasks by SFTP",
        lambda: Path("/usr/lib/openssh/sftp-server").is_file(),
    ),
)
BASE = Need(("mmdebstrap",), "makes the base image, since no image registry is within reach", base_is_within_reach)
TO_CHECK = (
    TO_RUN[0],
    Need(("nodejs", "npm"), "checks and builds the pages' scripts and styles", frontend.node_works),
    Need(("shellcheck",), "checks the shell scripts", programs("shellcheck")),
)
TO_TEST = (
    *TO_RUN,
    *TO_CHECK,
    Need(PODMAN, "is one of the two engines tested", programs("podman", "runc", "newuidmap", "slirp4netns")),
    Need(("docker.io",), "is one of the two engines tested", programs("dockerd", "docker")),
    Need(("docker-registry", "skopeo"), "serves and copies images in tests", programs("docker-registry", "skopeo")),
    Need(("mmdebstrap", "openssh-client"), "makes the lab's machines and reaches them", programs("mmdebstrap", "ssh")),
    Need(("chromium",), "is the browser of the tests", programs("chromium")),
    Need(
        ("postgresql",),
        "is one of the two databases tested",
        lambda: any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
    ),
    Need(
        ("redis-server",), "is a client and a server of the tests that speak TLS", programs("redis-server", "redis-cli")
    ),
    Need(("nginx-light", "wrk"), "is what the benchmarks measure beside and with", programs("nginx", "wrk")),
    Need(("openssh-client", "rsync"), "reaches tasks in tests as people do", programs("ssh", "scp", "sftp", "rsync")),
    Need(("openssl", "curl", "procps", "iproute2"), "is used by tests", programs("openssl", "curl", "ps", "ip")),
)


def missing(needs: Sequence[Need]) -> list[Need]:
    """Return the needs that are not met."""
    return [need for need in needs if not need.met()]


def is_installed(package: str) -> bool:
    """Tell whether Debian's package manager has a package on this machine."""
    return answers(["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]) == "installed"


def install(needs: Sequence[Need]) -> None:
    """Install the packages that are missing; without root, say the one command that would.

    Raises
    ------
    FailedError
        Something is missing and this is not root, or not Debian; or it is here and does not work.
    """
    lacking = missing(needs)
    if not lacking:
        return
    for need in lacking:
        say(f"Missing: {' '.join(need.packages)}: it {need.why}.")
    packages = list(dict.fromkeys(package for need in lacking for package in need.packages))
    if not has("apt-get"):
        raise FailedError("This is no Debian: install what is missing by this system's own means, then try again.")
    if broken := [need.packages[0] for need in lacking if all(map(is_installed, need.packages))]:
        raise FailedError(f"Installed, but not working for this user: {' '.join(broken)}. Try it by hand to see why.")
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if not is_root():
        raise FailedError(f"Paste this, then try again:\n\n    sudo apt-get update && sudo {shlex.join(command)}\n")
    say(f"Installing {' '.join(packages)}.")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "--quiet=2"], environment=quiet)
    run([*command, "--quiet=2"], environment=quiet)
    if still := missing(lacking):
        names = " ".join(package for need in still for package in need.packages)
        raise FailedError(f"{names} is installed and still does not work; see the messages above.")


def check_ids(engine: Engine) -> None:
    """Refuse a Podman of a person who has no other user numbers to run containers with (subuid(5))."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    files = (Path("/etc/subuid"), Path("/etc/subgid"))
    has_ids = all(file.is_file() and f"\n{name}:" in f"\n{file.read_text(encoding='utf-8')}" for file in files)
    if engine.name == "Podman" and not is_root() and not has_ids:
        command = ["usermod", "--add-subuids", "100000-165535", "--add-subgids", "100000-165535", name]
        raise FailedError(
            f"{name} may not run containers yet. Paste this, then try again:\n\n    sudo {shlex.join(command)}\n"
        )


def make_user() -> None:
    """Make the unprivileged user that serves pages and tasks, where root may."""
    if not is_root():
        return
    try:
        pwd.getpwnam(USER)
    except KeyError:
        say(f"Making the system user {USER}: the web and gateway processes run as it, not as root.")
        run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", USER])


def make_venv() -> None:
    """Make the environment of Python packages."""
    if PYTHON.exists():
        return
    say(f"Making the environment {VENV}.")
    if importlib.util.find_spec("ensurepip") is not None:
        run([sys.executable, "-m", "venv", VENV])
    else:
        run(["uv", "venv", "--quiet", "--python", sys.executable, VENV])


def install_pinned(requirements: Path) -> None:
    """Install packages exactly as pinned, each checked by its hash."""
    words: list[str | Path] = ["install", "--quiet", "--require-hashes", "--requirement", requirements]
    if uv_works():
        try:
            run(["uv", "pip", *words, "--python", PYTHON])
        except FailedError:
            say("uv could not install them; trying pip, which may know this machine's package index better.")
        else:
            return
    if answers([PYTHON, "-m", "pip", "--version"]) is None:
        run([sys.executable, "-m", "venv", VENV])
    run([PYTHON, "-m", "pip", "--disable-pip-version-check", *words])


def install_packages(kind: str) -> None:
    """Install Specola's dependencies ("run", or "dev" for tests too) and Specola itself from this folder."""
    version = ".".join(map(str, sys.version_info[:2]))
    files = {name: REQUIREMENTS / f"{name}.txt" for name in ("build", "run", "dev")}
    hashes = {name: content_hash([file, ROOT / "pyproject.toml"], salt=version) for name, file in files.items()}
    try:
        installed = json.loads(MARKER.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        installed = {}
    wanted = ["build", kind]
    if all(installed.get(name) == hashes[name] for name in wanted):
        return
    say(f"Installing Python packages into {VENV}, each checked against its pinned hash.")
    for name in wanted:
        install_pinned(files[name])
    install_specola()
    done = {*wanted, "run"}
    MARKER.write_text(json.dumps({name: hashes[name] for name in sorted(done)}), encoding="utf-8")


def install_specola() -> None:
    """Install this folder itself, so that a change in src/ is at once what runs."""
    words: list[str | Path] = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ROOT]
    if answers([PYTHON, "-m", "pip", "--version"]) is not None:
        run(
            [PYTHON, "-m", "pip", "--disable-pip-version-check", *words], environment={"PIP_ROOT_USER_ACTION": "ignore"}
        )
    else:
        run(["uv", "pip", *words, "--python", PYTHON])


def prepare_to_run() -> None:
    """Do all that `make run` needs."""
    install([*TO_RUN, BASE])
    install([BASE])  # asked again: with the engine there now, what was a guess can be tried
    engine = find_engine(os.environ.get("SPECOLA_ENGINE", ""))
    if engine is None:
        raise FailedError("No container engine answers.")
    check_ids(engine)
    make_user()
    make_venv()
    install_packages("run")
    frontend.build()
    images.build_all(engine, images.images())


def prepare_to_check() -> None:
    """Do all that `make check` needs."""
    install(TO_CHECK)
    make_venv()
    install_packages("dev")
    frontend.build()


def prepare_to_test() -> None:
    """Do all that `make test` and `make bench` need; the images are kept as archives, for the engines of the tests."""
    install([*TO_TEST, BASE])
    make_user()
    make_venv()
    install_packages("dev")
    frontend.build()
    images.build_all(podman(), images.images(), keep=True)


PREPARATIONS: dict[str, Callable[[], None]] = {
    "run": prepare_to_run,
    "check": prepare_to_check,
    "test": prepare_to_test,
}


def main() -> int:
    """Prepare from the command line; return an exit code."""
    parser = argparse.ArgumentParser(prog="scripts.setup", description=__doc__)
    parser.add_argument("purpose", choices=PREPARATIONS, help="what to make this clone ready for")
    given = parser.parse_args()
    try:
        PREPARATIONS[given.purpose]()
    except FailedError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Interrupted; what is done is kept, and the next time goes on from here.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
