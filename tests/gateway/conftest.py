"""What the gateway's tests share: uvloop below, a stand-in for `web`, a gateway in this process, hand-written peers."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.stage import Stage


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A gateway, `web`, and one task that the test plays."""
    async with Stage.open() as made:
        yield made


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for Unix sockets (unix(7): 107 bytes)."""
    with tempfile.TemporaryDirectory(prefix="gateway") as folder:
        yield Path(folder)
