"""Places of the lab that several files use, and what they run there."""

from collections.abc import Iterator

import pytest

from lab import registry, slurm, sshhost
from lab.slurm import Slurm
from lab.sshhost import SshHosts
from tests.support.images import TEST_IMAGE
from tests.support.lab import Account, Login, shared


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image in the lab's registry, by the name that it has on this machine and on every lab machine."""
    file = tmp_path_factory.mktemp("images") / "box.tar"
    file.write_bytes(TEST_IMAGE.archive())
    with shared("registry", up=lambda ground: registry.up(ground, {"test/box:1": file}), down=registry.down) as place:
        yield next(iter(place.digests))


@pytest.fixture(scope="session")
def hosts() -> Iterator[SshHosts]:
    """The SSH hosts."""
    with shared("sshhost", up=sshhost.up, down=sshhost.down) as place:
        yield place


@pytest.fixture(scope="session")
def cluster() -> Iterator[Slurm]:
    """The Slurm cluster."""
    with shared("slurm", up=slurm.up, down=slurm.down) as place:
        yield place


@pytest.fixture(scope="session")
def ann(cluster: Slurm) -> Account:
    """Somebody who submits jobs."""
    return Account(Login(cluster.keys, "ann", cluster.login.name))


@pytest.fixture(scope="session")
def endless(ann: Account) -> str:
    """A job with the shortest time limit that there is, a minute; other tests go on meanwhile."""
    return ann.submit("sleep 600", "--time=1", "--mem=100", "--nodelist=n1")
