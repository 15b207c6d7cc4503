"""The feed of changes: in order, complete, told at once, and honest about what it has lost."""

import asyncio
import gc
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from specola.clock import ManualClock
from specola.storage import engine
from specola.storage.changes import KEPT
from specola.storage.feed import REMEMBERED
from specola.storage.store import Change, Store, Topic
from tests.support.databases import PostgresServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def other(database: str, clock: ManualClock) -> AsyncIterator[Store]:
    """A second process's store on the same database."""
    opened = Store(database, clock=clock)
    yield opened
    await opened.close()


async def note(store: Store, *keys: str, owner: str | None = None) -> None:
    async with store.write() as transaction:
        for key in keys:
            transaction.changes.note(Topic.TASK, key, owner)


async def newest(store: Store) -> int:
    async with store.read() as transaction:
        return await transaction.changes.newest()


async def take(changes: AsyncIterator[list[Change]], count: int) -> list[Change]:
    taken: list[Change] = []
    while len(taken) < count:
        taken += await anext(changes)
    return taken


def keys(changes: list[Change]) -> list[str]:
    return [change.key for change in changes]


async def test_a_change_says_what_whose_and_its_number(store: Store) -> None:
    async with store.write() as transaction:
        transaction.changes.note(Topic.TASK, "t1", "ada")
        transaction.changes.revoke("session:s1")
    assert await take(store.changes(0), 2) == [
        Change(sequence=1, topic="task", key="t1", owner="ada"),
        Change(sequence=2, topic="revoked", key="session:s1", owner=None),
    ]


async def test_the_same_change_twice_in_a_transaction_is_one(store: Store) -> None:
    await note(store, "t1", "t2", "t1")
    assert keys(await take(store.changes(0), 2)) == ["t1", "t2"]
    assert await newest(store) == 2


async def test_a_follower_hears_its_own_process_and_others(store: Store, other: Store) -> None:
    changes = store.changes(0)
    await note(store, "own")
    assert keys(await take(changes, 1)) == ["own"]
    following = asyncio.ensure_future(take(changes, 1))
    await asyncio.sleep(0)
    await note(other, "other's")
    assert keys(await following) == ["other's"]


async def test_from_now_on_leaves_out_what_was_before(store: Store, other: Store) -> None:
    await note(store, "before")
    changes = store.changes()
    following = asyncio.ensure_future(take(changes, 1))
    while not following.done():
        await note(other, "after")
        await asyncio.sleep(0.01)
    assert set(keys(await following)) == {"after"}


async def test_nothing_is_missed_or_doubled_while_many_write(store: Store, other: Store) -> None:
    followers = [asyncio.ensure_future(take(one.changes(0), 60)) for one in (store, store, other)]
    await asyncio.gather(*(note(one, f"{name}{n}") for n in range(30) for name, one in (("a", store), ("b", other))))
    for follower in followers:
        taken = await follower
        assert [change.sequence for change in taken] == list(range(1, 61))
        assert len(set(keys(taken))) == 60


async def test_a_transaction_that_fails_leaves_no_hole(store: Store) -> None:
    async def fail() -> None:
        async with store.write() as transaction:
            transaction.changes.note(Topic.TASK, "never")
            raise RuntimeError("undone")

    await note(store, "t1")
    with pytest.raises(RuntimeError, match="undone"):
        await fail()
    await note(store, "t2")
    assert [(c.sequence, c.key) for c in await take(store.changes(0), 2)] == [(1, "t1"), (2, "t2")]


async def test_old_changes_are_forgotten_and_a_reader_from_then_is_told(store: Store, clock: ManualClock) -> None:
    await note(store, "t1", "t2")
    clock.advance(KEPT + timedelta(seconds=1))
    await note(store, "t3")
    await note(store, "t4")
    assert await take(store.changes(0), 1) == [Change(sequence=4, topic="gap", key="", owner=None)]
    assert await take(store.changes(1), 1) == [Change(sequence=4, topic="gap", key="", owner=None)]
    assert keys(await take(store.changes(2), 2)) == ["t3", "t4"]


