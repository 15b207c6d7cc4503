"""The lab's SSH hosts, and connections to them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from lab import sshhost
from lab.sshhost import SshHosts
from tests.support.hosts import LabHosts, connected
from tests.support.lab import shared


@pytest.fixture(scope="session")
def lab() -> Iterator[SshHosts]:
    """The SSH hosts; nobody breaks them."""
    with shared("sshhost", up=sshhost.up, down=sshhost.down) as place:
        yield place


@pytest.fixture
async def hosts(lab: SshHosts, anyio_backend: str) -> AsyncIterator[LabHosts]:
    """Connections to them."""
    async with connected(lab) as made:
        yield made
