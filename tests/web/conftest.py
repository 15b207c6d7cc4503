"""One platform for all tests of a module, over a computing in memory, and browsers that look at it."""

from collections.abc import AsyncIterator

import pytest

from tests.support.harness import Platform, open_platform
from tests.support.pages import Pages, open_pages


@pytest.fixture(scope="module")
async def platform(anyio_backend: str) -> AsyncIterator[Platform]:
    async with open_platform(
        parts=("web", "connector", "worker"), ssh_bind="127.0.0.1:20022", front_door=False
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def pages(platform: Platform) -> AsyncIterator[Pages]:
    async with open_pages(platform) as made:
        yield made
