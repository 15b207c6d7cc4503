"""What all tests share: the event loop, and databases."""

import gc
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]  # it has none

from lab.root import refusal
from tests.support.databases import clock, database, empty_database, migrated_sqlite, postgres_server, store

__all__ = ["anyio_backend", "clock", "database", "empty_database", "migrated_sqlite", "postgres_server", "store"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, which is what the platform runs on."""
    return "asyncio"


def pytest_collection_finish() -> None:
    """Keep what was imported from being searched for garbage again and again while tests run."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what stands on the lab, with the reason, where this machine cannot have one."""
    on_lab = [item for item in items if item.get_closest_marker("lab")]
    why = refusal() if on_lab else ""
    for item in on_lab if why else ():
        item.add_marker(pytest.mark.skip(reason=why))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail if a test was skipped that could have run: a lab that cannot be had is the only excuse."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or exitstatus != pytest.ExitCode.OK:
        return
    excuse = f"Skipped: {refusal()}"
    skipped = [report for report in reporter.stats.get("skipped", ()) if report.longrepr[2] != excuse]
    if skipped:
        reporter.write_line("A test that is skipped shows nothing; make it run, or remove it.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# What shares an engine's demonstrations, what it builds, the places of the lab, or the one network outside. The library's own marks (`xdist_group`)
# do not reach its scheduler with pytest 9.2.
TOGETHER = (
    "tests/e2e/test_elsewhere.py",
    "tests/e2e/",
    "tests/hosts/",
    "tests/lab/",
    "tests/matrix/",
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