async def test_a_clock_that_was_set_back_leaves_no_hole(store: Store, clock: ManualClock) -> None:
    await note(store, "t1")
    clock.advance(-KEPT)
    await note(store, "t2")
    clock.advance(KEPT + timedelta(seconds=1))
    await note(store, "t3", "t4")
    # The second is too old, the first is not: both go, and who knows neither is told.
    assert await take(store.changes(0), 1) == [Change(sequence=4, topic="gap", key="", owner=None)]
    assert keys(await take(store.changes(2), 2)) == ["t3", "t4"]


async def test_numbers_go_on_after_everything_old_was_forgotten(store: Store, clock: ManualClock) -> None:
    await note(store, "t1")
    clock.advance(timedelta(days=30))
    await note(store, "t2")
    assert await newest(store) == 2


async def test_a_number_from_before_a_restored_backup_is_a_gap(store: Store) -> None:
    await note(store, "t1")
    changes = store.changes(50)
    assert await anext(changes) == [Change(sequence=1, topic="gap", key="", owner=None)]
    await note(store, "t2")
    assert keys(await take(changes, 1)) == ["t2"]


async def test_a_follower_is_told_when_the_database_goes_back_under_it(
    store: Store, database: str, other: Store
) -> None:
    await note(store, "t1", "t2", "t3")
    changes = store.changes(0)
    await take(changes, 3)
    outside = engine.migrating(engine.read_url(database))
    async with outside.begin() as connection:
        await connection.execute(text("DELETE FROM change WHERE sequence > 1"))
    await outside.dispose()
    following = asyncio.ensure_future(anext(changes))
    while not following.done():
        await note(other, "t4")
        await asyncio.sleep(0.01)
    assert (await following)[0].topic == "gap"


async def test_a_clock_that_goes_back_loses_nothing(store: Store, clock: ManualClock) -> None:
    await note(store, "t1")
    clock.advance(-timedelta(days=2))
    await note(store, "t2")
    assert keys(await take(store.changes(0), 2)) == ["t1", "t2"]


async def test_a_slow_follower_reads_what_memory_no_longer_has(store: Store) -> None:
    slow = store.changes(0)
    await note(store, "first")
    assert keys(await take(slow, 1)) == ["first"]
    total = 0
    fast = store.changes(1)
    while total <= 2 * REMEMBERED:
        await note(store, *(f"k{total + n}" for n in range(2000)))
        total += len(await take(fast, 2000))
    taken = await take(slow, total)
    assert [change.sequence for change in taken] == list(range(2, total + 2))


async def test_followers_end_when_the_store_is_closed(store: Store) -> None:
    async def follow() -> list[Change]:
        return [change async for batch in store.changes(0) for change in batch]

    await note(store, "t1")
    following = asyncio.create_task(follow())
    assert keys(await take(store.changes(0), 1)) == ["t1"]
    await store.close()
    assert keys(await following) in (["t1"], [])


@pytest.mark.postgres
# The driver leaves the socket of a connection that the server cut to the collector of garbage.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_listening_goes_on_after_the_server_cut_the_connection(
    postgres_server: PostgresServer, clock: ManualClock
) -> None:
    name = postgres_server.create(template="specola_template")
    store = Store(postgres_server.url(name), clock=clock)
    other = Store(postgres_server.url(name), clock=clock)
    changes = store.changes(0)
    await note(other, "before")
    assert keys(await take(changes, 1)) == ["before"]
    outside = engine.migrating(engine.read_url(postgres_server.url("postgres")))
    async with outside.connect() as connection:
        backends = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        await connection.execute(backends, {"name": name})
    await outside.dispose()
    await note(other, "after")
    assert keys(await take(changes, 1)) == ["after"]
    await store.close()
    await other.close()
    postgres_server.drop(name)
    gc.collect()
