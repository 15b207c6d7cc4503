"""Tiny images for tests, made of the static busybox and nothing else."""

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiodocker.exceptions import DockerError

from specola.computing.engine.api import Engine

__all__ = [
    "ARM_IMAGE",
    "BARE_IMAGE",
    "HOSTILE_IMAGE",
    "LINKED_USERS_IMAGE",
    "LOGIN_IMAGE",
    "NAMED_USER_IMAGE",
    "STRANGE_USER_IMAGE",
    "TEST_IMAGE",
    "TEST_IMAGES",
    "TestImage",
    "load",
]

BUSYBOX = Path("/bin/busybox")
APPLETS = [
    "cat",
    "chmod",
    "chown",
    "echo",
    "env",
    "false",
    "getent",
    "grep",
    "head",
    "httpd",
    "id",
    "ip",
    "kill",
    "ls",
    "mkdir",
    "nc",
    "printf",
    "ps",
    "sh",
    "sleep",
    "stat",
    "su",
    "touch",
    "true",
    "wget",
    "wc",
    "yes",
    "dd",
]
CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class TestImage:
    """One image: its name, what its configuration says, and bytes that no other image has, to make a layer worth fetching."""

    __test__ = False

    reference: str
    architecture: str = "amd64"
    config: Mapping[str, Any] = field(default_factory=dict)
    shell: bool = True
    ballast: int = 0
    seed: int = 0
    linked_users: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)

    def archive(self) -> bytes:
        """Return the image in the format of `docker save`, which both engines load."""
        layer = self._layer()
        config = json.dumps(self._description(layer), sort_keys=True).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": [self.reference], "Layers": ["layer.tar"]}]
        return _tar({"layer.tar": layer, name: config, "manifest.json": json.dumps(manifest).encode()})

    @property
    def id(self) -> str:
        """The image id: the digest of its configuration."""
        return f"sha256:{hashlib.sha256(json.dumps(self._description(self._layer()), sort_keys=True).encode()).hexdigest()}"

    def _description(self, layer: bytes) -> dict[str, Any]:
        return {
            "architecture": self.architecture,
            "os": "linux",
            "created": CREATED,
            "config": {"Env": ["PATH=/bin"], **self.config},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            "history": [{"created": CREATED}],
        }

    def _layer(self) -> bytes:
        files = {
            "www/index.html": b"hello\n",
            "etc/passwd": b"root:x:0:0::/root:/bin/sh\nann:x:4711:4712::/home/ann:/bin/sh\n",
        }
        files |= self.files
        if self.ballast:
            files["ballast"] = random.Random(self.seed).randbytes(self.ballast)
        links = {f"bin/{name}": "busybox" for name in APPLETS}
        if self.linked_users:
            del files["etc/passwd"]
            links["etc/passwd"] = "/proc/1/environ"
        if not self.shell:
            return _tar({"busybox": BUSYBOX.read_bytes(), **files}, executable=("busybox",))
        return _tar(
            {"bin/busybox": BUSYBOX.read_bytes(), **files},
            executable=("bin/busybox",),
            links=links,
            folders=("tmp", "home"),
        )


def _tar(
    files: Mapping[str, bytes],
    *,
    executable: Sequence[str] = (),
    links: Mapping[str, str] | None = None,
    folders: Sequence[str] = (),
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in folders:
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755 if name in executable else 0o644
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return buffer.getvalue()


TEST_IMAGE = TestImage(
    "localhost/specola-test/box:1",
    config={"Cmd": ["httpd", "-f", "-p", "8000", "-h", "/www"], "ExposedPorts": {"8000/tcp": {}, "53/udp": {}}},
)
ARM_IMAGE = TestImage("localhost/specola-test/arm:1", architecture="arm64", config={"Cmd": ["true"]})
NAMED_USER_IMAGE = TestImage(
    "localhost/specola-test/named:1", config={"Cmd": ["httpd", "-f", "-p", "8000"], "User": "ann"}
)
BARE_IMAGE = TestImage(
    "localhost/specola-test/bare:1",
    config={"Cmd": ["/busybox", "httpd", "-f", "-p", "8000", "-h", "/www"], "User": "4711:4712"},
    shell=False,
)
# Declares whatever could get in the way of what is ours, and no command.
HOSTILE_IMAGE = TestImage(
    "localhost/specola-test/hostile:1",
    config={
        "Env": ["PATH=/bin", "LD_PRELOAD=/www/index.html", "SPECOLA_CREDENTIAL_FILE=/etc/passwd"],
        "Volumes": {"/data": {}, "/.specola": {}},
    },
)
STRANGE_USER_IMAGE = TestImage(
    "localhost/specola-test/strange:1", config={"Cmd": ["sleep", "1000"], "User": "nobody-here"}
)
LINKED_USERS_IMAGE = TestImage(
    "localhost/specola-test/linked:1", config={"Cmd": ["sleep", "1000"], "User": "ann"}, linked_users=True
)
# Its start files replace the PATH that the image declares, as Debian's do; its user's home is there.
LOGIN_IMAGE = TestImage(
    "localhost/specola-test/login:1",
    config={"Cmd": ["sleep", "1000"], "User": "ann", "Env": ["PATH=/opt/tools:/bin"]},
    files={
        "etc/profile": b"export PATH=/usr/bin:/bin\n",
        "home/ann/.profile": b"export PATH=$HOME/bin:$PATH COLOUR=green\n",
    },
)
TEST_IMAGES = (
    TEST_IMAGE,
    ARM_IMAGE,
    NAMED_USER_IMAGE,
    BARE_IMAGE,
    HOSTILE_IMAGE,
    STRANGE_USER_IMAGE,
    LINKED_USERS_IMAGE,
    LOGIN_IMAGE,
)


async def load(engine: Engine, images: Sequence[TestImage]) -> None:
    """Load the images that an engine does not have yet."""
    for image in images:
        try:
            if (await engine.docker.images.inspect(image.reference))["Id"].endswith(image.id[7:]):
                continue
        except DockerError as error:
            if error.status != 404:
                raise
        await engine.load(image.archive())
