"""One platform for all tests of a module, over a computing in memory."""

from collections.abc import AsyncIterator

import pytest

from tests.support.callers import Callers, open_callers
from tests.support.harness import Platform, open_platform


@pytest.fixture(scope="module")
async def platform(anyio_backend: str) -> AsyncIterator[Platform]:
    async with open_platform(parts=("web", "connector", "worker")) as running:
        yield running


@pytest.fixture(scope="module")
async def callers(platform: Platform) -> AsyncIterator[Callers]:
    async with open_callers(platform) as made:
        yield made
