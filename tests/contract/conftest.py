"""The computings that the contract suite runs against."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab import sshhost
from lab.registry import Registry
from lab.slurm import Slurm
from lab.sshhost import SshHosts
from specola.hosts.config import Identity
from tests.support.batch import BatchPlace, HostPlace, SlurmPlace, cluster, images, reaching
from tests.support.engines import (  # noqa: F401 -- fixtures are found by their names
    PrivateEngine,
    docker_engine,
    podman_engine,
)
from tests.support.hosts import connected, pinned, settings_of
from tests.support.images import TEST_IMAGES, load
from tests.support.kubernetes import (  # noqa: F401 -- fixtures are found by their names
    Cluster,
    KubernetesPlace,
    kubernetes_cluster,
)
from tests.support.lab import shared
from tests.support.places import EnginePlace, MemoryPlace, Place, RemotePlace, VolumePlace, context
from tests.support.relay import Passage

ENGINES = [
    pytest.param("podman", marks=pytest.mark.containers),
    pytest.param("docker", marks=pytest.mark.containers),
]
ON_LAB = [pytest.mark.containers, pytest.mark.lab, pytest.mark.slow]
LONG = [*ON_LAB, pytest.mark.long]
BATCH = [
    pytest.param("slurm-apptainer", marks=ON_LAB),
    pytest.param("slurm-podman", marks=LONG),
    pytest.param("no-engine", marks=ON_LAB),
]
# Podman of root on a host that is reached directly; Podman without root on one that is reached through that one.
REMOTE = [
    pytest.param("ssh", marks=ON_LAB),
    pytest.param("jump", marks=LONG),
]
# The same Podman without root, as everybody's own account.
PEOPLE = [pytest.param("people", marks=LONG)]
# Two engines on one host have two pools.
KUBERNETES = pytest.param("kubernetes", marks=[*ON_LAB, pytest.mark.kubernetes])
ENGINE_NAMES = ("podman", "docker", "ssh", "jump", "people")
POOLS = {"podman": "10.214.0.0/17", "docker": "10.214.128.0/17"}


@pytest.fixture(scope="session")
def ssh_lab() -> Iterator[SshHosts]:
    """The lab's SSH hosts, each with an engine."""
    with shared("sshhost", up=sshhost.up, down=sshhost.down) as lab:
        yield lab


def engine_place(name: str, engine: PrivateEngine, folder: Path) -> EnginePlace:
    """Return a place on a private engine."""
    return EnginePlace.at(context(folder), name=name, url=engine.url, pool=POOLS[name])


@pytest.fixture(scope="session")
def lab_cluster() -> Iterator[Slurm]:
    """The lab's Slurm cluster."""
    with cluster() as place:
        yield place


@pytest.fixture(scope="session")
def lab_images() -> Iterator[Registry]:
    """The lab's registry, with the test images."""
    with images() as place:
        yield place


async def a_batch_place(request: pytest.FixtureRequest, name: str, folder: Path, stack: AsyncExitStack) -> BatchPlace:
    """Return a place where tasks are batch jobs."""
    registry, whole = request.getfixturevalue("lab_images"), context(folder)
    if name == "no-engine":
        host = request.getfixturevalue("ssh_lab")
        hosts = await stack.enter_async_context(reaching(host.keys, host.inner, through=host.front))
        return HostPlace(replace(whole, hosts=hosts), lab=host, registry=registry)
    lab = request.getfixturevalue("lab_cluster")
    hosts = await stack.enter_async_context(reaching(lab.keys, lab.login))
    runtime = name.removeprefix("slurm-")
    return SlurmPlace(replace(whole, hosts=hosts), lab=lab, registry=registry, runtime=runtime)


