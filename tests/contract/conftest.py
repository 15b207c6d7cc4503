"""The computings that the contract suite runs against."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from lab.registry import Registry
from lab.slurm import Slurm
from lab.sshhost import SshHosts
from tests.support.batch import BatchPlace, HostPlace, SlurmPlace, cluster, host_without_engine, images, reaching
from tests.support.engines import (  # noqa: F401 -- fixtures are found by their names
    PrivateEngine,
    docker_engine,
    podman_engine,
)
from tests.support.places import EnginePlace, MemoryPlace, Place, VolumePlace, context

ENGINES = [
    pytest.param("podman", marks=pytest.mark.containers),
    pytest.param("docker", marks=pytest.mark.containers),
]
BATCH = [
    pytest.param(name, marks=[pytest.mark.containers, pytest.mark.slow])
    for name in ("slurm-apptainer", "slurm-podman", "no-engine")
]
# Two engines on one host have two pools.
POOLS = {"podman": "10.214.0.0/17", "docker": "10.214.128.0/17"}


def engine_place(name: str, engine: PrivateEngine, folder: Path) -> EnginePlace:
    """Return a place on a private engine."""
    return EnginePlace(context(folder), name=name, url=engine.url, pool=POOLS[name])


@pytest.fixture(scope="session")
def lab_cluster() -> Iterator[Slurm]:
    """The lab's Slurm cluster."""
    with cluster() as place:
        yield place


@pytest.fixture(scope="session")
def lab_host() -> Iterator[SshHosts]:
    """The lab's SSH hosts."""
    with host_without_engine() as place:
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
        host = request.getfixturevalue("lab_host")
        hosts = await stack.enter_async_context(reaching(host.keys, host.inner, through=host.front))
        return HostPlace(replace(whole, hosts=hosts), lab=host, registry=registry)
    lab = request.getfixturevalue("lab_cluster")
    hosts = await stack.enter_async_context(reaching(lab.keys, lab.login))
    runtime = name.removeprefix("slurm-")
    return SlurmPlace(replace(whole, hosts=hosts), lab=lab, registry=registry, runtime=runtime)


@pytest.fixture(params=["memory", *ENGINES, *BATCH])
async def place(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Place]:
    """Each kind of computing in turn; what a test leaves there is removed."""
    name: str = request.param
    one: Place
    async with AsyncExitStack() as stack:
        if name == "memory":
            one = MemoryPlace(context(tmp_path))
        elif name in POOLS:
            one = engine_place(name, request.getfixturevalue(f"{name}_engine"), tmp_path)
        else:
            one = await a_batch_place(request, name, tmp_path, stack)
        try:
            yield one
        finally:
            await one.close()


@pytest.fixture(params=["slurm-apptainer", "no-engine"])
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
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EnginePlace]:
    """Each engine in turn."""
    one = engine_place(request.param, request.getfixturevalue(f"{request.param}_engine"), tmp_path)
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture(params=ENGINES)
async def volumes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VolumePlace]:
    """Each kind of computing that has homes and scratch in turn."""
    one = engine_place(request.param, request.getfixturevalue(f"{request.param}_engine"), tmp_path)
    try:
        yield one
    finally:
        await one.close()


@pytest.fixture
def anyio_backend() -> str:
    """Everything of ours runs on asyncio."""
    return "asyncio"
