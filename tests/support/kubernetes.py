"""A Kubernetes cluster of the lab as a computing under test."""

import asyncio
import contextlib
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from lab import kubernetes, registry
from lab.keys import Keys
from lab.kubenode import SOCKET
from lab.kubernetes import Kubernetes
from specola.computing.kinds import Context, open_computing
from specola.domain.computing import Handle, Launch, Phase
from specola.domain.software import RunsAs
from specola.ports.computing import Computing, Executes
from tests.support.images import ARM_IMAGE, TEST_IMAGE, TEST_IMAGES
from tests.support.lab import shared
from tests.support.places import SERVE, Place, Reports, a_launch, until

__all__ = ["PERSON", "Cluster", "KubernetesPlace", "kubernetes_cluster"]

PERSON = 4711
# A server that has another port to listen at than those that tests dial.
NOWHERE = "https://127.0.0.1:1"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is up, and the registry that it pulls from."""

    lab: Kubernetes
    port: int

    def name(self, reference: str) -> str:
        """Return how a test image is called in that registry."""
        return f"127.0.0.1:{self.port}/{reference.removeprefix('localhost/')}"


@pytest.fixture(scope="session")
def kubernetes_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of the lab, with the test images in its registry."""
    folder = tmp_path_factory.mktemp("images")
    archives: dict[str, Path] = {}
    for number, image in enumerate(TEST_IMAGES):
        file = folder / f"{number}.tar"
        file.write_bytes(image.archive())
        archives[image.reference.removeprefix("localhost/")] = file
    with (
        shared("registry", up=lambda ground: registry.up(ground, archives), down=registry.down) as images,
        shared("kubernetes", up=kubernetes.up, down=kubernetes.down) as place,
    ):
        yield Cluster(place, images.port)


class KubernetesPlace(Place):
    """A real cluster, asked with the rights of the documented role and none besides."""

    kind = "kubernetes"
    keys: Keys | None = None
    # A cluster keeps one stream of what a task writes, and tells only administrators what its nodes have.
    keeps_outputs_apart = False
    keeps_images = has_images = False

    def __init__(self, context: Context, cluster: Cluster, **settings: Any) -> None:
        self.cluster = cluster
        self.settings: dict[str, Any] = {
            "kubeconfig": cluster.lab.account.read_text(encoding="ascii"),
            "namespace": cluster.lab.namespace,
            "helper_image": cluster.name(TEST_IMAGE.reference),
            "insecure_registries": [f"127.0.0.1:{cluster.port}"],
            "reach": "direct",
            "admitted": ["10.0.0.0/8"],
            "cpu_share": 0.02,
            "grace": 1,
            "home": {"size": "1Gi"},
            **settings,
        }
        super().__init__(context)

    @property
    def administrator(self) -> kubernetes.Api:
        """Asks the cluster with every right."""
        return self.cluster.lab.administrator

    @override
    def open(self, context: Context | None = None) -> Computing:
        return self.open_with({}, context)

    def open_with(self, settings: dict[str, Any], context: Context | None = None) -> Computing:
        """Open the computing with other settings."""
        computing = open_computing(
            "kubernetes", name="cluster", settings=self.settings | settings, context=context or self.context
        )
        self.opened.append(computing)
        return computing

    def of_image(self, reference: str, *command: str) -> Launch:
        """Return a launch of a test image as the home's owner, which the restricted profile wants."""
        return replace(a_launch(self.cluster.name(reference), *command), user=RunsAs.HOME, number=PERSON)

    def shell(self, script: str) -> Launch:
        """Run a script of the test image's shell."""
        return self.of_image(TEST_IMAGE.reference, "sh", "-c", script)

    @override
    def web(self) -> Launch:
        return self.shell(SERVE)

    @override
    def exits(self) -> Launch:
        return self.shell("echo starting; echo no such setting >&2; exit 3")

    @override
    def stubborn(self) -> Launch:
        return self.shell("trap '' TERM; echo ready; while true; do sleep 1; done")

    @override
    def other_machine(self) -> Launch:
        return self.of_image(ARM_IMAGE.reference)

    @override
    async def launch(self, launch: Launch, reports: Reports | None = None) -> Handle:
        """Launch a task, and wait until it waits no more."""
        handle = await super().launch(launch, reports)
        await until(lambda: self._has_begun(handle), seconds=60)
        return handle

    async def _has_begun(self, handle: Handle) -> bool:
        return (await self.observe(handle)).phase is not Phase.CREATED

    def pod(self, handle: Handle) -> dict[str, Any]:
        """Return a task's pod, as an administrator sees it."""
        namespace, _, name = handle.partition("/")
        return dict(self.administrator.ask("GET", f"/api/v1/namespaces/{namespace}/pods/{name}"))

    @override
    async def kill(self, handle: Handle) -> None:
        status = self.pod(handle)["status"]["containerStatuses"][0]
        container = status["containerID"].removeprefix("containerd://")
        argv = ["ctr", f"--address={SOCKET}", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", container]
        await asyncio.to_thread(self.cluster.lab.node.run, *argv)

    @override
    async def say(self, handle: Handle, text: str) -> None:
        await self._inside(handle, 'echo "$1" >/proc/1/fd/1', text)

    @override
    async def listen(self, handle: Handle, port: int, *, loopback: bool) -> None:
        address = f"127.0.0.1:{port}" if loopback else str(port)
        await self._inside(handle, 'echo $$ >"/dev/shm/served.$1"; exec httpd -f -p "$2" -h /www', str(port), address)

    @override
    async def hush(self, handle: Handle, port: int) -> None:
        await self._inside(handle, 'kill "$(cat "/dev/shm/served.$1")"', str(port))

    async def _inside(self, handle: Handle, script: str, *words: str) -> None:
        """Begin a script in a task that outlives who began it."""
        assert isinstance(self.computing, Executes)
        begin = '/.specola/busybox setsid sh -c "$@" </dev/null >/dev/null 2>&1 &'
        running = await self.computing.execute(handle, ["sh", "-c", begin, "begin", script, "inside", *words])
        while (await running.read())[1]:
            pass
        await running.wait()
        await running.close()

    @override
    async def starts(self, launch: Launch) -> int:
        found = self.administrator.ask("GET", f"/api/v1/pods?labelSelector=org.specola.task%3D{launch.task}")["items"]
        return sum(1 + one["status"]["containerStatuses"][0]["restartCount"] for one in found)

    def left(self) -> list[str]:
        """Return what of this installation is still in the cluster: pods and secrets."""
        selector = f"labelSelector=org.specola.installation%3D{self.context.installation}"
        found = (self.administrator.ask("GET", f"/api/v1/{kind}?{selector}")["items"] for kind in ("pods", "secrets"))
        return [one["metadata"]["name"] for items in found for one in items]

    @override
    def unreachable(self) -> Computing:
        text = self.settings["kubeconfig"].replace(self.cluster.lab.server, NOWHERE)
        return self.open_with({"kubeconfig": text})

    @override
    async def close(self) -> None:
        await super().close()
        path = f"/apis/networking.k8s.io/v1/namespaces/{self.cluster.lab.namespace}/networkpolicies"
        with contextlib.suppress(urllib.error.HTTPError):
            self.administrator.ask("DELETE", f"{path}/specola-{self.context.installation}")
