"""Images of an engine: what is known of one, and fetching one with its progress in bytes."""

import re
from collections.abc import Mapping
from typing import Any

from aiodocker import Docker
from aiodocker.exceptions import DockerError
from httpx import URL, InvalidURL

from specola.clock import Clock
from specola.computing.engine.errors import is_missing
from specola.computing.registries.facts import architecture, exposed
from specola.computing.registries.reach import AddressRefusedError, Reach
from specola.domain.computing import ImageDetails, Launch, Progress
from specola.domain.errors import (
    ImageArchitectureError,
    ImageUnknownError,
    ImageUnreachableError,
    LaunchError,
    NoSpaceError,
    RegistryRefusedError,
    SpecolaError,
)
from specola.domain.reference import ImageReference
from specola.ports.computing import Report

__all__ = ["Image", "Images", "count"]

EVERY = 0.5
UNKNOWN = re.compile(
    r"manifest unknown|not found|name unknown|unauthorized|access denied|denied:|requested access"
    r"|no basic auth credentials|authentication required"
)
OTHER_MACHINE = re.compile(r"no matching manifest|no image found in (manifest list|image index)|no child with platform")
FULL = ("no space left on device",)


class Image:
    """An image on the engine, as its inspection tells."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told
        self._config: Mapping[str, Any] = told.get("Config") or {}

    @property
    def id(self) -> str:
        """The image id: the digest of its configuration, the same everywhere."""
        text = str(self._told["Id"])
        return text if text.startswith("sha256:") else f"sha256:{text}"

    @property
    def architecture(self) -> str:
        """What it is made for, in registries' words."""
        return architecture(str(self._told.get("Architecture") or ""))

    @property
    def user(self) -> str:
        """The user it runs as: empty, NAME, NUMBER, or either with a group behind a colon."""
        return str(self._config.get("User") or "")

    def details(self, reference: ImageReference) -> ImageDetails:
        """Return what people are told."""
        command = [*(self._config.get("Entrypoint") or []), *(self._config.get("Cmd") or [])]
        return ImageDetails(
            reference=reference.text,
            digest=reference.digest or self._digest(reference),
            id=self.id,
            architecture=self.architecture,
            operating_system=str(self._told.get("Os") or "linux"),
            ports=exposed(self._config),
            user=self.user,
            command=tuple(command),
            environment=dict(one.partition("=")[::2] for one in self._config.get("Env") or []),
            size=int(self._told.get("Size") or 0),
            cached=True,
            source="engine",
            labels=dict(self._config.get("Labels") or {}),
            architectures=(self.architecture,),
        )

    def _digest(self, reference: ImageReference) -> str | None:
        """Return the registry's digest, if the engine got the image from that very registry."""
        for one in self._told.get("RepoDigests") or []:
            name, _, digest = str(one).partition("@")
            host = name.partition("/")[0]
            if name.endswith(reference.repository) and host != "localhost" and not name.startswith("<none>"):
                return digest
        return None


class Images:
    """Finds images on one engine, and fetches those that are not there."""

    def __init__(self, *, computing: str, clock: Clock, reach: Reach) -> None:
        self._computing = computing
        self._reach = reach
        self._clock = clock

    async def find(self, docker: Docker, name: str) -> Image | None:
        """Return the image of that name or id, or None."""
        try:
            return Image(await docker.images.inspect(name))
        except DockerError as error:
            if is_missing(error):
                return None
            raise

    async def ensure(self, docker: Docker, launch: Launch, *, machine: str, report: Report) -> Image:
        """Return exactly the image that a launch asks for, fetched if need be.

        Raises
        ------
        ImageUnknownError, ImageUnreachableError, ImageArchitectureError, RegistryRefusedError, NoSpaceError
            It cannot be had, or is of no use here.
        LaunchError
            What the registry has under this name now is not what the record says.
        """
        wanted = ImageReference.parse(launch.reference)
        name = _pinned(wanted, launch.digest)
        image = await self.find(docker, launch.image_id or name)
        if image is None:
            await self._pull(docker, name, report=report, machine=machine)
            image = await self.find(docker, name)
            if image is None:
                raise ImageUnknownError(launch.reference)
            if launch.image_id and image.id != launch.image_id and launch.digest is None:
                raise LaunchError(
                    f"“{launch.reference}” is not the image any more that this task ran before.",
                    hint="Start the software itself again to use what the name means now.",
                    code="image_changed",
                )
        if image.architecture and machine and image.architecture != machine:
            raise ImageArchitectureError(launch.reference, (image.architecture,), (machine,))
        return image

    async def _pull(self, docker: Docker, name: str, *, report: Report, machine: str) -> None:
        # `localhost` without a port is how engines call what was built here; there is no registry to ask.
        if ImageReference.parse(name).registry == "localhost":
            raise ImageUnknownError(name)
        await self._vet(ImageReference.parse(name).registry)
        layers: dict[str, tuple[int, int]] = {}
        await report(_progress(name, layers))
        told = self._clock.monotonic()
        try:
            async for line in docker.images.pull(name, stream=True):
                count(layers, line)
                if self._clock.monotonic() - told >= EVERY:
                    told = self._clock.monotonic()
                    await report(_progress(name, layers))
        except DockerError as error:
            raise self._failure(name, error.message, machine) from error
        await report(_progress(name, layers))

    async def _vet(self, registry: str) -> None:
        """Refuse to have the engine ask where we would not: of its own accord it asks a loopback without TLS."""
        if not registry:
            return
        try:
            await self._reach.vet(URL(f"{self._reach.scheme(registry)}://{registry}"))
        except AddressRefusedError as error:
            raise RegistryRefusedError(registry, str(error)) from error
        except (OSError, InvalidURL):
            # The engine may stand where the name is known; if not, it says so itself.
            return

    def _failure(self, name: str, message: str, machine: str) -> SpecolaError:
        text = message.lower()
        if any(word in text for word in FULL):
            return NoSpaceError(self._computing)
        if OTHER_MACHINE.search(text):
            return ImageArchitectureError(name, ("other architectures",), (machine,))
        if UNKNOWN.search(text) and "no such host" not in text:
            return ImageUnknownError(name)
        registry = ImageReference.parse(name).registry or "docker.io"
        return ImageUnreachableError(name, registry, " ".join(message.split())[-200:])


def _pinned(reference: ImageReference, digest: str | None) -> str:
    """Return the name to ask for: by digest where one is known, else by tag."""
    digest = digest or reference.digest
    name = f"{reference.registry}/{reference.repository}" if reference.registry else reference.repository
    return f"{name}@{digest}" if digest else f"{name}:{reference.tag or 'latest'}"


def count(layers: dict[str, tuple[int, int]], line: Mapping[str, Any]) -> None:
    """Note in `layers` (bytes done, bytes in all) what one line of a pull's answer tells."""
    layer, detail = str(line.get("id") or ""), line.get("progressDetail") or {}
    current, total = int(detail.get("current") or 0), int(detail.get("total") or 0)
    status = str(line.get("status") or "")
    if status == "Downloading" and total > 0:
        layers[layer] = (current, total)
    elif status in {"Download complete", "Pull complete"} and layer in layers:
        layers[layer] = (layers[layer][1], layers[layer][1])


def _progress(name: str, layers: Mapping[str, tuple[int, int]]) -> Progress:
    done, total = (sum(one[part] for one in layers.values()) for part in (0, 1))
    return Progress(code="image_pull", sentence=f"Fetching the image {name}.", done=done, total=total or None)
