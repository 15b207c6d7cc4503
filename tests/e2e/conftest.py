"""What journeys through the whole platform share: an engine with the demonstration images, a platform, a browser."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from scripts.engines import Engine
from scripts.images import Image, build_all, images
from tests.support.browser import chromium
from tests.support.engines import PrivateEngine, podman_engine
from tests.support.installed import Installed, installed

__all__ = ["podman_engine"]


@pytest.fixture(scope="session")
def demonstrations(podman_engine: PrivateEngine) -> PrivateEngine:
    """The tests' own Podman, with the demonstration images in it."""
    environment = {"CONTAINERS_CONF": podman_engine.environment()["CONTAINERS_CONF"]}
    build_all(Engine("Podman", tuple(podman_engine.podman()), environment), images())
    return podman_engine


@pytest.fixture(scope="session")
def servers(demonstrations: PrivateEngine) -> str:
    """The reference of an image for tests alone, with servers and clients that the demonstrations lack."""
    environment = {"CONTAINERS_CONF": demonstrations.environment()["CONTAINERS_CONF"]}
    image = Image("servers", Path(__file__).parents[1] / "images")
    build_all(Engine("Podman", tuple(demonstrations.podman()), environment), [image])
    return image.reference


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A data folder whose path leaves room for the names of sockets, and which the unprivileged user may enter."""
    with tempfile.TemporaryDirectory(prefix="specola-e2e-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name) / "data"


@pytest.fixture
async def platform(demonstrations: PrivateEngine, data_folder: Path) -> AsyncIterator[Installed]:
    """The platform as `specola up` starts it, over a real Podman; its tasks end with it."""
    async with installed(data_folder, engine=demonstrations.url) as running:
        yield running
        await running.healthy()
        async with running.api() as api:
            for task in (await api.get("/tasks", params={"live": True})).json()["tasks"]:
                await api.post(f"/tasks/{task['id']}/stop", params={"wait": 30})


@pytest.fixture
async def browser(platform: Installed) -> AsyncIterator[Browser]:
    """A real Chromium that reaches the platform."""
    async with chromium(platform.port) as started:
        yield started
