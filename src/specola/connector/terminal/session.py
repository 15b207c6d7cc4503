"""One shell in a task, and the windows that show it."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from specola.clock import Clock
from specola.connector.terminal.history import History
from specola.domain.computing import WindowSize
from specola.domain.errors import SpecolaError
from specola.domain.task import TaskId
from specola.ports.computing import Running

__all__ = ["HISTORY", "IDLE", "SLACK", "Session", "View"]

HISTORY = 1024**2
# More than one read of what a shell writes.
SLACK = 128 * 1024
# A window is sent this much more than it has shown; then it is waited for, and in the end the shell with it.
AHEAD = 256 * 1024
PIECE = 32 * 1024
IDLE = timedelta(hours=8)
LOST = 255


@dataclass(slots=True)
class View:
    """How far one window is: what it was sent, what it has shown, and where what it repeats ends."""

    sent: int
    shown: int
    fresh: bool
    until: int


class Session:
    """A shell on a terminal that goes on without a window, for a while.

    Parameters
    ----------
    over
        Called once it has ended.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only
        self,
        *,
        name: str,
        person: str,
        task: TaskId,
        running: Running,
        size: WindowSize,
        clock: Clock,
        over: Callable[["Session"], None],
    ) -> None:
        self.name = name
        self.person = person
        self.task = task
        self.size = size
        self.began: datetime = clock.now()
        self.code: int | None = None
        """The exit code of the shell; None while it runs."""
        self._running = running
        self._clock = clock
        self._over = over
        self._history = History(HISTORY, slack=SLACK)
        self._views: list[View] = []
        self._changed = asyncio.Condition()
        self._closing = False
        self._idling: asyncio.Task[None] | None = None
        self._pumping = asyncio.create_task(self._pump())

    @property
    def windows(self) -> int:
        """How many windows show it."""
        return len(self._views)

    @property
    def kept(self) -> int:
        """How many bytes of what it wrote are kept."""
        return self._history.end - self._history.start

    async def attach(self, offset: int | None) -> View:
        """Let one more window show it.

        Parameters
        ----------
        offset
            Up to where the window has what was written; None: it has nothing. What is no longer kept, or never was,
            makes it begin anew with what is.
        """
        history = self._history
        fresh = offset is None or not history.start <= offset <= history.end
        begin = history.beginning() if offset is None or fresh else offset
        view = View(sent=begin, shown=begin, fresh=fresh, until=history.end)
        if self._idling is not None:
            self._idling.cancel()
            self._idling = None
        async with self._changed:
            self._views.append(view)
            self._changed.notify_all()
        return view

    async def detach(self, view: View) -> None:
        """Let a window go; without any, the session ends after `IDLE`."""
        async with self._changed:
            self._views.remove(view)
            self._changed.notify_all()
        if not self._views and self.code is None:
            self._idling = asyncio.create_task(self._idle())

    async def next(self, view: View) -> bytes:
        """Return what a window gets next, waiting for it; nothing at the end.

        A window that is so far behind that what it lacks is dropped begins anew: `view.fresh` says so.
        """
        async with self._changed:
            _ = await self._changed.wait_for(lambda: self._has_more(view) or self._has_ended(view))
        if view.sent < self._history.start:
            view.sent = view.shown = self._history.beginning()
            view.fresh, view.until = True, self._history.end
        data = self._history.since(view.sent, PIECE)
        view.sent += len(data)
        return data

    async def show(self, view: View, offset: int) -> None:
        """Note up to where a window has shown what it got."""
        async with self._changed:
            view.shown = max(view.shown, min(offset, view.sent))
            self._changed.notify_all()

    async def type(self, data: bytes) -> None:
        """Send keys to the shell, waiting while it is slow."""
        await self._running.write(data)

    async def resize(self, size: WindowSize) -> None:
        """Give the terminal the size of the window that asked last."""
        self.size = size
        await self._running.resize(size)

    async def close(self) -> None:
        """End the shell with all it has started."""
        async with self._changed:
            # A window that shows nothing must not hold what is to end.
            self._closing = True
            self._changed.notify_all()
        with contextlib.suppress(SpecolaError):
            await self._running.close()
        await asyncio.gather(self._pumping, return_exceptions=True)

    def _has_more(self, view: View) -> bool:
        return self._history.end > view.sent and (self.code is not None or view.sent - view.shown < AHEAD)

    def _has_ended(self, view: View) -> bool:
        return self.code is not None and self._history.end == view.sent

    async def _pump(self) -> None:
        """Read what the shell writes, as fast as the quickest of its windows shows it."""
        code = LOST
        try:
            while True:
                async with self._changed:
                    _ = await self._changed.wait_for(self._has_room)
                _, data = await self._running.read()
                if not data:
                    break
                async with self._changed:
                    self._history.append(data)
                    self._changed.notify_all()
            code = await self._running.wait()
        except SpecolaError:
            # How it ended could not be asked; that it did is certain.
            await self._running.close()
        finally:
            if self._idling is not None:
                self._idling.cancel()
            self._over(self)
            async with self._changed:
                self.code = code
                self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._closing or not self._views or min(self._history.end - view.shown for view in self._views) < AHEAD

    async def _idle(self) -> None:
        await self._clock.sleep(IDLE.total_seconds())
        self._idling = None
        await self.close()
