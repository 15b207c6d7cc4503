"""Databases for tests: SQLite in a file, and a real PostgreSQL that lives as long as the test session."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from specola.clock import ManualClock
from specola.storage.migrate import upgrade
from specola.storage.store import Store

__all__ = ["PostgresServer", "clock", "database", "empty_database", "migrated_sqlite", "postgres_server", "store"]

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
USER = "postgres"
TEMPLATE = "specola_template"


@dataclass
class PostgresServer:
    """A server of our own, on a Unix socket in a temporary folder, gone with the session."""

    folder: Path
    made: int = 0

    def url(self, name: str) -> str:
        return f"postgresql://{USER}@/{name}?host={self.folder}"

    def create(self, *, template: str = "template0") -> str:
        """Make a database of its own for a test."""
        self.made += 1
        name = f"test_{self.made}"
        self.client("createdb", "--template", template, name)
        return name

    def drop(self, name: str) -> None:
        self.client("dropdb", "--force", name)

    def start(self) -> None:
        data = self.folder / "data"
        self._server("initdb", "--no-sync", "--auth=trust", f"--username={USER}", "--encoding=UTF8", f"--pgdata={data}")
        # Its data need not outlive it.
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off -c full_page_writes=off"
        self._server(
            "pg_ctl", "start", "--wait", f"--pgdata={data}", f"--log={self.folder / 'log'}", f"--options={options}"
        )

    def stop(self) -> None:
        self._server("pg_ctl", "stop", "--wait", "--mode=immediate", f"--pgdata={self.folder / 'data'}")

    def client(self, program: str, *arguments: str) -> None:
        where = [f"--host={self.folder}", f"--username={USER}"]
        subprocess.run([str(PROGRAMS / program), *where, *arguments], check=True)

    def _server(self, program: str, *arguments: str) -> None:
        # PostgreSQL refuses to run as root.
        user = USER if os.geteuid() == 0 else None
        subprocess.run(
            [str(PROGRAMS / program), *arguments], check=True, user=user, cwd=self.folder, stdout=subprocess.DEVNULL
        )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for each worker of the test session."""
    # Not below tmp_path: a socket's address has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="specola-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
    server = PostgresServer(folder)
    try:
        server.start()
        server.client("createdb", "--template=template0", TEMPLATE)
        asyncio.run(upgrade(server.url(TEMPLATE)))
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "specola.db"
    asyncio.run(upgrade(f"sqlite:///{file}"))
    return file


ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=ENGINES)
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables, on each engine in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'specola.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with all tables, on each engine in turn."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "specola.db")
        yield f"sqlite:///{file}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create(template=TEMPLATE)
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(database: str, clock: ManualClock) -> AsyncIterator[Store]:
    """A store on each engine in turn."""
    opened = Store(database, clock=clock)
    yield opened
    await opened.close()
