"""The computings that the contract suite runs against."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.engines import (  # noqa: F401 -- fixtures are found by their names
    PrivateEngine,
    docker_engine,
    podman_engine,
)
from tests.support.kubernetes import (  # noqa: F401 -- fixtures are found by their names
    Cluster,
    KubernetesPlace,
    kubernetes_cluster,
)
from tests.support.places import EnginePlace, MemoryPlace, Place, context

ENGINES = [
    pytest.param("podman", marks=pytest.mark.containers),
    pytest.param("docker", marks=pytest.mark.containers),
]
# Two engines on one host have two pools.
POOLS = {"podman": "10.214.0.0/17", "docker": "10.214.128.0/17"}


def engine_place(name: str, engine: PrivateEngine, folder: Path) -> EnginePlace:
    """Return a place on a private engine."""
    return EnginePlace(context(folder), name=name, url=engine.url, pool=POOLS[name])


@pytest.fixture(params=["memory", *ENGINES, pytest.param("kubernetes", marks=pytest.mark.containers)])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """Each kind of computing in turn; what a test leaves there is removed."""
    name: str = request.param
    one: Place
    if name == "memory":
        one = MemoryPlace(context(tmp_path))
    elif name == "kubernetes":
        one = KubernetesPlace(context(tmp_path), request.getfixturevalue("kubernetes_cluster"))
    else:
        one = engine_place(name, request.getfixturevalue(f"{name}_engine"), tmp_path)
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


@pytest.fixture
def anyio_backend() -> str:
    """Everything of ours runs on asyncio."""
    return "asyncio"
