"""One process under supervision."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from specola import logging
from specola.config import Settings
from specola.supervisor.child import Child

pytestmark = pytest.mark.anyio

DIES = "import sys; print('first words'); print('the address is taken', file=sys.stderr); sys.exit(3)"
LIVES = "import os, signal; print('ready', os.getpid(), flush=True); signal.pause()"


async def until(met: Callable[[], bool]) -> None:
    """Wait for what another process does, which tells nobody."""
    async with asyncio.timeout(20):
        while not met():  # noqa: ASYNC110 - nothing here is told by an event
            await asyncio.sleep(0.01)


async def test_the_last_words_of_a_quiet_process_are_told_when_it_dies(tmp_path: Path) -> None:
    lines = StringIO()
    logging.configure(Settings(data=tmp_path, log_format="json"), process="up", to=lines)
    child = Child("engine", [sys.executable, "-c", DIES], run=tmp_path, quiet=True)
    keeping = asyncio.create_task(child.keep())
    await until(lambda: "\n" in lines.getvalue())
    keeping.cancel()
    _ = await asyncio.gather(keeping, return_exceptions=True)
    await child.end(5.0)
    told = json.loads(lines.getvalue().splitlines()[0])
    assert (told["name"], told["how"], told["again_in"]) == ("engine", "exit code 3", 0.0)
    assert sorted(told["said"]) == ["first words", "the address is taken"]


async def test_a_process_that_dies_is_started_again_at_once_and_ends_when_asked(tmp_path: Path) -> None:
    child = Child("one", [sys.executable, "-c", LIVES], run=tmp_path, quiet=True)
    keeping = asyncio.create_task(child.keep())
    log, number = tmp_path / "one.log", tmp_path / "one.pid"
    await until(lambda: log.exists() and log.read_text().startswith("ready"))
    first = int(number.read_text())
    os.kill(first, signal.SIGKILL)
    await until(lambda: number.exists() and int(number.read_text() or 0) != first)
    await until(lambda: log.read_text() == f"ready {number.read_text()}")
    keeping.cancel()
    _ = await asyncio.gather(keeping, return_exceptions=True)
    await child.end(5.0)
    assert not number.exists()
