"""What happens inside a container ahead of its end: a line on its terminals, and its release's last command."""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog

from specola.computing.engine.commands import Commands
from specola.computing.inside.telling import TELLING_SECONDS, telling
from specola.domain.computing import Handle
from specola.domain.errors import LaunchError, TaskNotRunningError
from specola.domain.software import PreStop

__all__ = ["PRE_STOP", "Farewell", "read_pre_stop", "write_pre_stop"]

PRE_STOP = "org.specola.pre-stop"
"""The label that carries a release's last command, so that whoever stops the container knows it."""


class Farewell:
    """Runs what is to run in a container before it ends, as the user that it runs as; nothing of that holds up its end."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._done: set[Handle] = set()
        self._logger = structlog.get_logger("specola.engine")

    async def tell(self, handle: Handle, text: str) -> None:
        """Write a line on every terminal in a container that its user may write to."""
        await self._run(handle, telling(text), seconds=TELLING_SECONDS)

    async def before_stop(self, handle: Handle, labels: Mapping[str, str]) -> None:
        """Run a release's last command, once; what it says and how it ends is its own affair."""
        pre_stop = read_pre_stop(labels)
        if pre_stop is None or handle in self._done:
            return
        self._done.add(handle)
        code = await self._run(handle, pre_stop.command, seconds=pre_stop.time.total_seconds())
        if code != 0:
            self._logger.warning("pre_stop_failed", handle=handle, exit_code=code)

    def forget(self, handle: Handle) -> None:
        """Forget a container that is gone."""
        self._done.discard(handle)

    async def _run(self, handle: Handle, command: Sequence[str], *, seconds: float) -> int | None:
        """Run a command for so long at most; None: it took longer, or there is no way to run one."""
        with contextlib.suppress(TaskNotRunningError, LaunchError, TimeoutError):
            running = await self._commands.start(handle, command, terminal=None, environment={})
            try:
                async with asyncio.timeout(seconds):
                    await running.end()
                    while (await running.read())[1]:
                        pass
                    return await running.wait()
            finally:
                await running.close()
        return None


def write_pre_stop(pre_stop: PreStop | None) -> dict[str, str]:
    """Return the label of a release's last command; none without one."""
    if pre_stop is None:
        return {}
    said = {"command": list(pre_stop.command), "seconds": pre_stop.time.total_seconds()}
    return {PRE_STOP: json.dumps(said, separators=(",", ":"))}


def read_pre_stop(labels: Mapping[str, str]) -> PreStop | None:
    """Return the last command that a container's labels carry; a label that is none of ours counts as none."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        said = json.loads(labels[PRE_STOP])
        command = tuple(str(word) for word in said["command"])
        return PreStop(command=command, time=timedelta(seconds=float(said["seconds"]))) if command else None
    return None
