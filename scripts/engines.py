"""The container engine that the scripts build with, driven by its own command line."""

import json
import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.machine import FailedError, answers, has, limits, run

__all__ = ["DOCKER_SOCKETS", "Engine", "docker", "find_engine", "podman", "product"]

DOCKER_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock")
# BuildKit is part of Docker since 18.09; from 23 on its command line wants the plug-in buildx for it.
PLUGIN_SINCE = 23


@dataclass(frozen=True, slots=True)
class Engine:
    """Docker or Podman: the same words, but for building."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    building: tuple[str, ...] = ()

    def label(self, reference: str, label: str) -> str | None:
        """Return a label of an image; None: there is no such image."""
        text = answers([*self.command, "image", "inspect", reference], environment=self.environment)
        if text is None:
            return None
        labels = json.loads(text)[0]["Config"].get("Labels") or {}
        return str(labels.get(label, ""))

    def pull(self, reference: str) -> bool:
        """Fetch an image from its registry; False: no registry with it is within reach."""
        return (
            answers([*self.command, "pull", "--quiet", reference], seconds=600, environment=self.environment)
            is not None
        )

    def take(self, root: Path, reference: str) -> None:
        """Make an image out of an archive of a root file system."""
        run([*self.command, "import", root, reference], environment=self.environment)

    def build(self, context: Path, file: Path, options: Sequence[str | Path]) -> None:
        """Build an image from a Containerfile."""
        run([*self.command, "build", *self.building, *options, "--file", file, context], environment=self.environment)

    def save(self, reference: str, archive: Path) -> None:
        """Write an image into an archive that both engines can load."""
        part = archive.with_suffix(".part")
        part.unlink(missing_ok=True)
        run([*self.command, "save", "--output", part, reference], environment=self.environment)
        part.rename(archive)

    def load(self, archive: Path) -> None:
        """Read an image from an archive."""
        run([*self.command, "load", "--quiet", "--input", archive], environment=self.environment)


def podman(*options: str) -> Engine:
    """Return Podman; chroot isolation needs no second container runtime, the host's network no set-up of one."""
    building = ("--isolation", "chroot", "--network", "host", "--format", "docker", *limits())
    return Engine("Podman", ("podman", *options), building=building)


def docker(address: str) -> Engine:
    """Return Docker at an address, with a command line that can build with secrets.

    Raises
    ------
    FailedError
        No `docker` on the path can, or it does not answer.
    """
    environment = {"DOCKER_HOST": address, "DOCKER_BUILDKIT": "1"}
    found = [Path(folder) / "docker" for folder in os.get_exec_path()]
    for program in [str(path) for path in found if shutil.which(str(path))]:
        version = answers([program, "version", "--format", "{{.Client.Version}}"], environment=environment)
        if version is None:
            continue
        if int(version.split(".")[0]) < PLUGIN_SINCE or answers([program, "buildx", "version"]) is not None:
            return Engine("Docker", (program,), environment, ("--network", "host"))
    raise FailedError(
        f"Docker answers at {address}, but no docker command here can build images. "
        "Install the package docker-cli or docker-buildx-plugin (Debian 12: docker.io)."
    )


def product(path: str) -> str | None:
    """Return which engine serves a Unix socket, "Docker" or "Podman"; None: nobody answers there."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(3)
            connection.connect(path)
            connection.sendall(b"GET /version HTTP/1.0\r\nHost: engine\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError:
        return None
    return "Podman" if b"Podman Engine" in answer else "Docker"


def find_engine(wanted: str = "") -> Engine | None:
    """Return the engine that `specola up` will use: the one named, else Docker if it answers, else Podman; None: neither.

    Parameters
    ----------
    wanted
        An engine's API socket, as in the setting `engine`.
    """
    for path in [wanted.removeprefix("unix://")] if wanted else DOCKER_SOCKETS:
        kind = product(path)
        if kind == "Docker":
            return docker(f"unix://{path}")
    if has("podman") and answers(["podman", "info"]) is not None:
        return podman()
    return None
