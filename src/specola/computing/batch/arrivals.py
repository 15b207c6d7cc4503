"""Connections that agents have opened to the platform: the newest of each task."""

import asyncio

from specola.computing.batch.session import Session
from specola.domain.computing import Handle
from specola.ports.computing import Stream

__all__ = ["Arrivals"]

GREETING_SECONDS = 10.0


class Arrivals:
    """Keeps what arrives until somebody needs it; a connection that is not needed costs a question every 15 s."""

    def __init__(self) -> None:
        self._sessions: dict[Handle, Session] = {}
        self._news = asyncio.Condition()

    async def welcome(self, handle: Handle, stream: Stream) -> None:
        """Keep a connection until it ends; it takes the place of an older one, which is closed.

        Raises
        ------
        ConnectionError
            No agent answers there.
        """
        session = await Session.over(stream, seconds=GREETING_SECONDS)
        before = self._sessions.get(handle)
        self._sessions[handle] = session
        try:
            async with self._news:
                self._news.notify_all()
            if before is not None:
                await before.close()
            await session.wait_closed()
        finally:
            if self._sessions.get(handle) is session:
                del self._sessions[handle]
            await session.close()

    async def get(self, handle: Handle) -> Session:
        """Return the session of a task, waiting for its agent to come."""
        async with self._news:
            await self._news.wait_for(lambda: handle in self._sessions and self._sessions[handle].is_open)
            return self._sessions[handle]

    async def close(self) -> None:
        """Close all; tasks go on, and their agents come again."""
        for session in list(self._sessions.values()):
            await session.close()
