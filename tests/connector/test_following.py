"""An endless answer of the internal socket, followed across whatever breaks it off."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from specola.connector.following import follow
from specola.listening import bind, listener
from tests.support.harness import short_folder

pytestmark = pytest.mark.anyio


class Web:
    """Answers each question with the next of some texts, and notes what was asked after."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.asked: list[str] = []

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.query_params.get("after", ""))
        text = self.texts.pop(0) if self.texts else ""
        if text == "busy":
            return Response(status_code=503)
        return StreamingResponse(iter([text]))

    @asynccontextmanager
    async def on(self, socket: Path) -> AsyncIterator[None]:
        """Serve for the body."""
        server = listener(Starlette(routes=[Route("/lines", self.answer)]))
        serving = asyncio.create_task(server.serve([bind(socket)]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving


async def test_what_breaks_off_or_is_not_understood_is_asked_for_again_from_where_it_was() -> None:
    web = Web('{"n": 1}\n{"n": 2}\n', "busy", '{"n": 3}\nno json\n{"n": 4}\n', '\n{"n": 5}\n')
    taken: list[int] = []
    failures: list[str] = []
    away, enough = asyncio.Event(), asyncio.Event()

    def lost(error: Exception) -> None:
        failures.append(type(error).__name__)
        away.set()

    async def take(line: Mapping[str, Any]) -> None:
        taken.append(line["n"])
        if line["n"] == 5:
            enough.set()

    with short_folder() as folder:
        following = asyncio.create_task(
            follow(
                folder / "w.sock",
                "/lines",
                begin=lambda: {"after": taken[-1] if taken else 0},
                take=take,
                lost=lost,
            )
        )
        await away.wait()
        async with web.on(folder / "w.sock"), asyncio.timeout(20):
            await enough.wait()
        following.cancel()
        _ = await asyncio.gather(following, return_exceptions=True)
    assert taken == [1, 2, 3, 5]
    assert web.asked[:4] == ["0", "2", "2", "3"]
    assert {"ConnectError", "HTTPStatusError"} <= set(failures)
