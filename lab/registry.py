"""A registry of container images on this machine's loopback, with the demonstration images in it."""

import hashlib
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.ground import GROUND, lay, registry_port
from lab.images import one_program
from lab.place import Status, main
from lab.processes import Process, spawn, wait_for
from lab.root import CACHED, alone
from scripts.images import images
from scripts.machine import FailedError, run, say
from scripts.setup import Need, install, programs

__all__ = ["HELPER", "Registry", "configuration", "copying", "down", "status", "up"]

NAME = "registry"
PROGRAM = "docker-registry"
HELPER = "specola/box:1"
"""An image with what looks into pods."""
BUSYBOX = Path("/bin/busybox")
ON_HOST = (Need((PROGRAM, "skopeo"), "serves and copies images", programs(PROGRAM, "skopeo")),)
STORAGE = CACHED / "registry"
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that is up.

    Parameters
    ----------
    port
        Where it answers, on the loopback of this machine and of every lab machine, without TLS.
    digests
        The images that it was asked to have, by whole name, and the digest of each.
    """

    port: int
    digests: Mapping[str, str]

    def lines(self) -> Iterator[str]:
        """Yield what it has."""
        yield f"Registry: 127.0.0.1:{self.port}, here and on every lab machine, without TLS"
        yield from (f"  {name}@{digest}" for name, digest in self.digests.items())
        if not self.digests:
            yield "  It is empty; `python3 -m scripts.images --keep`, then `make lab` again puts the demonstration images into it."


def up(ground: Path = GROUND, archives: Mapping[str, Path] | None = None) -> Registry:
    """Bring the registry up, with images in it; return it.

    Parameters
    ----------
    archives
        Images to have: names without registry, and the archive (`podman save`) of each; left out: the demonstration images
        that were kept.

    Raises
    ------
    FailedError
        It does not start, or does not take an image.
    """
    install(ON_HOST)
    port = registry_port(ground)
    with alone(NAME):
        folder = lay(ground, NAME)
        STORAGE.mkdir(parents=True, exist_ok=True)
        noted = Process.read(folder / "pid")
        if noted is None or not noted.runs:
            _start(folder, port)
        wanted = _demonstrations() if archives is None else archives
        return Registry(port, {f"127.0.0.1:{port}/{name}": _have(name, file, port) for name, file in wanted.items()})


def down(ground: Path = GROUND) -> None:
    """End the registry; its images stay for the next time."""
    folder = ground / NAME
    with alone(NAME):
        if noted := Process.read(folder / "pid"):
            noted.end()
        if folder.exists():
            shutil.rmtree(folder)
        if ground.exists() and not any(ground.iterdir()):
            ground.rmdir()


def status(ground: Path = GROUND) -> Status:
    """Return how the registry is."""
    folder = ground / NAME
    noted = Process.read(folder / "pid")
    return Status.of({PROGRAM: noted is not None and noted.runs} if folder.exists() else {})


def configuration(storage: Path, port: int, *, accounts: Path | None = None) -> str:
    """Return the configuration of a registry on the loopback.

    Parameters
    ----------
    storage
        The folder that images are kept in.
    accounts
        A file of accounts (htpasswd, bcrypt); none: it answers everybody.
    """
    lines = [
        "version: 0.1",
        "log: {level: error}",
        f"storage: {{filesystem: {{rootdirectory: {storage}}}, delete: {{enabled: true}}}}",
        f"http: {{addr: '127.0.0.1:{port}'}}",
    ]
    if accounts:
        lines.append(f"auth: {{htpasswd: {{realm: test, path: {accounts}}}}}")
    return "\n".join(lines) + "\n"


def copying(archive: Path, name: str, digest: Path) -> list[str]:
    """Return the command that puts an archive of an image into a registry without TLS, and its digest into a file."""
    argv = [
        "skopeo",
        "copy",
        "--quiet",
        "--dest-compress-level=1",
        "--insecure-policy",
        "--dest-tls-verify=false",
        f"--digestfile={digest}",
    ]
    return [*argv, f"docker-archive:{archive}", f"docker://{name}"]


def answers_at(port: int) -> bool:
    """Tell whether something answers at a port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _start(folder: Path, port: int) -> None:
    if answers_at(port):
        raise FailedError(f"Port {port} of this machine is in use; end what listens there, or name another --ground.")
    file, log = folder / "registry.yml", folder / "registry.log"
    file.write_text(configuration(STORAGE, port), encoding="ascii")
    program = shutil.which(PROGRAM) or PROGRAM
    spawn([program, "serve", file], log).note(folder / "pid")
    wait_for("The registry", seconds=START_SECONDS, is_there=lambda: answers_at(port), log=log)


def _demonstrations() -> dict[str, Path]:
    """Return the archives that there are, and one of an image with what looks into pods."""
    kept = [image for image in images() if image.archive.exists()]
    found = {image.reference.removeprefix("localhost/"): image.archive for image in kept}
    if BUSYBOX.exists():
        archive, image = STORAGE / "box.tar", one_program("bin/busybox", BUSYBOX.read_bytes(), HELPER)
        if not archive.exists() or archive.read_bytes() != image:
            archive.write_bytes(image)
        found[HELPER] = archive
    return found


def _have(name: str, archive: Path, port: int) -> str:
    """Copy an image unless this very archive was copied before; return its digest.

    What it is known by is a hash of name, size and time of the archive, kept beside the images.
    """
    facts = archive.stat()
    key = hashlib.sha256(f"{name} {facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:24]
    digest = STORAGE / "digests" / key
    target = f"127.0.0.1:{port}/{name}"
    if not digest.exists():
        say(f"Copying {name} into the registry, once.")
        digest.parent.mkdir(exist_ok=True)
        part = digest.with_suffix(".part")
        run(copying(archive, target, part))
        part.rename(digest)
    return digest.read_text(encoding="ascii").strip()


if __name__ == "__main__":
    sys.exit(main(NAME, up=up, down=down, status=status))
