"""The lab's SSH hosts, which trust one more authority."""

from collections.abc import Iterator

import pytest

from lab import sshhost
from lab.sshhost import SshHosts
from tests.support.lab import shared


@pytest.fixture(scope="session")
def lab() -> Iterator[SshHosts]:
    """The SSH hosts; nobody breaks them."""
    with shared("sshhost", up=sshhost.up, down=sshhost.down) as place:
        yield place
