"""Containers by Apptainer, in a network namespace of our own: no root, no setuid, nothing that outlives the task."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Callable

from . import images
from .aging import using
from .children import Children
from .manifest import Image, Manifest, Mount
from .network import Network, NetworkError
from .outward import Outward
from .placed import FOLDER, Placed
from .places import Place
from .runtime import Config, Container, StartError, environment_of, lookup, ours

__all__ = ["NAMES", "Apptainer", "argv"]

NAMES = ("apptainer", "singularity")
PREFIX = "APPTAINERENV_"


class Apptainer:
    """Runs one task's container."""

    def __init__(self, children: Children, *, report: Callable[[images.Progress], None]) -> None:
        self._children = children
        self._report = report
        self._outward: Outward | None = None
        self._using: asyncio.Task[None] | None = None

    async def start(self, manifest: Manifest, place: Place, placed: Placed, streams: tuple[int, int, int]) -> Container:
        """Start the container in a network of its own, made here. The image is fetched first where it is not here."""
        program = lookup(*NAMES)
        if program is None:
            raise StartError("runtime_missing", "This node has no Apptainer.")
        image, config = await self._image(program, manifest.image, place)
        try:
            network = Network.made(self._children)
        except NetworkError as error:
            raise StartError("no_namespaces", f"This node gives accounts no namespaces: {error}") from error
        if manifest.network == "outbound":
            self._outward = await Outward.open(self._children, network, place)
        command = argv(program, manifest, config, image=image, place=place, placed=placed)
        environment = ours(os.environ, place)
        environment |= {f"{PREFIX}{name}": value for name, value in environment_of(manifest, config).items()}
        environment |= {"APPTAINER_CACHEDIR": str(place.disk / "cache"), "APPTAINER_TMPDIR": str(place.disk)}
        child = self._children.start(command, environment, streams=streams, before=network.join)
        return Container(child, network, config)

    async def _image(self, program: str, image: Image, place: Place) -> tuple[Path, Config]:
        target = Path(image.sif) if image.sif else place.disk / "image.sif"
        if not target.exists():
            await images.fetch(self._children, program, image, target, scratch=place.disk, report=self._report)
        self._using = asyncio.ensure_future(using(target))
        return target, await images.config(self._children, program, target)

    async def network(self, container: Container, process: int) -> Network:
        """Return the network that was made before."""
        del process
        assert container.network is not None
        return container.network

    async def clear(self, place: Place) -> None:
        """End the way out, let go of the image; the folders are removed by who made them."""
        del place
        if self._using is not None:
            self._using.cancel()
        if self._outward is not None:
            self._outward.close()


def argv(program: str, manifest: Manifest, config: Config, *, image: Path, place: Place, placed: Placed) -> list[str]:
    """Return the command that runs a task's container."""
    scratch = place.disk / "inside"
    folders = {"/tmp": scratch / "tmp", "/var/tmp": scratch / "var-tmp"}  # noqa: S108 -- they are the container's
    for folder in (*folders.values(), scratch / "changes"):
        folder.mkdir(mode=0o700, parents=True)
    binds = [Mount(str(source), target) for target, source in folders.items()]
    binds.append(Mount(str(placed.folder), FOLDER, read_only=True))
    if manifest.scratch is not None:
        source = Path(manifest.scratch.source) / place.disk.name if manifest.scratch.source else scratch / "scratch"
        binds.append(Mount(str(source), manifest.scratch.target))
    if manifest.home is not None:
        binds.append(manifest.home)
    for one in binds:
        Path(one.source).mkdir(mode=0o700, parents=True, exist_ok=True)
    above = ["--overlay", str(scratch / "changes")] if lookup("fuse-overlayfs") else ["--writable-tmpfs"]
    words = [program, "--silent", "exec", "--containall", "--cleanenv", "--no-eval", "--no-home", *above]
    if manifest.resources.gpus:
        words.append("--nv")
    if manifest.user == "image" and config.user.partition(":")[0] in ("", "0", "root"):
        words += ["--fakeroot", "--ignore-subuid", "--ignore-fakeroot-command"]
    for one in binds:
        words += ["--mount", _mount(one)]
    return [*words, str(image), *placed.begin(config.workdir, config.argv(manifest.command))]


def _mount(mount: Mount) -> str:
    """Return a mount as Apptainer reads it: comma-separated values, of which any may be in quotes."""
    parts = ["type=bind", f"source={mount.source}", f"destination={mount.target}", *(["ro"] if mount.read_only else [])]
    return ",".join('"' + part.replace('"', '""') + '"' for part in parts)


def description(text: str) -> Config | None:
    """Read a part of an image file that may be the image's description; None: it is another."""
    try:
        told = json.loads(text)
    except ValueError:
        return None
    if not isinstance(told, dict) or "data" in told:
        return None
    return Config.read(told)
