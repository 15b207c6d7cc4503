"""A node of the lab on which agents run tasks, with either runtime."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lab import registry, sshhost
from lab.sshhost import SshHosts
from specola.computing.batch.agent.manifest import Image, Manifest, Mount
from specola.computing.batch.parcel import parcel
from specola.computing.inside.fileserver import FileServer
from tests.support.images import NAMED_USER_IMAGE, TEST_IMAGE
from tests.support.lab import shared
from tests.support.nodes import Node

SERVES = "httpd -p 8000 -h /www; echo out; echo err >&2; exec nc -ll -p 9000 -e cat"


@dataclass(frozen=True, slots=True)
class Ground:
    """A node with the agent on it, and what a manifest says of every task there."""

    node: Node
    agent: str
    manifest: Manifest
    with_user: Image
    """The same image with a user of its own."""

    def wants(self, name: str, **more: Any) -> Manifest:
        """Return the manifest of a task."""
        return replace(self.manifest, task=f"{self.manifest.runtime[:1]}{name}", **more)


@pytest.fixture(scope="session")
def digests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The test images in the lab's registry, and the digest of each."""
    folder = tmp_path_factory.mktemp("images")
    archives = {"test/box:1": folder / "box.tar", "test/named:1": folder / "named.tar"}
    for file, image in zip(archives.values(), (TEST_IMAGE, NAMED_USER_IMAGE), strict=True):
        file.write_bytes(image.archive())
    with shared("registry", up=lambda ground: registry.up(ground, archives), down=registry.down) as place:
        yield dict(place.digests)


@pytest.fixture(scope="session")
def hosts() -> Iterator[SshHosts]:
    """The hosts of the lab."""
    with shared("sshhost", up=sshhost.up, down=sshhost.down) as place:
        yield place


@pytest.fixture(scope="session")
def beyond(hosts: SshHosts) -> str:
    """An address of the host that the node can reach."""
    return hosts.inner.address.rpartition(".")[0] + ".1"


@pytest.fixture(scope="session")
def node(hosts: SshHosts) -> Node:
    """The host of the lab that has Podman without root, and Apptainer."""
    return Node(hosts.place.machine("inner"), Path(hosts.place.folder) / "home/inner/ann")


@pytest.fixture(params=["apptainer", "podman"])
def ground(request: pytest.FixtureRequest, node: Node, digests: dict[str, str]) -> Ground:
    """That host with the agent on it, and one of its runtimes."""
    packed = parcel(helper=Path("/bin/busybox"), files=FileServer(Path("/usr/lib/openssh/sftp-server")))
    image, with_user = (Image(name, digest=digest, insecure=True) for name, digest in digests.items())
    if request.param == "apptainer":
        image = replace(image, sif="/home/ann/images/box.sif")
        with_user = replace(with_user, sif="/home/ann/images/named.sif")
    manifest = Manifest(
        task="",
        installation="test",
        image=image,
        owner="ann",
        runtime=str(request.param),
        command=("sh", "-c", SERVES),
        environment={"COLOUR": "blue", "SECRET": "canary-environment"},
        home=Mount("/home/ann/person", "/home/person"),
        ports={"web": 8000, "echo": 9000},
        network="none",
        grace=5,
    )
    return Ground(node, node.place(f"agent/{packed.sha256}.pyz", packed.content), manifest, with_user)
