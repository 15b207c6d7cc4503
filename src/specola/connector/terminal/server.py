"""The socket on which the gateway hands over terminals: one WebSocket for each window."""

import asyncio
import contextlib
import re
from collections.abc import Callable
from http import HTTPStatus

import structlog

from specola.connector.terminal.sessions import Sessions
from specola.connector.terminal.window import Window
from specola.domain.task import TaskId
from specola.websocket import accept_key

__all__ = ["HEAD_BYTES", "TerminalServer"]

HEAD_SECONDS = 10.0
HEAD_BYTES = 64 * 1024
NAME = re.compile(r"[0-9a-z]{1,64}")


class TerminalServer:
    """Reads who somebody is from what the gateway says, since nobody else can open the socket.

    Parameters
    ----------
    used
        Called with task and person for keys that somebody pressed; the gateway, which keeps the record of the connection,
        cannot tell them from what a page says by itself.
    """

    def __init__(self, sessions: Sessions, *, used: Callable[[TaskId, str], None]) -> None:
        self._sessions = sessions
        self._used = used
        self._windows: set[asyncio.Task[None]] = set()
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        window = asyncio.current_task()
        assert window is not None
        self._windows.add(window)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            self._logger.info("terminal_window_lost", error=str(error) or type(error).__name__)
        finally:
            self._windows.discard(window)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def close(self) -> None:
        """Close every window, then end every session."""
        for window in self._windows:
            window.cancel()
        await asyncio.gather(*self._windows, return_exceptions=True)
        await self._sessions.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")[1:-2]
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        person, task = fields.get("x-specola-person", ""), fields.get("x-specola-task", "")
        key = fields.get("sec-websocket-key", "")
        if not (person and NAME.fullmatch(task) and key and fields.get("upgrade", "").lower() == "websocket"):
            status = HTTPStatus.BAD_REQUEST
            writer.write(f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        answer = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
        accepted = f"Sec-WebSocket-Accept: {accept_key(key)}"
        writer.write("\r\n".join((*answer, accepted)).encode() + b"\r\n\r\n")
        window = Window(self._sessions, person, task, (reader, writer), used=lambda: self._used(task, person))
        await window.serve()
