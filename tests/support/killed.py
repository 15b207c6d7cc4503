"""A launch by a process of its own, which is killed for real right after one of its steps."""

import asyncio
import os
import pickle
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lab.keys import Keys
from specola.clock import Clock
from specola.computing.kinds import Context, open_computing
from specola.domain.computing import Launch, Progress
from specola.hosts.config import HostSettings
from specola.hosts.registered import RegisteredHosts
from specola.ports.computing import Computing
from tests.support.identities import LabIdentities
from tests.support.places import budget

__all__ = ["kill_during"]

ROOT = Path(__file__).parents[2]
SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """A launch, and how that process opens the computing that it is asked of."""

    kind: str
    name: str
    settings: Mapping[str, Any]
    installation: str
    data: Path
    launch: Launch
    keys: Keys | None


class Located(Protocol):
    """A place that another process can open as well.

    `keys`: what opens accounts on the lab's hosts; None: it is reached without.
    """

    kind: str
    settings: dict[str, Any]
    keys: Keys | None
    context: Context
    computing: Computing


async def kill_during(place: Located, launch: Launch, *, after: str) -> None:
    """Launch in another process that is killed as soon as it tells of a step; nothing of it is cleared away."""
    doomed = Doomed(
        kind=place.kind,
        name=place.computing.name,
        settings=place.settings,
        installation=place.context.installation,
        data=place.context.data,
        launch=launch,
        keys=place.keys,
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, after, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        async with asyncio.timeout(SECONDS):
            _, errors = await process.communicate(pickle.dumps(doomed))
    except BaseException:
        process.kill()
        _ = await process.wait()
        raise
    assert process.returncode == -signal.SIGKILL, errors.decode()


async def _launch(doomed: Doomed, after: str) -> None:
    async def report(progress: Progress) -> None:
        if progress.code == after:
            os.kill(os.getpid(), signal.SIGKILL)

    async def look_up(_computing: str) -> HostSettings:
        return HostSettings.model_validate(doomed.settings["host"])

    hosts = RegisteredHosts(look_up, LabIdentities(doomed.keys)) if doomed.keys else None
    context = Context(installation=doomed.installation, data=doomed.data, clock=Clock(), hosts=hosts)
    computing = open_computing(doomed.kind, name=doomed.name, settings=doomed.settings, context=context)
    handle = await computing.launch(doomed.launch, report=report, budget=budget(SECONDS))
    raise AssertionError(f"{handle} was launched without {after}")


if __name__ == "__main__":
    # What comes is this project's own test.
    asyncio.run(_launch(pickle.load(sys.stdin.buffer), sys.argv[1]))  # noqa: S301
