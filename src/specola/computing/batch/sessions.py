"""Open connections to agents: one for each task, kept open, over the first way that works."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from specola.computing.batch.session import Session
from specola.computing.batch.ways import Way, Whereabouts
from specola.domain.computing import Handle
from specola.domain.errors import AccountRefusedError, ComputingUnreachableError, HostKeyChangedError, SpecolaError

__all__ = ["Sessions"]

AGAIN_SECONDS = 60.0
"""For how long a way that failed is tried last."""
PAUSE = 0.3


@dataclass(eq=False, slots=True)
class _Kept:
    """A session, the way it goes, and what listens to its agent."""

    session: Session
    way: Way
    listening: "asyncio.Task[None]"


class Sessions:
    """Opens sessions when they are needed, and again when they broke.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    ways
        The ladder, the best first.
    changed
        Called with a task's handle when its agent says that something changed, and when the connection to it breaks.
    """

    def __init__(self, *, computing: str, ways: Sequence[Way], changed: Callable[[Handle], None]) -> None:
        self._computing = computing
        self._ways = ways
        self._changed = changed
        self._kept: dict[Handle, _Kept] = {}
        self._opening: dict[Handle, asyncio.Lock] = {}
        self._broken: dict[tuple[str, str], float] = {}
        self._worked: set[tuple[str, str]] = set()
        self._logger = structlog.stdlib.get_logger("specola.batch").bind(computing=computing)

    def open_one(self, handle: Handle) -> Session | None:
        """Return the session of a task if there is one that is open."""
        kept = self._kept.get(handle)
        return kept.session if kept is not None and kept.session.is_open else None

    def way(self, handle: Handle) -> str:
        """Return the name of the way that a task is reached by now; empty: by none yet."""
        kept = self._kept.get(handle)
        return kept.way.name if kept is not None and kept.session.is_open else ""

    def leads(self, account: str, way: str) -> bool | None:
        """Tell whether a way was the one by which tasks of an account are reached lately; None: it was not tried."""
        if asyncio.get_running_loop().time() < self._broken.get((account, way), 0.0):
            return False
        return True if (account, way) in self._worked else None

    async def get(self, handle: Handle, where: Whereabouts) -> Session:
        """Return the session of a task, opened now if there is none.

        Raises
        ------
        ComputingUnreachableError
            None of the ways leads to its agent.
        """
        async with self._opening.setdefault(handle, asyncio.Lock()):
            if (session := self.open_one(handle)) is not None:
                return session
            session, way = await self._first(where)
            listening = asyncio.create_task(self._listen(handle, session))
            self._kept[handle] = _Kept(session, way, listening)
            return session

    async def drop(self, handle: Handle) -> None:
        """Close the session of a task; silent if there is none."""
        self._opening.pop(handle, None)
        kept = self._kept.pop(handle, None)
        if kept is not None:
            kept.listening.cancel()
            await kept.session.close()

    async def close(self) -> None:
        """Close all; tasks go on."""
        for handle in list(self._kept):
            await self.drop(handle)

    async def _first(self, where: Whereabouts) -> tuple[Session, Way]:
        """Open a session over the first way that works; those that failed lately come last."""
        now, account = asyncio.get_running_loop().time(), where.account.name
        said = "" if self._ways else "its agent dials out to another process of the platform"
        for way in sorted(self._ways, key=lambda one: now < self._broken.get((account, one.name), 0.0)):
            try:
                session = await self._attempt(way, where)
            except SpecolaError as error:
                said = f"{way.name}: {error.sentence.rstrip('.')}"
            except (OSError, TimeoutError) as error:
                said = f"{way.name}: {str(error).rstrip('.') or 'no answer in time'}"
            else:
                self._broken.pop((account, way.name), None)
                self._worked.add((account, way.name))
                return session, way
            self._broken[account, way.name] = asyncio.get_running_loop().time() + AGAIN_SECONDS
            self._logger.info("way_failed", way=way.name, node=where.node, error=said)
        raise ComputingUnreachableError(self._computing, f"the task's agent is not reached ({said})")

    async def _attempt(self, way: Way, where: Whereabouts) -> Session:
        attempt = 1
        while True:
            try:
                async with asyncio.timeout(way.seconds):
                    return await way.session(where)
            except (AccountRefusedError, HostKeyChangedError):
                raise
            except (ComputingUnreachableError, OSError, TimeoutError) as error:
                if attempt >= (way.attempts if isinstance(error, TimeoutError) else way.tries):
                    raise
            attempt += 1
            await asyncio.sleep(PAUSE)

    async def _listen(self, handle: Handle, session: Session) -> None:
        """Say that a task changed whenever its agent says so, and once the connection is no more."""
        with contextlib.suppress(SpecolaError, OSError, ValueError, KeyError):
            async for _ in session.events():
                self._changed(handle)
        await session.wait_closed()
        self._changed(handle)
