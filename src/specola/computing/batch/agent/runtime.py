"""What the agent needs of a container runtime, and what it tells one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .children import Child
from .manifest import Manifest
from .network import Network
from .placed import CREDENTIAL, HOME, Placed
from .places import MARK, Place

__all__ = ["Config", "Container", "Runtime", "StartError", "environment_of", "lookup", "ours"]

GPUS = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""The variables by which a scheduler says which GPUs of a node a job has."""


class StartError(Exception):
    """The task cannot be started; `code` says why, in the platform's words."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


@dataclass(frozen=True)
class Config:
    """What an image says of itself, in the words of the OCI."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    id: str | None = None

    @classmethod
    def read(cls, told: Mapping[str, Any], *, image_id: str | None = None) -> Config:
        """Read the part `config` of an image's description."""
        return cls(
            entrypoint=tuple(told.get("Entrypoint") or ()),
            command=tuple(told.get("Cmd") or ()),
            environment=dict(one.split("=", 1) for one in told.get("Env") or () if "=" in one),
            workdir=told.get("WorkingDir") or "/",
            user=told.get("User") or "",
            id=image_id,
        )

    def argv(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """Return what runs: the entry point, with `command` in place of the image's own if there is one.

        Raises
        ------
        StartError
            There is nothing to run.
        """
        found = (*self.entrypoint, *(command or self.command))
        if not found:
            raise StartError("command_missing", "The image names no command, and the release neither.")
        return found


@dataclass(frozen=True)
class Container:
    """A container that was started: the runtime's process, the network it is in (None: the runtime makes it)."""

    child: Child
    network: Network | None
    config: Config


class Runtime(Protocol):
    """One way to run containers."""

    async def start(self, manifest: Manifest, place: Place, placed: Placed, streams: tuple[int, int, int]) -> Container:
        """Start the task's container in the foreground. Raises StartError."""

    async def network(self, container: Container, process: int) -> Network:
        """Return the network that a container's process is in. Raises NetworkError."""

    async def clear(self, place: Place) -> None:
        """Remove what it has left on the node."""


def environment_of(manifest: Manifest, config: Config) -> dict[str, str]:
    """Return the variables of the container: the image's, the release's, ours, the later before the earlier."""
    own = {"SPECOLA_TASK": manifest.task, "SPECOLA_CREDENTIAL_FILE": CREDENTIAL}
    home = {"HOME": manifest.home.target} if manifest.home else {}
    if manifest.user == "home" and manifest.owner:
        home |= {"USER": manifest.owner, "LOGNAME": manifest.owner}
    gpus = {name: os.environ[name] for name in GPUS if manifest.resources.gpus and name in os.environ}
    found = {**config.environment, **home, **gpus, **manifest.environment, **own}
    # Apptainer sets the home by itself, whatever it is told; the script that begins puts it right.
    return {**found, HOME: found["HOME"]} if "HOME" in found else found


def ours(environment: Mapping[str, str], place: Place) -> dict[str, str]:
    """Return the variables of a runtime's own process: ours of this node, without those of the job, and the task's mark."""
    kept = ("PATH", "HOME", "USER", "LOGNAME", "LANG", *GPUS)
    proxies = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    own = {name: environment[name] for name in (*kept, *proxies) if name in environment}
    folders = {"XDG_RUNTIME_DIR": str(place.sockets), "TMPDIR": str(place.disk), MARK: str(place.sockets)}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **own, **folders}


def lookup(*names: str) -> str | None:
    """Return where the first of some programs is that this node has."""
    found = (
        shutil.which(name, path=None) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin") for name in names
    )
    return next((one for one in found if one), None)
