"""Volumes that the engine itself keeps: scratch of tasks, and homes where this machine cannot give it a folder."""

import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from aiodocker.exceptions import DockerError

from specola.computing.engine.api import Engine
from specola.computing.engine.errors import is_missing
from specola.computing.engine.names import HOME, Names
from specola.computing.engine.users import Numbers
from specola.domain.computing import HomeMount
from specola.domain.errors import LaunchError
from specola.domain.task import TaskId

__all__ = ["KEY", "Mount", "Volumes"]

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ROOT = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """What a container has mounted: a folder of the engine's host by its path, or a volume by its name."""

    source: str
    target: str
    is_volume: bool
    read_only: bool = False

    def body(self) -> dict[str, Any]:
        """Return it as the engine is told."""
        told: dict[str, Any] = {
            "Type": "volume" if self.is_volume else "bind",
            "Source": self.source,
            "Target": self.target,
            "ReadOnly": self.read_only,
        }
        # What the image has at that place is not copied: a home is the same whatever runs first in it.
        return told | ({"VolumeOptions": {"NoCopy": True}} if self.is_volume else {})


class Volumes:
    """Makes the volumes of one installation on one engine, gives each its owner, and removes those of tasks."""

    def __init__(self, engine: Engine, names: Names) -> None:
        self._engine = engine
        self._names = names

    def home(self, home: HomeMount) -> Mount:
        """Return the volume that is a person's home. Raises LaunchError if its key is none."""
        if not KEY.fullmatch(home.key):
            raise LaunchError(f"“{home.key}” cannot name a home.", code="home_refused")
        name = self._names.home(home.key)
        return Mount(source=name, target=home.path, is_volume=True, read_only=home.read_only)

    def scratch(self, task: TaskId, target: str) -> Mount:
        """Return the volume that is a task's scratch."""
        return Mount(source=self._names.scratch(task), target=target, is_volume=True)

    async def make_home(self, home: HomeMount) -> Mount:
        """Return the volume that is a person's home, made if need be."""
        mount = self.home(home)
        await self._engine.make_volume(mount.source, self._names.marks | {HOME: home.key})
        return mount

    async def make_scratch(self, task: TaskId, target: str) -> Mount:
        """Return the volume that is a task's scratch, made if need be."""
        mount = self.scratch(task, target)
        await self._engine.make_volume(mount.source, self._names.labels(task))
        return mount

    async def give(self, mount: Mount, numbers: Numbers, *, container: str, through_parent: bool) -> None:
        """Give a volume that nobody has yet to its owner; one that has an owner keeps it, and its mode.

        A volume begins as root's, and stays so until somebody is given it, whatever crashes meanwhile. Nothing is changed
        recursively.

        Parameters
        ----------
        container
            A container that has it mounted, and has not been started.
        through_parent
            Whether a tar changes the folder that it is unpacked into only by its name (Docker), or only as “.” (Podman).

        Raises
        ------
        LaunchError
            It belongs to somebody else.
        """
        owner = await self._owner(container, mount.target)
        if owner == numbers.user or mount.read_only:
            return
        if owner != ROOT:
            raise LaunchError(
                f"The home belongs to number {owner}, not to {numbers.user}.",
                hint="An administrator can give it back with chown.",
                code="home_refused",
            )
        path = PurePosixPath(mount.target)
        where, name = (str(path.parent), path.name) if through_parent else (mount.target, ".")
        await self._engine.put_archive(container, where, _folder(name, numbers))

    async def remove(self, task: TaskId) -> None:
        """Remove the scratch of a task that has no container any more; silent if there is none."""
        try:
            await self._engine.remove_volume(self._names.scratch(task))
        except DockerError as error:
            if not is_missing(error):
                raise

    async def _owner(self, container: str, path: str) -> int:
        """Return whom a folder belongs to: the engine tells in the head of the tar that it would make of it."""
        async with self._engine.stream(f"containers/{container}/archive", {"path": path}) as content:
            return tarfile.TarInfo.frombuf(await content.readexactly(tarfile.BLOCKSIZE), "utf-8", "replace").uid


def _folder(name: str, owner: Numbers) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo(f"{name}/")
        info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, 0o700, owner.user, owner.group
        tar.addfile(info)
    return io.BytesIO(buffer.getvalue())
