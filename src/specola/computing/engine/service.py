"""Podman's API service, for machines whose only engine is a Podman that nobody serves yet."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from specola.computing.engine.config import EngineSettings, usual_sockets
from specola.domain.errors import ComputingUnreachableError

__all__ = ["PodmanService", "answering_socket", "find_service"]

PING = b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n"
PING_SECONDS = 3.0
TRIAL_SECONDS = 60.0
# Each quirk is a part of containers.conf, put in only on a machine whose trial container fails without it.
RUNTIME = ("engine", 'runtime = "runc"')
CGROUPS = ("engine", 'cgroup_manager = "cgroupfs"')
LIMITS = ("containers", 'default_ulimits = ["nofile=1024:4096", "nproc=4096:8192"]')
Quirk = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PodmanService:
    """`podman system service` on a socket of one's own, and what this machine needs for it; images are Podman's own.

    Parameters
    ----------
    socket
        Where it will answer.
    configuration
        A private containers.conf with this machine's quirks; None: it needs none.
    """

    socket: Path
    configuration: Path | None = None

    def argv(self) -> list[str]:
        """Return the command, which runs until it is ended."""
        return ["podman", "system", "service", "--time=0", f"unix://{self.socket}"]

    def environment(self) -> Mapping[str, str]:
        """Return the variables to add to the environment."""
        return {"CONTAINERS_CONF": str(self.configuration)} if self.configuration else {}

    async def works(self, helper: Path) -> bool:
        """Start a trial container from nothing but the static helper, and tell whether it ran."""
        with tempfile.TemporaryDirectory(prefix="specola-trial-") as folder:
            await asyncio.to_thread(shutil.copy, helper, Path(folder) / "busybox")
            argv = ["podman", "run", "--rm", "--network=none", "--rootfs", folder, "/busybox", "true"]
            process = await asyncio.create_subprocess_exec(
                *argv,
                env={**os.environ, **self.environment()},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                async with asyncio.timeout(TRIAL_SECONDS):
                    return await process.wait() == 0
            except TimeoutError:
                process.kill()
                await process.wait()
                return False


async def answering_socket(paths: tuple[Path, ...] | None = None) -> Path | None:
    """Return the first of the usual sockets (or of `paths`) behind which an engine answers."""
    for path in usual_sockets() if paths is None else paths:
        if path.is_socket() and await _answers(path):
            return path
    return None


async def find_service(*, socket: Path, folder: Path, helper: Path | None = None) -> PodmanService:
    """Find out by trial how Podman runs containers on this machine, and return its service.

    An ordinary machine needs nothing. Where a trial container fails, a private configuration is tried with more and more
    quirks (another runtime, limits that a process without CAP_SYS_RESOURCE may set, cgroups without systemd), and kept
    in `folder` while it is needed.

    Parameters
    ----------
    socket
        Where the service will answer.
    folder
        Where the private configuration is written.
    helper
        The static program that the trial container is made of.

    Raises
    ------
    ComputingUnreachableError
        There is no Podman, or it runs no container in any of these ways.
    """
    if shutil.which("podman") is None:
        raise ComputingUnreachableError("podman", "it is not installed")
    for count in range(4):
        for quirks in itertools.combinations((LIMITS, RUNTIME, CGROUPS), count):
            file = await asyncio.to_thread(_write, folder / "containers.conf", quirks)
            service = PodmanService(socket=socket, configuration=file)
            if await service.works(helper or EngineSettings().helper):
                return service
    raise ComputingUnreachableError("podman", "it runs no container on this machine; try “podman run” to see why")


def _write(file: Path, quirks: tuple[Quirk, ...]) -> Path | None:
    """Write the configuration; None, and no file, if nothing is to be set."""
    if not quirks:
        file.unlink(missing_ok=True)
        return None
    lines = ["# Written by Specola: what this machine needs to run containers. Found out again at each start."]
    for section in sorted({section for section, _ in quirks}):
        lines += [f"[{section}]", *(line for where, line in quirks if where == section)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


async def _answers(path: Path) -> bool:
    try:
        async with asyncio.timeout(PING_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(PING)
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
