"""Live pages: one feed of changes for each process, and streams of fragments that follow it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar
from weakref import WeakSet, WeakValueDictionary

import structlog
from starlette.requests import Request
from starlette.responses import StreamingResponse

from specola.domain.errors import LimitError, SpecolaError
from specola.storage.changes import Change, Topic
from specola.storage.store import Store

__all__ = ["Feed", "Wakes", "batches", "event_stream", "feed_of", "fragments", "message", "swap"]

BEAT_SECONDS = 15.0
PACE_SECONDS = 0.1
RETRY_SECONDS = 1.0
MOST_OPEN = 100
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

T = TypeVar("T")
Wanted = Callable[[Change], bool]
Render = Callable[[], Awaitable[Mapping[str, str]]]
log = structlog.stdlib.get_logger(__name__)


class Wakes:
    """One follower's bell. Many changes while it is busy ring it once."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Tell the follower that something it wants has changed."""
        self._bell.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a change, at most `seconds`; return whether there was one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        rung = self._bell.is_set()
        self._bell.clear()
        return rung


class _Answers:
    """The endless answers of one person; gone with the last of them."""

    def __init__(self) -> None:
        self.open: WeakSet[StreamingResponse] = WeakSet()


class Feed:
    """Reads the store's changes once for each process, however many pages are open."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followers: set[Wakes] = set()
        self._open: WeakValueDictionary[str, _Answers] = WeakValueDictionary()

    def admit(self, person: str, answer: StreamingResponse) -> StreamingResponse:
        """Count an endless answer for as long as it is open. Raises LimitError."""
        answers = self._open.setdefault(person, _Answers())
        if len(answers.open) >= MOST_OPEN:
            raise LimitError("live pages", str(MOST_OPEN + 1), str(MOST_OPEN), hint="Close some of your tabs.")
        answers.open.add(answer)
        answer.answers = answers  # type: ignore[attr-defined]
        return answer

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the store while the body runs."""
        task = asyncio.create_task(self._follow(), name="feed of changes")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @contextmanager
    def following(self, wanted: Wanted) -> Iterator[Wakes]:
        """Ring a bell at every change that `wanted` accepts, while the body runs."""
        wakes = Wakes(wanted)
        self._followers.add(wakes)
        try:
            yield wakes
        finally:
            self._followers.discard(wakes)

    async def _follow(self) -> None:
        after: int | None = None
        while True:
            try:
                async for changes in self._store.changes(after):
                    after = changes[-1].sequence if changes else after
                    self._tell(changes)
            except SpecolaError as error:
                log.warning("The feed of changes broke off", error=error.sentence)
            # A break may have hidden changes, so everybody looks again.
            for wakes in self._followers:
                wakes.ring()
            await asyncio.sleep(RETRY_SECONDS)

    def _tell(self, changes: list[Change]) -> None:
        for wakes in self._followers:
            # Each is shown all of them, also after one that rings its bell: another may be what ends it.
            wanted = [wakes.wanted(change) or change.topic == Topic.GAP for change in changes]
            if any(wanted):
                wakes.ring()


def message(data: str, *, event: str = "") -> bytes:
    """Write one server-sent event (WHATWG HTML, section 9.2.5); each line of `data` gets its own field."""
    name = f"event: {event}\n" if event else ""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"{name}{lines}\n".encode()


def swap(target: str, html: str, *, how: str = "innerMorph") -> str:
    """Return a fragment that the page's script puts into the element `#target`."""
    return f'<hx-partial hx-target="#{target}" hx-swap="{how}">{html}</hx-partial>'


async def fragments(feed: Feed, wanted: Wanted, render: Render, *, every: float = BEAT_SECONDS) -> AsyncIterator[bytes]:
    """Yield the fragments of a page as they change.

    Parameters
    ----------
    wanted
        Which changes concern the page.
    render
        Returns the page's live parts by the id of their element. It is asked again after each change that concerns the
        page, and every `every` seconds; only parts that differ from what was sent last are sent. A failure that a
        person can meet (signed out, deleted) ends the stream; the page then finds out by asking again.
    """
    sent: dict[str, str] = {}
    with feed.following(wanted) as wakes:
        while True:
            try:
                parts = await render()
            except SpecolaError:
                return
            changed = {target: html for target, html in parts.items() if sent.get(target) != html}
            sent |= changed
            # A comment keeps proxies from closing a silent stream, and finds out that the reader has gone.
            yield message("".join(swap(target, html) for target, html in changed.items())) if changed else b":\n\n"
            await asyncio.sleep(PACE_SECONDS)
            await wakes.wait(every)


async def batches(items: AsyncIterator[T], *, most: int) -> AsyncIterator[list[T]]:
    """Yield what comes in handfuls, at most one a `PACE_SECONDS`; an empty one when nothing came for a while.

    A failure that a person can meet ends it, as the end of `items` does not: it is raised again here.
    """
    queue: asyncio.Queue[T | BaseException | None] = asyncio.Queue(maxsize=most)
    pump = asyncio.create_task(_pump(items, queue), name="handfuls")
    try:
        while True:
            try:
                found = [await asyncio.wait_for(queue.get(), BEAT_SECONDS)]
            except TimeoutError:
                yield []
                continue
            await asyncio.sleep(PACE_SECONDS)
            while not queue.empty() and len(found) < most:
                found.append(queue.get_nowait())
            batch = [one for one in found if one is not None and not isinstance(one, BaseException)]
            if batch:
                yield batch
            last = found[-1]
            if isinstance(last, BaseException):
                raise last
            if last is None:
                return
    finally:
        pump.cancel()


async def _pump(items: AsyncIterator[T], queue: "asyncio.Queue[T | BaseException | None]") -> None:
    try:
        async for item in items:
            await queue.put(item)
    except SpecolaError as error:
        await queue.put(error)
    else:
        await queue.put(None)


def event_stream(events: AsyncIterator[bytes], *, feed: Feed, person: str) -> StreamingResponse:
    """Answer with server-sent events. Raises LimitError: the person has too many such answers open."""
    return feed.admit(person, StreamingResponse(events, media_type="text/event-stream", headers=HEADERS))


def feed_of(request: Request) -> Feed:
    """Return the feed of this process."""
    feed: Feed = request.app.state.feed
    return feed
