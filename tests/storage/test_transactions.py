"""Transactions: one moment for readers, one after the other for writers, all or nothing whatever happens."""

import asyncio
import os
import signal
import sys
import textwrap
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from specola.clock import ManualClock
from specola.domain.errors import DatabaseUnavailableError, InvalidError
from specola.domain.person import Person, Role
from specola.storage import engine
from specola.storage.store import Store
from tests.support.databases import PostgresServer

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def person(number: int, *, full_name: str = "", created: datetime = NOW) -> Person:
    return Person(
        id=f"p{number}",
        name=f"person-{number}",
        full_name=full_name,
        role=Role.PERSON,
        number=100_000 + number,
        created=created,
    )


async def names(store: Store) -> list[str]:
    async with store.read() as transaction:
        return [one.name for one in await transaction.people.all()]


async def test_what_is_written_is_read(store: Store) -> None:
    async with store.write() as transaction:
        await transaction.people.add(person(1))
    async with store.read() as transaction:
        assert await transaction.people.get("p1") == person(1)


async def test_an_error_undoes_everything_and_tells_nobody(store: Store) -> None:
    async def fail() -> None:
        async with store.write() as transaction:
            await transaction.people.add(person(1))
            raise RuntimeError("undone")

    with pytest.raises(RuntimeError, match="undone"):
        await fail()
    assert await names(store) == []
    async with store.read() as transaction:
        assert await transaction.changes.newest() == 0


async def test_a_moment_keeps_its_microseconds_and_is_in_utc(store: Store) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    async with store.write() as transaction:
        await transaction.people.add(person(1, created=elsewhere))
    async with store.read() as transaction:
        created = (await transaction.people.get("p1")).created
    assert created == NOW
    assert created.utcoffset() == timedelta(0)


async def test_a_moment_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="has no time zone"):
        async with store.write() as transaction:
            await transaction.people.add(person(1, created=NOW.replace(tzinfo=None)))


async def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises((DBAPIError, DatabaseUnavailableError), match=r"readonly|read-only"):
        async with store.read() as transaction:
            await transaction.people.add(person(1))


async def test_a_reader_sees_one_moment(store: Store) -> None:
    async with store.read() as reading:
        assert await reading.people.all() == []
        async with store.write() as transaction:
            await transaction.people.add(person(1))
        assert await reading.people.all() == []
    assert await names(store) == ["person-1"]


async def test_writers_of_several_processes_follow_each_other(database: str, clock: ManualClock) -> None:
    """What a writer has read is still so when it writes: the classical lost update does not happen."""
    stores = [Store(database, clock=clock) for _ in range(4)]

    async def take_a_number(store: Store) -> None:
        async with store.write() as transaction:
            number = await transaction.people.next_number()
            await asyncio.sleep(0)
            await transaction.people.add(person(number - 100_000))

    await asyncio.gather(*(take_a_number(store) for store in stores for _ in range(10)))
    assert len(await names(stores[0])) == 40
    for store in stores:
        await store.close()


async def test_a_writer_that_is_cancelled_leaves_nothing_and_blocks_nobody(store: Store) -> None:
    inside = asyncio.Event()

    async def hang() -> None:
        async with store.write() as transaction:
            await transaction.people.add(person(1))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.write() as transaction:
        await transaction.people.add(person(2))
    assert await names(store) == ["person-2"]


async def test_writers_cancelled_at_any_moment_block_nobody(store: Store) -> None:
    async def write(number: int) -> None:
        async with store.write() as transaction:
            await transaction.people.add(person(number))

    for steps in range(30):
        task = asyncio.create_task(write(steps))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with store.write() as transaction:
        await transaction.people.add(person(99))
    assert "person-99" in await names(store)


async def test_a_writer_that_is_killed_leaves_nothing_and_blocks_nobody(store: Store, database: str) -> None:
    program = textwrap.dedent("""
        import asyncio, sys
        from datetime import UTC, datetime
        from specola.clock import Clock
        from specola.domain.person import Person, Role
        from specola.storage.store import Store

        async def main():
            async with Store(sys.argv[1], clock=Clock()).write() as transaction:
                await transaction.people.add(Person(id="p1", name="person-1", full_name="", role=Role.PERSON,
                                                    number=100001, created=datetime.now(UTC)))
                print("inside", flush=True)
                await asyncio.Event().wait()

        asyncio.run(main())
    """)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, database, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"inside\n"
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    async with store.write() as transaction:
        await transaction.people.add(person(2))
    assert await names(store) == ["person-2"]


async def test_text_that_no_database_keeps_is_refused(store: Store) -> None:
    with pytest.raises(InvalidError, match="cannot be kept"):
        async with store.write() as transaction:
            await transaction.people.add(person(1, full_name="half a pair: \ud800"))


async def test_errors_do_not_show_what_was_to_be_written(store: Store) -> None:
    async def add_twice() -> None:
        async with store.write() as transaction:
            await transaction.people.add(person(1, full_name="private"))
            await transaction.people.add(person(1, full_name="private"))

    with pytest.raises(IntegrityError) as caught:
        await add_twice()
    assert "private" not in str(caught.value)


async def test_hostile_text_stays_text(store: Store) -> None:
    hostile = "Robert'); DROP TABLE person;-- \u202e % _ \\ \U0001f52d"
    async with store.write() as transaction:
        await transaction.people.add(person(1, full_name=hostile))
    async with store.read() as transaction:
        assert (await transaction.people.get("p1")).full_name == hostile
        assert await transaction.people.named("' OR '1'='1") is None


@pytest.mark.postgres
async def test_postgresql_refuses_nul_with_a_sentence(postgres_server: PostgresServer, clock: ManualClock) -> None:
    name = postgres_server.create(template="specola_template")
    store = Store(postgres_server.url(name), clock=clock)
    with pytest.raises(InvalidError, match="cannot be kept"):
        async with store.write() as transaction:
            await transaction.people.add(person(1, full_name="a\0b"))
    await store.close()
    postgres_server.drop(name)


@pytest.mark.postgres
async def test_a_server_that_went_away_is_unavailable_and_then_used_again(
    postgres_server: PostgresServer, clock: ManualClock
) -> None:
    name = postgres_server.create(template="specola_template")
    store = Store(postgres_server.url(name), clock=clock)

    async def be_cut_off() -> None:
        async with store.write() as transaction:
            await transaction.people.add(person(1))
            await end_connections(postgres_server, name)
            await transaction.people.add(person(2))

    with pytest.raises(DatabaseUnavailableError):
        await be_cut_off()
    async with store.write() as transaction:
        await transaction.people.add(person(3))
    assert await names(store) == ["person-3"]
    await store.close()
    postgres_server.drop(name)


async def end_connections(server: PostgresServer, database: str) -> None:
    """Cut all connections to a database, as a restart of the server does."""
    outside = engine.migrating(engine.read_url(server.url("postgres")))
    async with outside.connect() as connection:
        backends = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        await connection.execute(backends, {"name": database})
    await outside.dispose()
