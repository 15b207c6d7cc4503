"""A platform whose internal socket is asked directly."""

from collections.abc import AsyncIterator

import httpx
import pytest

from specola.local_http import over_socket
from tests.support.harness import Platform, open_platform


@pytest.fixture(scope="module")
async def platform(anyio_backend: str) -> AsyncIterator[Platform]:
    async with open_platform(parts=("web", "connector", "worker")) as running:
        yield running


@pytest.fixture(scope="module")
async def internal(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    transport = over_socket(platform.settings.internal_socket)
    async with httpx.AsyncClient(transport=transport, base_url="http://internal", timeout=30) as client:
        yield client
