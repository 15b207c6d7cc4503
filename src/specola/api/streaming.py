"""Endless answers: JSON lines and server-sent events, with a sign of life when there is nothing to tell."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.responses import StreamingResponse

__all__ = ["JSON_LINES", "event", "events_response", "line", "lines_response", "paced", "text_response", "within"]

JSON_LINES = "application/x-ndjson"
T = TypeVar("T")


async def paced(items: AsyncIterator[T], seconds: float) -> AsyncGenerator[T | None, None]:
    """Yield items as they come, and None whenever `seconds` pass without one."""
    waiting = asyncio.ensure_future(anext(items))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=seconds)
            if not done:
                yield None
                continue
            try:
                item = waiting.result()
            except StopAsyncIteration:
                return
            yield item
            waiting = asyncio.ensure_future(anext(items))
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


async def within(items: AsyncGenerator[T, None], seconds: float | None) -> AsyncGenerator[T, None]:
    """Yield items as they come, for at most `seconds`; None: to their end."""
    end = None if seconds is None else asyncio.get_running_loop().time() + seconds
    async with aclosing(items):
        while True:
            try:
                async with asyncio.timeout_at(end):
                    item = await anext(items)
            except (TimeoutError, StopAsyncIteration):
                return
            yield item


def line(value: Any) -> bytes:
    """Write one JSON line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def event(name: str, value: Mapping[str, Any], *, number: int | None = None) -> bytes:
    """Write one server-sent event, whose data is one line of JSON; `number` is what a client comes back with."""
    head = f"id: {number}\n" if number is not None else ""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"{head}event: {name}\ndata: {text}\n\n".encode()


def lines_response(lines: AsyncGenerator[bytes, None]) -> StreamingResponse:
    """Answer with JSON lines as they come."""
    return _stream(lines, JSON_LINES)


def events_response(events: AsyncGenerator[bytes, None]) -> StreamingResponse:
    """Answer with server-sent events as they come."""
    return _stream(events, "text/event-stream")


def text_response(chunks: AsyncGenerator[bytes, None]) -> StreamingResponse:
    """Answer with plain text as it comes."""
    return _stream(chunks, "text/plain; charset=utf-8")


def _stream(chunks: AsyncGenerator[bytes, None], media_type: str) -> StreamingResponse:
    # A proxy that buffers would hold back what is to be seen at once.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_closing(chunks), media_type=media_type, headers=headers)


async def _closing(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    # When the client goes, what the generator holds is given back at once, and not when it is collected.
    async with aclosing(chunks) as held:
        async for chunk in held:
            yield chunk
