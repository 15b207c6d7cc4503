"""The collection of found ports, on each database."""

from datetime import timedelta

import pytest

from specola.clock import ManualClock
from specola.domain.found import FoundPort
from specola.domain.software import Protocol
from specola.storage.store import Store
from tests.storage.test_tasks import add, changes_of, newest, task

pytestmark = pytest.mark.anyio

WEB = FoundPort(port=8501, protocol=Protocol.HTTP, loopback=True)
OTHER = FoundPort(port=40000, protocol=Protocol.TCP, loopback=False)


async def test_ports_are_kept_with_since_when_they_are_as_they_are(store: Store, clock: ManualClock) -> None:
    one, other = task(1, clock), task(2, clock)
    await add(store, one, other)
    began = clock.now()
    async with store.write() as tx:
        assert await tx.found.set(one, [OTHER, WEB], at=began)
    clock.advance(timedelta(seconds=5))
    async with store.write() as tx:
        changed = FoundPort(port=40000, protocol=Protocol.RFB, loopback=False)
        assert await tx.found.set(one, [changed, WEB], at=clock.now())
        found = (await tx.found.of([one.id, other.id, "nobody"]))[one.id]
    assert [(port.port, port.protocol, port.loopback, port.since) for port in found] == [
        (8501, Protocol.HTTP, True, began),
        (40000, Protocol.RFB, False, clock.now()),
    ]
    async with store.read() as tx:
        assert await tx.found.of([other.id]) == {}


async def test_only_a_difference_is_told_as_a_change_of_the_task(store: Store, clock: ManualClock) -> None:
    one = task(1, clock)
    await add(store, one)
    before = await newest(store)
    async with store.write() as tx:
        assert not await tx.found.set(one, [], at=clock.now())
    assert await changes_of(store, before) == []
    async with store.write() as tx:
        assert await tx.found.set(one, [WEB], at=clock.now())
    assert await changes_of(store, before) == [("task", one.id, "p1")]
    async with store.write() as tx:
        assert not await tx.found.set(one, [WEB], at=clock.now())
        assert await tx.found.set(one, [], at=clock.now())
        assert await tx.found.of([one.id]) == {}


async def test_ports_go_with_their_task(store: Store, clock: ManualClock) -> None:
    one = task(1, clock)
    await add(store, one)
    async with store.write() as tx:
        await tx.found.set(one, [WEB], at=clock.now())
        await tx.tasks.remove(one.id)
        assert await tx.found.of([one.id]) == {}
