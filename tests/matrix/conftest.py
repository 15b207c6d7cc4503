"""What the matrix stands on: one platform with every computing, a browser and an SSH client that are signed in."""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, expect

from scripts.engines import Engine, docker
from scripts.images import build_all
from tests.matrix.clients import Client
from tests.matrix.places import IMAGE, PLACES, Yard
from tests.matrix.rows import Row, started
from tests.matrix.table import FIRST, Measured, Table
from tests.support.browser import chromium
from tests.support.engines import PrivateEngine, docker_engine, podman_engine
from tests.support.installed import Installed, installed
from tests.support.openssh import OpenSsh
from tests.support.sshkeys import pair

__all__ = ["docker_engine", "podman_engine"]

ROWS = [
    pytest.param(name, marks=[getattr(pytest.mark, mark) for mark in place.needs]) for name, place in PLACES.items()
]


@dataclass(frozen=True, slots=True)
class Stage:
    """A platform and somebody who uses it."""

    platform: Installed
    browser: BrowserContext
    ssh: OpenSsh

    def client(self, task: Mapping[str, Any]) -> Client:
        """Return the clients of one task."""
        return Client(platform=self.platform, browser=self.browser, ssh=self.ssh, task=task)


@pytest.fixture(scope="session")
def with_image(podman_engine: PrivateEngine) -> PrivateEngine:
    """The Podman of the tests with the image, of which an archive is kept for the other places."""
    build_all(podman(podman_engine), [IMAGE], keep=True)
    return podman_engine


def podman(engine: PrivateEngine) -> Engine:
    """Return how images are built and loaded with a Podman of the tests."""
    environment = {"CONTAINERS_CONF": engine.environment()["CONTAINERS_CONF"]}
    return Engine("Podman", tuple(engine.podman()), environment)


@pytest.fixture(scope="module")
async def stage(anyio_backend: str, with_image: PrivateEngine) -> AsyncIterator[Stage]:
    async with contextlib.AsyncExitStack() as stack:
        name = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="sp-", dir="/var/tmp", ignore_cleanup_errors=True)
        )
        Path(name).chmod(0o711)
        platform = await stack.enter_async_context(installed(Path(name) / "data", engine=with_image.url))
        ssh = await ssh_client(platform, Path(name) / "client")
        browser = await stack.enter_async_context(chromium(platform.port))
        context = await browser.new_context(viewport={"width": 1000, "height": 800})
        page = await context.new_page()
        await page.goto(platform.link)
        await expect(page.get_by_role("heading", name="Start something")).to_be_visible(timeout=60_000)
        yield Stage(platform, context, ssh)


# Each protocol once, where the image need not be converted or copied to node after node; `make matrix` uses every cell.
SHORT = {
    "docker": ("grpc", "websocket"),
    "podman": ("rest", "postgres"),
    "ssh": ("http", "desktop"),
    "jump": ("ssh", "echo"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cells that show on one more computing what others show already."""
    for item in items:
        given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if {"row", "protocol"} <= set(given) and given["protocol"] not in SHORT.get(str(given["row"]), ()):
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def seconds_of(request: pytest.FixtureRequest) -> Iterator[Measured]:
    """What each cell that is run has measured; in the end the page is written that `SPECOLA_MATRIX` names."""
    measured: Measured = {}
    for item in request.session.items:
        given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if {"row", "protocol"} <= set(given):
            measured.setdefault(str(given["row"]), {})[str(given["protocol"])] = None
    yield measured
    if page := os.environ.get("SPECOLA_MATRIX"):
        Table.of(measured).write(Path(page))


@pytest.fixture(scope="module", params=ROWS)
async def row(request: pytest.FixtureRequest, stage: Stage, seconds_of: Measured) -> AsyncIterator[Row]:
    """Each computing in turn, added to the platform, with a task for each protocol that starts."""

    def engine(name: str) -> PrivateEngine:
        found: PrivateEngine = request.getfixturevalue(f"{name}_engine")
        if name == "docker":
            build_all(docker(found.url), [IMAGE])
        return found

    async with (
        PLACES[request.param].opened(Yard(stage.platform, engine)) as found,
        started(stage.platform, found, request.param, list(seconds_of[request.param])) as whole,
    ):
        seconds_of[request.param][FIRST] = whole.first
        yield whole


async def ssh_client(platform: Installed, folder: Path) -> OpenSsh:
    """Make a client machine whose key the platform knows, and which knows the platform's."""
    folder.mkdir(mode=0o700)
    mine = pair()
    async with platform.api() as api:
        assert (await api.post("/account/keys", json={"key": mine.public})).status_code == 201
        authority = (await api.get("/ssh/authority")).json()
    client = OpenSsh(folder, port=platform.ssh_port)
    client.write_identity("ada", mine)
    (folder / "known_hosts").write_text(authority["known_hosts"] + "\n", encoding="ascii")
    return client
