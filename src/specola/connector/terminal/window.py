"""One window of a terminal: a WebSocket between a page and a session."""

import asyncio
import contextlib
from collections.abc import Callable

from specola import websocket
from specola.connector.terminal import messages
from specola.connector.terminal.session import Session, View
from specola.connector.terminal.sessions import Sessions
from specola.domain.computing import WindowSize
from specola.domain.errors import InvalidError, SpecolaError
from specola.domain.task import TaskId
from specola.websocket import BINARY, TEXT, FrameError, Reader, closing, frame

__all__ = ["Window"]

KIND = "xterm-256color"
PIECE = 65536
NORMAL, GOING_AWAY = 1000, 1001


class _Came:
    """Collects what one read of the connection brought, in order: keys, texts, pings, and the other side's close."""

    def __init__(self) -> None:
        self.items: list[tuple[int, bytes]] = []

    def took(self, data: bytes | memoryview) -> None:
        """Take keys."""
        self.items.append((BINARY, bytes(data)))

    def said(self, text: bytes) -> None:
        """Take a message."""
        self.items.append((TEXT, text))

    def pinged(self, payload: bytes) -> None:
        """Take a ping."""
        self.items.append((websocket.PING, payload))

    def closed(self, code: int, reason: str) -> None:
        """Take the close."""
        del reason
        self.items.append((websocket.CLOSE, code.to_bytes(2, "big")))


class Window:
    """Carries keys and messages one way, output and messages the other."""

    def __init__(
        self,
        sessions: Sessions,
        person: str,
        task: TaskId,
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        *,
        used: Callable[[], None],
    ) -> None:
        self._sessions = sessions
        self._person = person
        self._task = task
        self._reader, self._writer = connection
        self._used = used
        self._session: Session | None = None
        self._view: View | None = None
        self._size: WindowSize | None = None
        self._sending: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Serve until the page goes or the shell ends."""
        came = _Came()
        frames = Reader(came, masked=True)
        try:
            while data := await self._reader.read(PIECE):
                frames.feed(data)
                items, came.items = came.items, []
                for kind, payload in items:
                    if kind == websocket.CLOSE:
                        return
                    await self._take(kind, payload)
        except FrameError as error:
            self._writer.write(closing(error.code, error.sentence))
        finally:
            if self._sending is not None:
                self._sending.cancel()
                await asyncio.gather(self._sending, return_exceptions=True)
            if self._session is not None and self._view is not None:
                await self._session.detach(self._view)

    async def _take(self, kind: int, payload: bytes) -> None:
        if kind == websocket.PING:
            self._writer.write(frame(websocket.PONG, payload))
        elif kind == BINARY:
            if self._session is not None:
                self._used()
                await self._session.type(payload)
        else:
            try:
                await self._do(messages.read(payload))
            except ValueError:
                await self._say(messages.failed(InvalidError("The terminal's page said what nobody understands.")))
            except SpecolaError as error:
                await self._say(messages.failed(error))

    async def _do(self, asked: messages.Asked) -> None:
        session = self._session
        match asked:
            case messages.Attach():
                if session is None:
                    await self._attach(asked)
            case messages.List():
                await self._say(messages.listed(self._sessions.of(self._person, self._task)))
            case messages.Resize():
                if session is not None:
                    self._size = asked.size
                    await session.resize(asked.size)
            case messages.Shown():
                if session is not None and self._view is not None:
                    await session.show(self._view, asked.offset)
            case messages.End():
                if session is not None:
                    await session.close()

    async def _attach(self, asked: messages.Attach) -> None:
        if asked.session is None:
            self._session = await self._sessions.open(self._person, self._task, kind=KIND, size=asked.size)
        else:
            self._session = self._sessions.find(self._person, self._task, asked.session)
            if self._session.code is None:
                await self._session.resize(asked.size)
        self._view = await self._session.attach(asked.offset if asked.session is not None else 0)
        self._sending = asyncio.create_task(self._send(self._session, self._view))

    async def _send(self, session: Session, view: View) -> None:
        """Send the session's output as it comes, then how it ended."""
        self._size = session.size
        with contextlib.suppress(ConnectionError):
            await self._say(messages.attached(session, view))
            view.fresh = False
            while data := await session.next(view):
                if view.fresh:
                    view.sent -= len(data)
                    await self._say(messages.attached(session, view))
                    view.sent += len(data)
                    view.fresh = False
                if session.size != self._size:
                    self._size = session.size
                    await self._say(messages.resized(session.size))
                self._writer.write(frame(BINARY, data))
                await self._writer.drain()
            await self._say(messages.ended(session.code if session.code is not None else 0))
            self._writer.write(closing(NORMAL))
            await self._writer.drain()

    async def _say(self, text: bytes) -> None:
        self._writer.write(frame(TEXT, text))
        await self._writer.drain()
