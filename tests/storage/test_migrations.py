"""Tables: made from nothing, the same as the models say, and refused when they are not ours."""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from specola.clock import ManualClock
from specola.domain.errors import DatabaseError, DatabaseUnavailableError, SchemaError
from specola.storage import engine
from specola.storage.migrate import upgrade
from specola.storage.revision import EXPECTED, REVISIONS
from specola.storage.schema import Base
from specola.storage.store import Store

pytestmark = pytest.mark.anyio

T = TypeVar("T")


async def on(url: str, work: Callable[[Connection], T]) -> T:
    """Do something with a plain connection."""
    migrating = engine.migrating(engine.read_url(url))
    try:
        async with migrating.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await migrating.dispose()


async def check(url: str) -> None:
    store = Store(url, clock=ManualClock())
    try:
        await store.check()
    finally:
        await store.close()


def set_revision(revision: str) -> Callable[[Connection], Any]:
    return lambda connection: connection.execute(
        text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
    )


async def test_migrations_make_exactly_the_tables_of_the_models(empty_database: str) -> None:
    await upgrade(empty_database)

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found: list[Any] = compare_metadata(context, Base.metadata)
        return found

    assert await on(empty_database, differences) == []
    await check(empty_database)


async def test_upgrading_again_changes_nothing(empty_database: str) -> None:
    await upgrade(empty_database)
    await upgrade(empty_database)
    await check(empty_database)


async def test_two_processes_may_upgrade_at_once(empty_database: str) -> None:
    await asyncio.gather(upgrade(empty_database), upgrade(empty_database), upgrade(empty_database))
    await check(empty_database)


async def test_a_database_without_tables_is_refused(empty_database: str, tmp_path: Path) -> None:
    (tmp_path / "specola.db").touch()
    with pytest.raises(SchemaError, match="revision none") as caught:
        await check(empty_database)
    assert "specola up" in caught.value.hint


async def test_tables_of_a_later_specola_are_refused_and_left_alone(database: str) -> None:
    await on(database, set_revision("9999"))
    for attempt in (check, upgrade):
        with pytest.raises(SchemaError, match="revision 9999") as caught:
            await attempt(database)
        assert "later" in caught.value.hint


async def test_an_upgrade_that_fails_half_way_leaves_nothing(empty_database: str) -> None:
    # The first table that the migration wants to make after others is there already.
    await on(empty_database, lambda connection: connection.execute(text("CREATE TABLE entry (other INTEGER)")))
    with pytest.raises(Exception, match="entry"):
        await upgrade(empty_database)

    def tables(connection: Connection) -> set[str]:
        return set(connection.dialect.get_table_names(connection))

    assert await on(empty_database, tables) == {"entry"}


def test_all_revisions_are_listed_for_the_check() -> None:
    config = Config()
    config.set_main_option("script_location", "specola.storage:migrations")
    scripts = ScriptDirectory.from_config(config)
    in_order = [script.revision for script in scripts.walk_revisions()][::-1]
    assert tuple(in_order) == REVISIONS
    assert scripts.get_current_head() == EXPECTED


def modes(folder: Path) -> dict[str, int]:
    return {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()}


async def test_an_sqlite_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "specola.db"
    await upgrade(f"sqlite:///{file}")
    store = Store(f"sqlite:///{file}", clock=ManualClock())
    async with store.write() as transaction:
        transaction.changes.revoke("session:1")
    assert modes(tmp_path) == {"specola.db": 0o600, "specola.db-wal": 0o600, "specola.db-shm": 0o600}
    await store.close()


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="No such file"):
        await upgrade(f"sqlite:///{tmp_path}/missing/specola.db")


@pytest.mark.parametrize(
    "url", ["mysql://localhost/specola", "nonsense", "sqlite://", "sqlite:///:memory:", "oracle://x"]
)
def test_addresses_of_other_databases_are_refused(url: str) -> None:
    with pytest.raises(DatabaseError):
        Store(url, clock=ManualClock())


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError):
        await upgrade(f"postgresql://nobody@/specola?host={tmp_path}")
    with pytest.raises(DatabaseUnavailableError):
        await check(f"postgresql://nobody@/specola?host={tmp_path}")
