"""The rows of the matrix: each computing as an operator adds it, on a real place of the lab, and what must not be left there."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import kubernetes, registry, slurm, sshhost
from lab.place import Place as LabPlace
from lab.records import ACCOUNT, Records, authorise
from lab.registry import Registry
from lab.sshhost import SshHosts
from scripts.images import Image
from tests.support.engines import PrivateEngine
from tests.support.images import TEST_IMAGE
from tests.support.installed import Installed, until
from tests.support.lab import LAB, shared

__all__ = ["IMAGE", "PLACES", "Found", "Place", "Yard"]

IMAGE = Image("protocols", Path(__file__).parents[1] / "images")
IN_REGISTRY, HELPER = "specola-test/protocols:1", "specola-test/box:1"
TASKS = 8
"""How many run at the same time."""
DOCKER_POOL = "10.214.128.0/17"
# What of a batch task may be on a machine: its processes, its folders there, and its folder in the account's home.
LEFT_OF_ACCOUNT = r"""
ps -ww -u "$1" -o args= | grep -e '/agent[.]pyz run ' -e "specola[-]$2"
ls -d /run/user/*/specola-"$2"-* /tmp/specola-"$2"-* /var/tmp/specola-"$2"-* /scratch/specola-"$2"-* ~/.specola/"$2"/tasks/* 2>/dev/null
exit 0
"""


@dataclass(frozen=True, slots=True)
class Yard:
    """What rows are made from: the platform, and the engines of this machine."""

    platform: Installed
    engine: Callable[[str], PrivateEngine]

    async def add(self, record: Mapping[str, Any]) -> None:
        """Add a computing as an administrator does."""
        async with self.platform.api() as api:
            answer = await api.post("/computings", json=record)
            assert answer.status_code == 201, answer.text

    async def answers(self, name: str) -> None:
        """Wait until a computing was asked what it is, and answered."""

        async def asked() -> bool:
            async with self.platform.api() as api:
                told = (await api.get(f"/computings/{name}")).json()
            return bool(told["reachable"] and told["probe"])

        await until(asked, seconds=120, pause=0.2, what=f"an answer of {name}")

    async def enter(self, name: str) -> None:
        """Enter the account of who signed in first, as an administrator does."""
        async with self.platform.api() as api:
            answer = await api.put(f"/computings/{name}/accounts/admin", json={"account": ACCOUNT})
            assert answer.status_code == 200, answer.text

    async def authority(self) -> str:
        """Return the line that hosts have to trust."""
        async with self.platform.api() as api:
            answer = await api.get("/accounts/authority")
            assert answer.status_code == 200, answer.text
            line: str = answer.json()["line"]
        return line

    async def shared_key(self, name: str) -> str:
        """Return the line that opens the shared account of a computing."""
        async with self.platform.api() as api:
            line: str = (await api.get(f"/computings/{name}/accounts")).json()["line"]
        return line


@dataclass(frozen=True, slots=True)
class Found:
    """A computing that is ready: its name on the platform, the image's name there, and what tasks have left on it."""

    name: str
    image: str
    left: Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Place:
    """One row; `needs` are the marks of what this machine has to have for it."""

    title: str
    opened: Callable[[Yard], AbstractAsyncContextManager[Found]]
    needs: Sequence[str] = ("lab",)


def left_on(yard: Yard, place: LabPlace, machines: Sequence[str]) -> list[str]:
    """Return what batch tasks have on machines of the lab."""
    argv = ("sh", "-c", LEFT_OF_ACCOUNT, "left", ACCOUNT, yard.platform.installation)
    return [line for name in machines for line in words(place.machine(name).run(*argv, user=ACCOUNT))]


def words(text: str) -> list[str]:
    """Return the lines of a command's output that say something."""
    return [line for line in text.splitlines() if line.strip()]


@contextmanager
def stocked() -> Iterator[Registry]:
    """Have the lab's registry with the images in it."""
    with tempfile.TemporaryDirectory() as folder:
        helper = Path(folder) / f"{TEST_IMAGE.id[7:23]}.tar"
        helper.write_bytes(TEST_IMAGE.archive())
        archives = {HELPER: helper, IN_REGISTRY: IMAGE.archive}
        with shared("registry", up=lambda ground: registry.up(ground, archives), down=registry.down) as found:
            yield found


@asynccontextmanager
async def podman_here(yard: Yard) -> AsyncIterator[Found]:
    engine = yard.engine("podman")
    yield Found("local", IMAGE.reference, lambda: left_in(yard, [*engine.podman(), "ps"], engine.environment()))


@asynccontextmanager
async def docker_here(yard: Yard) -> AsyncIterator[Found]:
    engine = yard.engine("docker")
    await yard.add({"computing": "docker", "kind": "engine", "settings": {"url": engine.url, "networks": DOCKER_POOL}})
    await yard.answers("docker")
    argv = ["docker", f"--host={engine.url}", "ps"]
    yield Found("docker", IMAGE.reference, lambda: left_in(yard, argv, {}))


def left_in(yard: Yard, argv: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return the containers of the platform that an engine has."""
    label = f"label=org.specola.installation={yard.platform.installation}"
    words_of = [*argv, "--all", "--format={{.Names}}", "--filter", label]
    told = subprocess.run(words_of, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    return told.stdout.split()


@asynccontextmanager
async def ssh_host(yard: Yard) -> AsyncIterator[Found]:
    with stocked() as images, shared("sshhost", up=sshhost.up, down=sshhost.down) as lab:
        record = Records(images.port).ssh_engine(lab)
        async with remote_engine(yard, lab, record, lab.front.name, images) as found:
            yield found


@asynccontextmanager
async def jump_host(yard: Yard) -> AsyncIterator[Found]:
    with stocked() as images, shared("sshhost", up=sshhost.up, down=sshhost.down) as lab:
        socket = await asyncio.to_thread(lab.serve_own_engine)
        record = Records(images.port).jump_engine(lab, socket)
        async with remote_engine(yard, lab, record, lab.inner.name, images) as found:
            yield found


@asynccontextmanager
async def remote_engine(
    yard: Yard, lab: SshHosts, record: Mapping[str, Any], machine: str, images: Registry
) -> AsyncIterator[Found]:
    """Add an engine of another host, whose shared account lets the platform's key in."""
    name, socket = record["computing"], record["settings"]["socket"]
    await yard.add(record)
    line = await yard.shared_key(name)
    for one in {machine, lab.front.name}:
        await asyncio.to_thread(authorise, lab.place, one, line)
    await yard.answers(name)

    def left() -> list[str]:
        label = f"label=org.specola.installation={yard.platform.installation}"
        argv = ["podman", f"--url=unix://{socket}", "ps", "--all", "--format={{.Names}}", "--filter", label]
        return words(lab.place.machine(machine).run(*argv, user=ACCOUNT))

    yield Found(name, f"127.0.0.1:{images.port}/{IN_REGISTRY}", left)


@asynccontextmanager
async def host_without_engine(yard: Yard) -> AsyncIterator[Found]:
    with stocked() as images, shared("sshhost", up=sshhost.up, down=sshhost.down) as lab:
        sshhost.trust(await yard.authority(), LAB)

        def left() -> list[str]:
            # The same account's own engine keeps what watched over a command for some minutes: that is another row's.
            return [one for one in left_on(yard, lab.place, [lab.inner.name]) if "/.local/share/containers/" not in one]

        async with batch(yard, Records(images.port).without_engine(lab), images, left) as found:
            yield found


def on_slurm(runtime: str) -> Callable[[Yard], AbstractAsyncContextManager[Found]]:
    """Return how a cluster is added whose tasks a runtime runs."""

    @asynccontextmanager
    async def opened(yard: Yard) -> AsyncIterator[Found]:
        with stocked() as images, shared("slurm", up=slurm.up, down=slurm.down) as lab:
            slurm.trust(await yard.authority(), LAB)
            record = {**Records(images.port).slurm(lab, runtime), "computing": f"slurm-{runtime}"}

            def left() -> list[str]:
                login = lab.place.machine(lab.login.name)
                jobs = words(login.run("squeue", "--noheader", "--user", ACCOUNT, "--format=%j"))
                return [*jobs, *left_on(yard, lab.place, lab.place.machines)]

            async with batch(yard, record, images, left) as found:
                yield found

    return opened


@asynccontextmanager
async def batch(
    yard: Yard, record: Mapping[str, Any], images: Registry, left: Callable[[], Sequence[str]]
) -> AsyncIterator[Found]:
    """Add a place where tasks are jobs of people's own accounts."""
    name = record["computing"]
    await yard.add(record)
    await yard.enter(name)
    await yard.answers(name)
    yield Found(name, f"127.0.0.1:{images.port}/{IN_REGISTRY}", left)


@asynccontextmanager
async def on_kubernetes(yard: Yard) -> AsyncIterator[Found]:
    with stocked() as images, shared("kubernetes", up=kubernetes.up, down=kubernetes.down) as lab:
        record = Records(images.port).kubernetes(lab, HELPER)
        # The node has the CPUs of this machine, and what is set aside for one pod no other gets.
        share = round(min(1.0, (os.cpu_count() or 1) * 0.8 / TASKS), 2)
        await yard.add({**record, "settings": {**record["settings"], "cpu_share": share}})
        await yard.answers(record["computing"])

        def left() -> list[str]:
            path = f"/api/v1/namespaces/{lab.namespace}"
            listed = [lab.administrator.ask("GET", f"{path}/{kind}")["items"] for kind in ("pods", "secrets")]
            names = [one["metadata"]["name"] for items in listed for one in items]
            return [name for name in names if yard.platform.installation in name]

        yield Found(record["computing"], f"127.0.0.1:{images.port}/{IN_REGISTRY}", left)


PLACES: Mapping[str, Place] = {
    "docker": Place("Docker", docker_here, needs=()),
    "podman": Place("Podman", podman_here, needs=()),
    "ssh": Place("SSH host (Podman)", ssh_host),
    "jump": Place("SSH host behind a jump host (Podman without root)", jump_host),
    "no-engine": Place("Host without engine (Apptainer)", host_without_engine),
    "slurm-apptainer": Place("Slurm with Apptainer", on_slurm("apptainer")),
    "slurm-podman": Place("Slurm with Podman", on_slurm("podman")),
    "kubernetes": Place("Kubernetes", on_kubernetes, needs=("lab", "kubernetes")),
}
