"""The lab's SSH hosts, and connections to them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab import sshhost
from lab.sshhost import SshHosts
from tests.support.hosts import LabHosts, connected, served
from tests.support.lab import shared


@pytest.fixture(scope="session")
def lab() -> Iterator[SshHosts]:
    """The SSH hosts; nobody breaks them."""
    with shared("sshhost", up=sshhost.up, down=sshhost.down) as place:
        yield place


@pytest.fixture(params=["direct", "relayed"])
async def hosts(
    lab: SshHosts, request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[LabHosts]:
    """Connections to them, of this process or of one that is asked by its socket."""
    async with connected(lab) as made:
        if request.param == "direct":
            yield made
        else:
            async with served(made.hosts, tmp_path / "hosts.sock") as relayed:
                yield replace(made, hosts=relayed)
