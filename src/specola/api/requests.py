"""What holds for every request whatever it asks: its number, and that no failure goes unanswered or unlogged."""

import re
from collections.abc import Awaitable, Callable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from specola.clock import Clock

__all__ = ["LARGEST_BODY", "CaughtFailures", "LimitedBodies", "NumberedRequests", "request_id"]

LARGEST_BODY = 2 * 1024**2
NUMBER = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
log = structlog.stdlib.get_logger(__name__)


def request_id(scope: Scope) -> str:
    """Return the number of a request, empty outside `NumberedRequests`."""
    number: str = scope.get("state", {}).get("request_id", "")
    return number


class NumberedRequests:
    """Gives every request its number, binds it to log lines, and sends it back as `X-Request-Id`."""

    def __init__(self, app: ASGIApp, *, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        number = given if NUMBER.fullmatch(given) else self._clock.new_id(16)
        scope.setdefault("state", {})["request_id"] = number
        clear_contextvars()
        bind_contextvars(request=number)

        async def send_numbered(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = number
            await send(message)

        await self._app(scope, receive, send_numbered)


class CaughtFailures:
    """Logs a failure that nobody expected and answers it; what has begun to answer is broken off instead."""

    def __init__(self, app: ASGIApp, *, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception:
            log.exception("A request failed for a reason of our own", method=scope["method"], path=scope["path"])
            if begun:
                raise
            await (await self._answer(Request(scope)))(scope, receive, send)


class LimitedBodies:
    """Refuses a body once it is larger than `most` bytes, or says that it will be; nothing is kept of it."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        size = int(told) if told.isdigit() else 0

        async def receive_counted() -> Message:
            nonlocal size
            message = await receive()
            if not told and message["type"] == "http.request":
                size += len(message.get("body", b""))
            if size > self._most:
                raise HTTPException(413)
            return message

        await self._app(scope, receive_counted, send)
