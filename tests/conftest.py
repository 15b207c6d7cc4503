"""What all tests share: the event loop, and databases."""

import gc
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]  # it has none

from tests.support.databases import clock, database, empty_database, migrated_sqlite, postgres_server, store

__all__ = ["anyio_backend", "clock", "database", "empty_database", "migrated_sqlite", "postgres_server", "store"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, which is what the platform runs on."""
    return "asyncio"


def pytest_collection_finish() -> None:
    """Keep what was imported from being searched for garbage again and again while tests run."""
    gc.freeze()


# What shares an engine's demonstrations, what it builds, the places of the lab, or the one network outside. The library's own marks (`xdist_group`)
# do not reach its scheduler with pytest 9.2.
TOGETHER = (
    "tests/e2e/",
    "tests/hosts/",
    "tests/lab/",
    "tests/scripts/test_wheel.py",
    "tests/contract/test_computing_hostile.py::test_task_reaches_the_world_but_not_the_clouds_metadata",
)


class Together(LoadGroupScheduling):  # type: ignore[misc]  # the library has no types
    """Gives tests that share something to one process, all else to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """Choose how tests are shared out among processes."""
    return Together(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name cases of raw bytes and of keys by their argument: random ones would be called otherwise in each process."""
    raw = (isinstance(val, bytes) and not val.isascii()) or (isinstance(val, str) and val.startswith("ssh-"))
    return argname if raw else None
