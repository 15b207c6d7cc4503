"""Engines: how connections to SQLite and PostgreSQL are made, and how their transactions begin."""

import asyncio
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util.concurrency import in_greenlet

from specola.domain.errors import DatabaseError

__all__ = ["BUSY_SECONDS", "WRITE_LOCK", "file_of", "migrating", "read_url", "reading", "writing"]

BUSY_SECONDS = 15
"""How long a transaction waits for the write lock before it gives up."""

WRITE_LOCK = 0x5EC01A
"""The number of PostgreSQL's advisory lock that makes write transactions follow each other, as they do on SQLite."""

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


def read_url(text: str) -> URL:
    """Return a database's address with the driver we use.

    Parameters
    ----------
    text
        `sqlite:////folder/file.db` or `postgresql://user@host/name`.

    Raises
    ------
    DatabaseError
        It is no address, or one of another database.
    """
    hint = "Use postgresql://USER@HOST/NAME, or leave database_url empty for SQLite in the data folder."
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise DatabaseError("database_url is not an address of a database.", hint=hint) from error
    driver = DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise DatabaseError(f"Specola does not keep its data in {url.get_backend_name()}.", hint=hint)
    if driver.startswith("sqlite") and url.database in {None, "", ":memory:"}:
        raise DatabaseError("An SQLite database has to be a file.", hint=hint)
    return url.set(drivername=driver)


def file_of(url: URL) -> Path | None:
    """Return the file of an SQLite database, None for PostgreSQL."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def reading(url: URL) -> AsyncEngine:
    """Return an engine whose transactions see one moment of the database, and cannot write."""
    if file_of(url):
        return _sqlite(url, begin="BEGIN", pragmas=("foreign_keys = ON", "query_only = ON"), connections=5)
    return _postgres(url, connections=10).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def writing(url: URL) -> AsyncEngine:
    """Return an engine whose transactions take the write lock at once, one after the other.

    On SQLite it has a single connection: writers of one process queue for it in the order in which they came, where
    SQLite alone would let them try again and again. Writers of other processes wait in SQLite's busy handler.
    """
    if file_of(url):
        pragmas = ("foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL")
        return _sqlite(url, begin="BEGIN IMMEDIATE", pragmas=pragmas, connections=1)
    return _postgres(url, connections=10)


def migrating(url: URL) -> AsyncEngine:
    """Return an engine for changing tables: on SQLite without foreign keys, since tables are rebuilt."""
    if file_of(url):
        return _sqlite(url, begin="BEGIN IMMEDIATE", pragmas=("journal_mode = WAL",), connections=1)
    return _postgres(url, connections=1)


def _sqlite(url: URL, *, begin: str, pragmas: tuple[str, ...], connections: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        # What is written may be secret, and errors are logged.
        hide_parameters=True,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=2 * BUSY_SECONDS,
        # The driver's own idea of when to begin (before the first INSERT, never before a SELECT) is switched off; we
        # say BEGIN below, so that a reader keeps one snapshot and a writer never has to upgrade, which would fail.
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: sqlite3.Connection, record: Any) -> None:  # noqa: ARG001 - an event's signature
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "invalidate")
    def roll_back(connection: Any, record: Any, error: Any) -> None:  # noqa: ARG001 - an event's signature
        # A connection whose user is cancelled in the middle of a statement is closed, but SQLite keeps it, and its lock,
        # for as long as anything refers to that statement, as the traceback does (sqlite3_close_v2, "zombie").
        if in_greenlet():
            with suppress(sqlite3.Error, ValueError):
                connection.run_async(lambda driver: asyncio.shield(driver.rollback()))

    @event.listens_for(engine.sync_engine, "begin")
    def say_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgres(url: URL, *, connections: int) -> AsyncEngine:
    return create_async_engine(
        url,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=connections,
        pool_timeout=2 * BUSY_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "timeout": BUSY_SECONDS,
            "server_settings": {
                "application_name": "specola",
                "timezone": "UTC",
                # A process that was stopped in the middle must not hold the write lock for ever.
                "lock_timeout": f"{BUSY_SECONDS}s",
                "idle_in_transaction_session_timeout": f"{4 * BUSY_SECONDS}s",
            },
        },
    )
