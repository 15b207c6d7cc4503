"""What the tests of services share: databases, and a whole installation in this process."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.databases import clock, database, migrated_sqlite, postgres_server, store
from tests.support.services import Installation, open_installation

__all__ = ["clock", "database", "migrated_sqlite", "postgres_server", "store"]


@pytest.fixture
async def house(migrated_sqlite: Path, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation on SQLite."""
    file = shutil.copy(migrated_sqlite, tmp_path / "specola.db")
    async with open_installation(tmp_path, url=f"sqlite:///{file}") as one:
        yield one
