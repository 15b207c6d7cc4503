"""How a task ends before its time: it is asked from inside, and what does not end is forced by the cluster.

A pod that is deleted takes its log and its exit code with it. So its first process is asked as the cluster would ask it, and who
does not follow gets a deadline that has passed: then the cluster ends the containers and keeps the pod.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from specola.clock import Clock
from specola.computing.inside.paths import HELPER, RUNNER
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.errors import ApiError, PodGoneError
from specola.computing.kubernetes.names import PRE_STOP, REMOVED, STOPPED, Place
from specola.computing.kubernetes.observing import is_removed, observed
from specola.computing.kubernetes.session import Session
from specola.domain.computing import Phase
from specola.domain.software import PreStop

__all__ = ["Stopper", "read_pre_stop"]

ASK = (HELPER, "kill", "-TERM", "1")
ASK_SECONDS = 5.0
FIRST_PAUSE, LAST_PAUSE = 0.1, 1.0


class Stopper:
    """Ends tasks of one cluster."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def stop(self, place: Place, *, grace: timedelta) -> None:
        """Ask a task to end, wait, then force it; return once it has ended, or is not there."""
        pod = await self._pod(place)
        if pod is None or self._is_over(pod):
            return
        if not (pod["spec"].get("nodeName")):
            # Nothing of it has begun.
            await self._api.delete(place.path, grace=0)
            return
        is_first = await self._note(place, pod)
        if observed(pod, now=self._clock.now(), direct=False).phase is Phase.RUNNING:
            before = read_pre_stop((pod["metadata"].get("annotations") or {}).get(PRE_STOP))
            if is_first and before is not None:
                await self._run(place, [HELPER, "sh", RUNNER, "-", "-", *before.command], before.time.total_seconds())
            await self._run(place, ASK, ASK_SECONDS)
            if await self._ends(place, seconds=grace.total_seconds()):
                return
        await self._force(place)
        await self._ends(place, seconds=None)

    async def last_command(self, place: Place) -> float:
        """Return how many seconds a task's last command may take; 0: it has none, or is not there."""
        pod = await self._pod(place)
        before = read_pre_stop(((pod or {}).get("metadata") or {}).get("annotations", {}).get(PRE_STOP))
        return before.time.total_seconds() if before is not None else 0.0

    async def remove(self, place: Place) -> None:
        """Remove a pod with its secret. One that still runs is marked as removed, since its node takes a while to end it."""
        pod = await self._pod(place)
        await self._api.delete(place.secret)
        if pod is None or is_removed(pod):
            return
        is_over = self._is_over(pod) or not pod["spec"].get("nodeName")
        if not is_over:
            with contextlib.suppress(ApiError):
                await self._api.patch(place.path, {"metadata": {"annotations": {REMOVED: "true"}}})
        await self._api.delete(place.path, grace=0 if is_over else 1)

    async def _note(self, place: Place, pod: Mapping[str, Any]) -> bool:
        """Note on the pod that it is being stopped; return whether nobody had before."""
        if STOPPED in (pod["metadata"].get("annotations") or {}):
            return False
        version = pod["metadata"]["resourceVersion"]
        change = {"resourceVersion": version, "annotations": {STOPPED: self._clock.now().isoformat()}}
        try:
            await self._api.patch(place.path, {"metadata": change})
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
            again = await self._pod(place)
            return False if again is None else await self._note(place, again)
        return True

    async def _force(self, place: Place) -> None:
        notes = {"annotations": {STOPPED: self._clock.now().isoformat()}}
        with contextlib.suppress(ApiError):
            await self._api.patch(place.path, {"metadata": notes, "spec": {"activeDeadlineSeconds": 1}})

    async def _run(self, place: Place, command: tuple[str, ...] | list[str], seconds: float) -> None:
        """Run a command in the task; how it ends does not matter."""
        with contextlib.suppress(TimeoutError, PodGoneError, ApiError, EOFError):
            async with asyncio.timeout(seconds):
                session = await Session.start(self._api, place, command)
                try:
                    while (await session.read())[1]:
                        pass
                    await session.code()
                finally:
                    await session.close()

    async def _ends(self, place: Place, *, seconds: float | None) -> bool:
        """Wait until a task has ended or is not there; tell whether it came so far."""
        pause = FIRST_PAUSE
        try:
            async with asyncio.timeout(seconds):
                while (pod := await self._pod(place)) is not None and not self._is_over(pod):
                    await asyncio.sleep(pause)
                    pause = min(1.5 * pause, LAST_PAUSE)
        except TimeoutError:
            return False
        return True

    async def _pod(self, place: Place) -> dict[str, Any] | None:
        try:
            return await self._api.get(place.path)
        except ApiError as error:
            if error.is_missing:
                return None
            raise

    def _is_over(self, pod: Mapping[str, Any]) -> bool:
        return observed(pod, now=self._clock.now(), direct=False).phase is Phase.ENDED


def read_pre_stop(text: str | None) -> PreStop | None:
    """Read what a pod keeps of the command before its end: a list of seconds and words."""
    if not text:
        return None
    seconds, *command = json.loads(text)
    return PreStop(command=tuple(command), time=timedelta(seconds=seconds))
