"""Watching a database: learning, without asking for rows, that some process has committed something."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from specola.domain.errors import DatabaseUnavailableError
from specola.storage.border import connected, connecting
from specola.storage.changes import CHANNEL

__all__ = ["PostgresWatch", "SqliteWatch", "Watch"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.02
RETRY_SECONDS = 1.0


class Watch(Protocol):
    """Calls back, in the event loop, soon after any process has committed."""

    async def run(self, wake: Callable[[], None]) -> None:
        """Watch until cancelled; calls `wake` too often rather than too rarely."""


class SqliteWatch:
    """Asks SQLite's `data_version` every 20 ms, in a thread of its own.

    The pragma compares a counter in memory that all processes share, so asking costs some microseconds and the event
    loop sleeps on. A connection does not see its own commits in it: this one never writes.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    async def run(self, wake: Callable[[], None]) -> None:
        """Watch until cancelled; see `Watch`."""
        loop = asyncio.get_running_loop()
        stop = threading.Event()

        def tell() -> None:
            # The loop may be closed between the question and the call, while the process ends.
            if not stop.is_set() and not loop.is_closed():
                loop.call_soon_threadsafe(wake)

        thread = threading.Thread(target=self._poll, args=(stop, tell), name="specola-watch", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            stop.set()
            thread.join()

    def _poll(self, stop: threading.Event, tell: Callable[[], None]) -> None:
        while not stop.is_set():
            try:
                connection = sqlite3.connect(f"{self._file.absolute().as_uri()}?mode=ro", uri=True)
                try:
                    self._compare(connection, stop, tell)
                finally:
                    connection.close()
            except sqlite3.Error as error:
                logger.warning("Watching the database failed, trying again: %s", error)
                stop.wait(RETRY_SECONDS)

    def _compare(self, connection: sqlite3.Connection, stop: threading.Event, tell: Callable[[], None]) -> None:
        last = None
        while not stop.wait(POLL_SECONDS):
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version != last:
                last = version
                tell()


class PostgresWatch:
    """Listens to PostgreSQL's notifications on a connection of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, wake: Callable[[], None]) -> None:
        """Watch until cancelled; see `Watch`."""
        while True:
            try:
                await self._listen(wake)
            except DatabaseUnavailableError as error:
                logger.warning("Watching the database failed, trying again: %s", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, wake: Callable[[], None]) -> None:
        """Listen until the connection breaks."""
        broken = asyncio.Event()
        async with connected(self._engine) as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None
            raw.add_termination_listener(lambda *_: broken.set())
            with connecting():
                await raw.add_listener(CHANNEL, lambda *_: wake())
            wake()
            try:
                await broken.wait()
            finally:
                # It has a listener, so it must not go back to the others.
                await connection.invalidate()
