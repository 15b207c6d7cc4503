"""One task from its start to its end: what the batch process does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from . import commands, places, processes
from .apptainer import Apptainer
from .children import Children
from .entering import Entry
from .journal import Journal
from .manifest import Manifest
from .network import Network, NetworkError
from .pipes import Source, readable
from .placed import TOLD, Placed
from .podman import Podman
from .probe import architecture
from .runtime import Container, Runtime, StartError
from .status import ENDED, FAILED, PULLING, RUNNING, STARTING, Status

__all__ = ["Task"]

# What is left for cleaning up when the scheduler's last signal is near.
RESERVE = 4.0
PUTTING_AWAY = 2.0
NEAR = 60.0
PAUSE = 0.1
STOPPED = 143
FORCED = 137
Started = tuple[Container, list["asyncio.Task[None]"]]
SENTENCES = {
    "time_limit": "Its time was over.",
    "stopped": "It was stopped.",
    "exited": "It ended by itself.",
    "out_of_memory": "It used more memory than it may.",
}


class Task:
    """What the agent knows of its task."""

    def __init__(self, folder: Path, manifest: Manifest, place: places.Place, archive: Path) -> None:
        self._folder = folder
        self._archive = archive
        self.manifest = manifest
        self.place = place
        self.children = Children()
        self.journal = Journal(folder)
        self.status = Status(
            folder, task=manifest.task, node=socket.gethostname(), pid=os.getpid(), architecture=architecture()
        )
        self.network: Network | None = None
        self.entry: Entry | None = None
        self._runtime: Runtime = self._choose()
        self._stopping = asyncio.Event()
        self._why = ""
        self._ending: dict[str, Any] = {}
        self._grace = manifest.grace
        self._within: float | None = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled, number)

    def _choose(self) -> Runtime:
        if self.manifest.runtime == "podman":
            return Podman(self.children)
        return Apptainer(self.children, report=self._progress)

    def _progress(self, progress: Any) -> None:
        self.status.change(phase=PULLING, progress={"sentence": progress.sentence, "done": progress.done})

    def _signalled(self, number: int) -> None:
        """Stop. SIGUSR1 is the scheduler's word that the time limit is near; after SIGTERM only so much time is left."""
        deadline = self.manifest.deadline or float(os.environ.get("SLURM_JOB_END_TIME") or 0)
        if number == signal.SIGUSR1:
            self.stop("time_limit", grace=self.manifest.grace)
        else:
            self._within = time.monotonic() + self.manifest.kill_wait - RESERVE
            near = deadline > 0 and time.time() > deadline - NEAR
            self.stop("time_limit" if near else "stopped", grace=self.manifest.grace)

    def stop(self, why: str, *, grace: float) -> None:
        """Begin to end the task; the first reason is the one that is told, the shortest time the one that is kept."""
        self._why = self._why or why
        self._grace = min(self._grace, grace) if self._stopping.is_set() else grace
        self._stopping.set()

    async def run(self) -> int:
        """Run the task to its end; return its exit code. `serve` has begun before."""
        try:
            code = await self._run()
        except StartError as error:
            self._end(None, error.code, str(error))
            return 1
        except Exception as error:
            # Whatever it is, who waits for the task is told; the scheduler keeps the trace.
            self._end(None, FAILED, f"{type(error).__name__}: {error}")
            raise
        finally:
            await self._clear()
        return code

    async def _run(self) -> int:
        sockets = str(self.place.sockets)
        self.status.change(phase=STARTING, sockets=sockets, reason="", sentence="", began=time.time())
        placed = Placed.unpack(
            self.place.disk / "placed",
            self._archive,
            self._folder / "credential",
            everybody=self.manifest.user == "image",
        )
        told = os.open(placed.folder / TOLD, os.O_RDWR | os.O_NONBLOCK)
        started = await self._unless_stopped(self._start(placed))
        if started is None:
            os.close(told)
            self._over(STOPPED)
            return STOPPED
        container, outputs = started
        beginning = asyncio.ensure_future(self._begun(container, told, placed))
        try:
            await self._ends_or_is_to_stop(container)
            forced = not container.child.exited.done() and await self._force(container)
            code = await container.child.exited
            # What a runtime says of a container that was killed is its own.
            code = FORCED if forced else code
        finally:
            beginning.cancel()
            os.close(told)
        self.entry = None
        await asyncio.wait(outputs, timeout=2)
        for one in outputs:
            one.cancel()
        self._over(code)
        return code

    async def _unless_stopped(self, starting: Coroutine[Any, Any, Started]) -> Started | None:
        """Do something, unless the task is to stop before it is done."""
        doing, stopping = asyncio.ensure_future(starting), asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait([doing, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if doing.done():
            started: Started = doing.result()
            return started
        doing.cancel()
        await asyncio.wait([doing])
        return None

    async def _ends_or_is_to_stop(self, container: Container) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        container.child.exited.add_done_callback(lambda _: stopping.cancel())
        await asyncio.wait([stopping])

    async def _start(self, placed: Placed) -> Started:
        pipes = [os.pipe(), os.pipe()]
        try:
            with open(os.devnull, "rb") as nothing:
                streams = (nothing.fileno(), pipes[0][1], pipes[1][1])
                container = await self._runtime.start(self.manifest, self.place, placed, streams)
            places.note(self.place, container.child.pid)
        finally:
            for _, writing in pipes:
                os.close(writing)
        outputs = []
        for (reading, _), name in zip(pipes, ("stdout", "stderr")):
            source = await Source.of(reading)
            outputs.append(asyncio.ensure_future(self.journal.keep(source, name)))
        return container, outputs

    async def _begun(self, container: Container, told: int, placed: Placed) -> None:
        """Wait until the task's own program runs, and note which process it is."""
        number = await _number(told) if placed.has_helper else 1
        while (process := processes.inside(number, os.getpid())) is None and not placed.has_helper:
            await asyncio.wait([container.child.exited], timeout=PAUSE)
        if process is None:
            return
        with contextlib.suppress(NetworkError):
            self.network = await self._runtime.network(container, process)
        self.entry = Entry(process, container.network)
        self.status.change(phase=RUNNING, started=time.time(), image_id=container.config.id or self.manifest.image.id)

    async def _force(self, container: Container) -> bool:
        """Ask the task to end, and end it; tell whether it had to be killed."""
        if self.manifest.pre_stop:
            await self._pre_stop(self._limit(time.monotonic() + self.manifest.pre_stop_time))
        end = self._limit(time.monotonic() + self._grace)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.entry.process if self.entry else container.child.pid, signal.SIGTERM)
        while not container.child.exited.done() and time.monotonic() < self._limit(end):
            await asyncio.wait([container.child.exited], timeout=0.2)
        if container.child.exited.done():
            return False
        await self._kill(container)
        return True

    async def _kill(self, container: Container) -> None:
        """Kill the container by its first process, so that the runtime can put its things away; if it does not, all of it."""
        first = processes.first_of(self.entry.process) if self.entry else None
        if first is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(first, signal.SIGKILL)
            await asyncio.wait([container.child.exited], timeout=PUTTING_AWAY)
        if not container.child.exited.done():
            self._kill_all()

    @staticmethod
    def _kill_all() -> None:
        for one in list(processes.below(os.getpid())):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one.pid, signal.SIGKILL)

    def _limit(self, end: float) -> float:
        """Return when force is used; a later signal may have left less time."""
        return end if self._within is None else min(end, self._within)

    async def _pre_stop(self, end: float) -> None:
        if self.entry is None or not self.manifest.pre_stop:
            return
        with contextlib.suppress(commands.NoWayError, asyncio.TimeoutError):
            command = await commands.start(self.children, self.entry, self.manifest.pre_stop, environment={}, size=None)
            try:
                keeping = [self.journal.keep(command.output, "stdout"), self.journal.keep(command.errors, "stderr")]
                left = max(0.1, end - time.monotonic())
                await asyncio.wait_for(asyncio.gather(*keeping, command.child.exited), left)
            finally:
                await command.hang_up()
                command.close()

    def _over(self, code: int) -> None:
        reason = self._why or "exited"
        self._end(code, reason, SENTENCES.get(reason, ""))

    def _end(self, code: int | None, reason: str, sentence: str) -> None:
        self.entry = None
        self._ending = {"exit_code": code, "reason": reason, "sentence": sentence}

    async def _clear(self) -> None:
        """Remove all that is the task's on this node, and say last how it ended."""
        with contextlib.suppress(OSError):
            await self._runtime.clear(self.place)
        self._kill_all()
        self.status.change(phase=ENDED, ended=time.time(), **self._ending)
        self.journal.close()
        await asyncio.sleep(0.2)
        places.remove(self.place.disk)
        places.remove(self.place.sockets)


async def _number(told: int) -> int:
    await readable(told)
    return int(os.read(told, 64).split()[0])
