"""An engine on another host whose power fails: nothing is called ended before the host has said so."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lab import sshhost
from lab.sshhost import SshHosts
from specola.domain.computing import Phase
from specola.domain.errors import ComputingUnreachableError
from specola.hosts.config import Identity
from specola.hosts.dialling import Patience
from tests.contract.test_computing import served
from tests.support.hosts import connected, settings_of
from tests.support.images import TEST_IMAGE, load
from tests.support.lab import own_ground
from tests.support.places import RemotePlace, context, until
from tests.support.relay import Passage

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.lab, pytest.mark.slow]

# A machine that is off answers nothing at all.
SHORT = Patience(connect=2.0, enter=5.0, start=10.0, answer=1.0)


@pytest.fixture(scope="module")
def lab() -> Iterator[SshHosts]:
    """The SSH hosts, for the tests of this file alone, which break them."""
    with own_ground() as ground:
        yield sshhost.up(ground)


@pytest.fixture
async def front(lab: SshHosts, tmp_path: Path, anyio_backend: str) -> AsyncIterator[RemotePlace]:
    """The engine of the first of them."""
    passage = Passage(lab.front.address, 22)
    await passage.open()
    here: dict[str, object] = {"address": "127.0.0.1", "port": passage.port}
    host = settings_of(lab.keys, lab.front, identity=Identity.SHARED, account=lab.member, **here)
    async with connected(lab, {"front": host}, patience=SHORT) as connections:
        known = context(tmp_path, connections.hosts)
        one = RemotePlace.on(known, name="front", host=host, socket=lab.socket, lab=lab, passage=passage)
        await load(one.engine, [TEST_IMAGE])
        yield one
        await one.close()
        await passage.close()


async def test_task_is_told_as_ended_once_its_host_is_back_and_not_before(front: RemotePlace, lab: SshHosts) -> None:
    handle = await front.launch(front.web())
    await served(front, handle)
    await asyncio.to_thread(lab.place.machine("front").halt)
    for _ in range(3):
        with pytest.raises(ComputingUnreachableError):
            await front.observe(handle)
    with pytest.raises(ComputingUnreachableError):
        await front.computing.discover()
    await asyncio.to_thread(sshhost.up, lab.place.ground)
    async with asyncio.timeout(10):
        await until(lambda: is_told(front, handle))
    assert handle in (await front.computing.discover()).values()
    await front.computing.remove(handle)
    again = await front.launch(front.web())
    await served(front, again)


async def is_told(place: RemotePlace, handle: str) -> bool:
    try:
        return (await place.observe(handle)).phase is Phase.ENDED
    except ComputingUnreachableError:
        return False
