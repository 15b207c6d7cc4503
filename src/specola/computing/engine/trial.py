"""A trial container, made of nothing but the static helper, that shows whether and how an engine runs containers."""

import asyncio
import contextlib
import hashlib
import io
import json
import tarfile
from typing import Any

from aiodocker.exceptions import DockerError

from specola.computing.engine.api import Engine
from specola.computing.engine.errors import is_missing
from specola.computing.engine.quirks import Quirks, lacking

__all__ = ["TRIAL", "run_trial"]

TRIAL = "org.specola.trial"
ENDING = "state improper"
ATTEMPTS = 50
PAUSE_SECONDS = 0.1

# Whether an engine takes limits is shown by its taking them.
LIMITS = {"PidsLimit": 64, "Memory": 64 * 1024**2, "MemorySwap": 64 * 1024**2, "NanoCpus": 10**9}
CREATED = "1970-01-01T00:00:00Z"


async def run_trial(engine: Engine, quirks: Quirks, *, helper: bytes, machine: str, name: str) -> Quirks:
    """Load an image made of the helper, run a container of it, remove both, and return the quirks it took.

    Parameters
    ----------
    quirks
        Those that are known already.
    helper
        The static program.
    machine
        The engine's architecture in registries' words.
    name
        What image and container are called; nobody else may use it meanwhile.

    Raises
    ------
    DockerError
        The engine runs no container in any way known here.
    """
    reference = f"localhost/{name}:1"
    await engine.load(image_archive(reference, helper=helper, machine=machine))
    try:
        while True:
            try:
                await _started(engine, reference, name, quirks)
            except DockerError as error:
                more = lacking(error, quirks)
                if more is None:
                    raise
                quirks |= more
            else:
                return quirks
    finally:
        with contextlib.suppress(DockerError):
            await engine.docker.images.delete(reference, force=True)


async def _started(engine: Engine, reference: str, name: str, quirks: Quirks) -> None:
    body: dict[str, Any] = {
        "Image": reference,
        "Cmd": ["/helper", "true"],
        "HostConfig": {"NetworkMode": "none", "CapDrop": ["ALL"], **LIMITS, **quirks.host_config},
    }
    container = engine.docker.containers.container(name)
    await _deleted(container)
    try:
        container = await engine.docker.containers.create(body, name=name)
        await container.start()
    finally:
        await _deleted(container)


async def _deleted(container: Any) -> None:
    for left in reversed(range(ATTEMPTS)):
        try:
            await container.delete(force=True)
        except DockerError as error:
            if is_missing(error):
                return
            # Podman refuses to remove a container in the moment in which its program ends.
            if ENDING not in error.message or not left:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return


def image_archive(reference: str, *, helper: bytes, machine: str) -> bytes:
    """Return an image of one file, `/helper`, in the format of `docker save`, which both engines load."""
    layer = _tar({"helper": helper})
    description = {
        "architecture": machine,
        "os": "linux",
        "created": CREATED,
        # Unlike for each installation, so that none removes another's by its id.
        "config": {"Labels": {TRIAL: reference}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": CREATED}],
    }
    config = json.dumps(description, sort_keys=True).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    return _tar({"layer.tar": layer, name: config, "manifest.json": json.dumps(manifest).encode()})


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
