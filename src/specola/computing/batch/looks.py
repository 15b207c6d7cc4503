"""What compute nodes are like: told once a day by a tiny job, and kept on the shared file system."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from specola.clock import Clock
from specola.computing.batch.accounts import Account
from specola.computing.batch.config import BatchSettings, RuntimeChoice, SchedulerKind
from specola.computing.batch.errors import AmbiguousError
from specola.computing.batch.folders import Folders
from specola.computing.batch.names import Names
from specola.computing.batch.scheduling import Job, Scheduler
from specola.computing.border import in_one_line
from specola.domain.errors import ComputingUnreachableError, LaunchError
from specola.domain.placement import Placement
from specola.domain.reasons import EndReason
from specola.domain.software import Resources

__all__ = ["Looks", "runtimes_of"]

GOOD_FOR = 86400.0
MEMORY = 256 * 1024**2
EVERY = 0.3
BETWEEN = 20.0
"""Seconds before another job is handed in for one that told nothing yet."""


def runtimes_of(facts: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the container runtimes of a node with their versions."""
    told = facts.get("runtimes")
    return {str(name): str(version or "") for name, version in told.items()} if isinstance(told, dict) else {}


@dataclass(slots=True)
class Looks:
    """Looks at the nodes of one computing with an account's rights.

    Parameters
    ----------
    agent
        The agent's content.
    """

    computing: str
    settings: BatchSettings
    scheduler: Scheduler
    names: Names
    folders: Folders
    clock: Clock
    agent: bytes

    async def known(self, account: Account) -> Mapping[str, Any] | None:
        """Return what was seen lately; None: nothing was."""
        told = await self.folders.read(account, f"{account.paths.looks}/look.json")
        if told is None or self.clock.now().timestamp() - float(told.get("at") or 0) > GOOD_FOR:
            return None
        return told

    async def runtime(self, account: Account, *, seconds: float) -> str:
        """Return the runtime that tasks get.

        Raises
        ------
        LaunchError
            The nodes have none.
        """
        if self.settings.runtime is not RuntimeChoice.AUTO:
            return self.settings.runtime.value
        facts = await self.look(account, seconds=seconds)
        found = runtimes_of(facts or {})
        for one in (RuntimeChoice.APPTAINER, RuntimeChoice.PODMAN):
            if one.value in found:
                return one.value
        if facts is None:
            # The queue is long: the usual runtime is as good a guess as any, and the agent says if it is wrong.
            return RuntimeChoice.APPTAINER.value
        raise LaunchError(
            f"The nodes of “{self.computing}” have nothing that runs containers.",
            hint="Its operators can install Apptainer or Podman; neither needs to run as root.",
            code=EndReason.RUNTIME_MISSING,
        )

    async def look(self, account: Account, *, seconds: float) -> Mapping[str, Any] | None:
        """Return what a node is like, waiting `seconds` for a job that looks; None: it has not begun by then."""
        if (told := await self.known(account)) is not None:
            return told
        path = await self.folders.place_agent(account, self.agent)
        if self.settings.scheduler is SchedulerKind.NONE:
            done = await account.host.run([self.settings.python, path, "probe"], seconds=self.settings.answer)
            if done.code != 0:
                why = in_one_line(done.complaint) or f"exit code {done.code}"
                raise ComputingUnreachableError(self.computing, f"{self.settings.python} cannot run the agent ({why})")
            return await self._keep(account, done.output)
        await self._submit(account, path)
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            content = await account.host.read(f"{account.paths.looks}/look.out")
            if content and (told := await self._keep(account, content)) is not None:
                return told
            await self.clock.sleep(EVERY)
        return None

    async def _submit(self, account: Account, agent: str) -> None:
        """Hand the job in, unless one was a moment ago; if whether it was taken is unclear, the next look does it again."""
        file = f"{account.paths.looks}/asked.json"
        asked = await self.folders.read(account, file)
        now = self.clock.now().timestamp()
        if asked is not None and now - float(asked.get("at") or 0) < BETWEEN:
            return
        await self.folders.write(account, f"{account.paths.looks}/look.out", b"")
        await self.folders.write(account, file, json.dumps({"at": now}).encode())
        partition, project = self.settings.partition or None, self.settings.project or None
        job = Job(
            name=self.names.probe_job,
            command=(self.settings.python, agent, "probe"),
            folder=account.paths.folder,
            output=f"{account.paths.looks}/look.out",
            comment="specola: looks at a node",
            resources=Resources(cpus=1.0, memory=MEMORY),
            path=self.settings.path,
            placement=Placement(partition=partition, project=project),
        )
        try:
            await self.scheduler.submit(account.host, job)
        except AmbiguousError as error:
            raise ComputingUnreachableError(self.computing, str(error)) from error

    async def _keep(self, account: Account, content: bytes) -> Mapping[str, Any] | None:
        """Keep what a node told of itself: the last line of JSON; there may be greetings of the node before."""
        for line in reversed(content.decode(errors="replace").splitlines()):
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if isinstance(told, dict):
                kept = {**told, "at": self.clock.now().timestamp()}
                await self.folders.write(account, f"{account.paths.looks}/look.json", json.dumps(kept).encode())
                return kept
        return None
