"""One process under supervision: started, started again when it dies, ended in good order."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import structlog

__all__ = ["Child"]

SETTLED = 10.0
LAST_LINES = 10
FIRST_PAUSE = 0.25
LAST_PAUSE = 5.0


class Child:
    """A child process that is wanted running.

    Parameters
    ----------
    name
        What it is called in logs and on the file of its process id.
    argv
        Its command.
    run
        The folder for `<name>.pid`.
    environment
        Variables added to this process's own.
    quiet
        What it writes goes to `<name>.log` in `run`; its last lines are told when it dies. For programs not of ours,
        whose every word on the terminal would be noise.
    folder
        Where it works; None: where this process does. What it leaves lying about is left there.

    Notes
    -----
    The first restart is immediate, since most deaths are accidents and people are waiting. One that dies again within
    10 s waits longer each time, 5 s at most.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        run: Path,
        environment: Mapping[str, str] | None = None,
        quiet: bool = False,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.quick_deaths = 0
        self._argv = [sys.executable, "-m", "specola.supervisor.bound", str(os.getpid()), *argv]
        self._file = run / f"{name}.pid"
        self._environment = {**os.environ, **(environment or {})}
        self._log = run / f"{name}.log" if quiet else None
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._logger = structlog.stdlib.get_logger("specola.supervisor")

    async def keep(self) -> None:
        """Start it, and start it again whenever it ends, until cancelled."""
        while True:
            began = asyncio.get_running_loop().time()
            code = await self._once()
            lived = asyncio.get_running_loop().time() - began
            self.quick_deaths = self.quick_deaths + 1 if lived < SETTLED else 1
            pause = 0.0 if self.quick_deaths == 1 else min(FIRST_PAUSE * 2 ** (self.quick_deaths - 2), LAST_PAUSE)
            said = self._last_words()
            told = {"said": said} if said else {}
            self._logger.warning("process_ended", name=self.name, how=_how(code), again_in=pause, **told)
            await asyncio.sleep(pause)

    async def end(self, grace: float) -> None:
        """Ask it to end, and force it after `grace` seconds; silent if it is not running."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(grace):
                _ = await process.wait()
        except TimeoutError:
            self._logger.warning("process_forced", name=self.name, grace=grace)
            process.kill()
            _ = await process.wait()
        self._file.unlink(missing_ok=True)

    async def _once(self) -> int:
        # A group of its own: Ctrl-C on the terminal reaches the supervisor alone, which ends all in order.
        with self._output() as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                env=self._environment,
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        draft = self._file.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        with draft.open("x") as file:
            _ = file.write(f"{self._process.pid}\n")
        draft.rename(self._file)
        return await self._process.wait()

    @contextmanager
    def _output(self) -> Iterator[IO[bytes] | None]:
        """Open the file of what it writes, emptied for each start; None: it writes where this process does.

        A file and no pipe: what an engine starts inherits it, lives on when we end, and must be able to write then.
        """
        if self._log is None:
            yield None
            return
        self._log.unlink(missing_ok=True)
        with self._log.open("xb") as file:
            yield file

    def _last_words(self) -> list[str]:
        if self._log is None:
            return []
        try:
            # The folder is the unprivileged user's, so the name may lead to what only root may read.
            with open(os.open(self._log, os.O_RDONLY | os.O_NOFOLLOW), errors="replace") as file:  # noqa: PTH123
                return file.read().splitlines()[-LAST_LINES:]
        except OSError:
            return []


def _how(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
