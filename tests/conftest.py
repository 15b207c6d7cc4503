"""What all tests share: the event loop, and databases."""

import gc
import re
from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]  # it has none

from lab.kubebuild import is_built
from lab.root import refusal
from tests.support.databases import clock, database, empty_database, migrated_sqlite, postgres_server, store

__all__ = ["anyio_backend", "clock", "database", "empty_database", "migrated_sqlite", "postgres_server", "store"]

UNBUILT = "Kubernetes could not be built on this machine; “python3 -m lab build kubernetes” tells why."


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, which is what the platform runs on."""
    return "asyncio"


def pytest_collection_finish() -> None:
    """Keep what was imported from being searched for garbage again and again while tests run."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what stands on places that this machine cannot have, with the reason."""
    for mark, why in excuses(items).items():
        for item in items:
            if why and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=why))


def excuses(items: Sequence[pytest.Item]) -> dict[str, str]:
    """Return why tests with a mark cannot run here; empty: they can."""
    marks = {mark for mark in ("lab", "kubernetes") if any(item.get_closest_marker(mark) for item in items)}
    return {mark: (refusal() or (UNBUILT if mark == "kubernetes" and not is_built() else "")) for mark in marks}


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail if a test was skipped that could have run: places that cannot be had are the only excuse."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or exitstatus != pytest.ExitCode.OK:
        return
    excused = {f"Skipped: {why}" for why in (refusal(), "" if is_built() else UNBUILT) if why}
    skipped = [report for report in reporter.stats.get("skipped", ()) if report.longrepr[2] not in excused]
    if skipped:
        reporter.write_line("A test that is skipped shows nothing; make it run, or remove it.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# What is done in one process, since it shares an engine's demonstrations, what it builds, the one network outside, or places of the lab of which
# some tests end or freeze a program. The library's own marks (`xdist_group`) do not reach its scheduler with pytest 9.2.
CLUSTERS = "tests/matrix/|tests/contract/(test_slurm_|test_batch_|test_computing_kubernetes|.*\\[.*(slurm-|kubernetes))"
TOGETHER = (
    CLUSTERS,
    # All of one account on one host: what the former look for would be what the latter have.
    "tests/computing/batch/test_agent_on_node|tests/contract/.*\\[.*(no-engine|jump|people)",
    "tests/e2e/test_elsewhere.py",
    "tests/e2e/",
    "tests/hosts/",
    "tests/lab/",
    "tests/signer/test_on_hosts",
    "tests/scripts/test_wheel",
    "tests/contract/test_computing_hostile.py::test_task_reaches_the_world_but_not_the_clouds_metadata",
)


class Together(LoadGroupScheduling):  # type: ignore[misc]  # the library has no types
    """Gives tests that share something to one process, all else to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group in TOGETHER if re.match(group, nodeid)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """Choose how tests are shared out among processes."""
    return Together(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name cases of raw bytes and of keys by their argument: random ones would be called otherwise in each process."""
    raw = (isinstance(val, bytes) and not val.isascii()) or (isinstance(val, str) and val.startswith("ssh-"))
    return argname if raw else None
