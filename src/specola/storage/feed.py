"""The feed of changes: one reader of the database for as many followers as a process has."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from specola.storage.changes import Change, Topic
from specola.storage.watch import Watch

__all__ = ["Feed"]

logger = logging.getLogger(__name__)

REMEMBERED = 4096
SAFETY_SECONDS = 5.0
RETRY_SECONDS = 1.0


class Feed:
    """Reads changes once, when the watch says that there are some, and hands them to every follower.

    Parameters
    ----------
    watch
        Tells that something was committed.
    newest
        Reads the number of the last change.
    after
        Reads the changes after a number, without holes, or a gap.

    Notes
    -----
    At least the last 4096 changes are kept in memory; a follower that is further behind, or begins with an older
    number, reads from the database until it has caught up. A wake-up that is missed costs at most 5 s.
    """

    def __init__(
        self,
        *,
        watch: Watch,
        newest: Callable[[], Awaitable[int]],
        after: Callable[[int], Awaitable[Sequence[Change]]],
    ) -> None:
        self._watch = watch
        self._newest = newest
        self._after = after
        self._recent: list[Change] = []
        self._seen = 0
        self._gaps = 0
        self._wanted = asyncio.Event()
        self._arrived = asyncio.Event()
        self._starting = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def wake(self) -> None:
        """Say that something was committed; called by the watch, and by this process's own commits."""
        self._wanted.set()

    async def follow(self, after: int | None) -> AsyncIterator[list[Change]]:
        """Yield changes in order, those after `after`, or from now on; ends when the feed is closed."""
        await self._start()
        gaps = self._gaps
        position = await self._newest() if after is None else after
        # A number that somebody brings may be older than what is kept, or from before a backup was restored.
        checked = after is None
        while not self._closed:
            # Taken before looking, so that what arrives while looking is not slept over.
            arrived = self._arrived
            if gaps != self._gaps:
                gaps = self._gaps
                batch = [Change(sequence=self._seen, topic=Topic.GAP, key="", owner=None)]
            elif checked and self._remembers(position):
                batch = self._since(position)
            else:
                batch = list(await self._after(position))
                checked = True
            if batch:
                position = batch[-1].sequence
                yield batch
            else:
                await arrived.wait()

    async def close(self) -> None:
        """Let all followers end, and stop watching."""
        self._closed = True
        self._tell()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _start(self) -> None:
        """Begin to watch and to read, with the first follower."""
        async with self._starting:
            if self._tasks or self._closed:
                return
            self._seen = await self._newest()
            self._tasks = [
                asyncio.create_task(self._watch.run(self.wake), name="specola-watch"),
                asyncio.create_task(self._read(), name="specola-feed"),
            ]

    async def _read(self) -> None:
        """Read what is new, again and again."""
        while True:
            try:
                async with asyncio.timeout(SAFETY_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            try:
                batch = await self._after(self._seen)
            except Exception:  # whatever it is, followers must not wait for ever
                logger.exception("Reading changes failed, trying again")
                await asyncio.sleep(RETRY_SECONDS)
                self.wake()
            else:
                self._take(batch)

    def _take(self, batch: Sequence[Change]) -> None:
        if not batch:
            return
        self._seen = batch[-1].sequence
        if batch[0].topic == Topic.GAP:
            self._gaps += 1
            self._recent.clear()
        else:
            self._recent.extend(batch)
            if len(self._recent) > 2 * REMEMBERED:
                del self._recent[:-REMEMBERED]
        # One question has an upper limit of answers.
        self.wake()
        self._tell()

    def _tell(self) -> None:
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    def _remembers(self, position: int) -> bool:
        """Tell whether memory has all that came after `position`."""
        return position >= (self._recent[0].sequence - 1 if self._recent else self._seen)

    def _since(self, position: int) -> list[Change]:
        # Numbers have no holes, so the place is known; a follower that read the database itself may be ahead.
        return self._recent[position - self._recent[0].sequence + 1 :] if self._recent else []