@asynccontextmanager
async def remote_place(name: str, lab: SshHosts, folder: Path) -> AsyncIterator[RemotePlace]:
    """Have a place on an engine of the lab, with the test images, while the body runs."""
    passage = Passage(lab.front.address, 22)
    await passage.open()
    shared_account: dict[str, object] = {"identity": Identity.SHARED, "account": lab.member}
    if name == "people":
        shared_account = {"identity": Identity.KEY}
    here: dict[str, object] = {"address": "127.0.0.1", "port": passage.port}
    if name == "ssh":
        host, socket = settings_of(lab.keys, lab.front, **shared_account, **here), lab.socket
    else:
        jump = {**here, "keys": pinned(lab.keys, lab.front)}
        host = settings_of(lab.keys, lab.inner, **shared_account, jump=jump)
        socket = await asyncio.to_thread(lab.serve_own_engine)
    async with connected(lab, {name: host}) as connections:
        known = context(folder, connections.hosts)
        one = RemotePlace.on(known, name=name, host=host, socket=socket, lab=lab, passage=passage)
        try:
            await load(one.engine, TEST_IMAGES)
            yield one
        finally:
            await one.close()
            await passage.close()


@asynccontextmanager
async def placed(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[EnginePlace]:
    """Have the engine that a fixture's parameter names while the body runs."""
    name: str = request.param
    if name in POOLS:
        one = engine_place(name, request.getfixturevalue(f"{name}_engine"), folder)
        try:
            yield one
        finally:
            await one.close()
    else:
        async with remote_place(name, request.getfixturevalue("ssh_lab"), folder) as remote:
            yield remote


@pytest.fixture(params=["memory", *ENGINES, *REMOTE, *PEOPLE, *BATCH, KUBERNETES])
async def place(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Place]:
    """Each kind of computing in turn; what a test leaves there is removed."""
    name: str = request.param
    async with AsyncExitStack() as stack:
        if name in ENGINE_NAMES:
            yield await stack.enter_async_context(placed(request, tmp_path))
            return
        one: Place
        if name == "memory":
            one = MemoryPlace(context(tmp_path))
        elif name == "kubernetes":
            one = KubernetesPlace(context(tmp_path), request.getfixturevalue("kubernetes_cluster"))
        else:
            one = await a_batch_place(request, name, tmp_path, stack)
        try:
            yield one
        finally:
            await one.close()


@pytest.fixture(params=[BATCH[0], BATCH[2]])
async def batch_place(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[BatchPlace]:
    """A cluster and a host without a scheduler in turn."""
    async with AsyncExitStack() as stack:
        one = await a_batch_place(request, request.param, tmp_path, stack)
        try:
            yield one
        finally:
            await one.close()


@pytest.fixture
async def slurm_place(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[SlurmPlace]:
    """The cluster alone."""
    async with AsyncExitStack() as stack:
        one = await a_batch_place(request, "slurm-apptainer", tmp_path, stack)
        assert isinstance(one, SlurmPlace)
        try:
            yield one
        finally:
            await one.close()


@pytest.fixture(params=ENGINES)
async def local_engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EnginePlace]:
    """Each engine of this machine in turn."""
    async with placed(request, tmp_path) as one:
        yield one


@pytest.fixture(params=[*ENGINES, *(pytest.param(*one.values, marks=LONG) for one in REMOTE)])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EnginePlace]:
    """Each engine in turn, those of other hosts as well."""
    async with placed(request, tmp_path) as one:
        yield one


@pytest.fixture(params=REMOTE)
async def remote(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RemotePlace]:
    """Each engine of another host in turn."""
    async with remote_place(request.param, request.getfixturevalue("ssh_lab"), tmp_path) as one:
        yield one


@pytest.fixture(params=[*ENGINES, *REMOTE, *BATCH])
async def volumes(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[VolumePlace]:
    """Each kind of computing that has homes and scratch in turn."""
    async with AsyncExitStack() as stack:
        if request.param in ENGINE_NAMES:
            yield await stack.enter_async_context(placed(request, tmp_path))
            return
        one = await a_batch_place(request, request.param, tmp_path, stack)
        try:
            yield one
        finally:
            await one.close()


@pytest.fixture
def anyio_backend() -> str:
    """Everything of ours runs on asyncio."""
    return "asyncio"
