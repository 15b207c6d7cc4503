"""An endless answer of the internal socket, followed line by line across restarts of `web`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import httpx
import structlog

from specola.local_http import over_socket

__all__ = ["follow"]

# Visitors may wait for what is told, so it never stays away long after `web` is back.
FIRST_PAUSE, LAST_PAUSE = 0.05, 0.5
# A line comes at least every 10 s; when two or three are missed, nobody is there any more.
SILENCE = httpx.Timeout(5.0, read=25.0)


async def follow(
    socket: Path,
    path: str,
    *,
    begin: Callable[[], Mapping[str, int]],
    take: Callable[[Mapping[str, Any]], Awaitable[None]],
    lost: Callable[[Exception], None],
) -> NoReturn:
    """Follow an answer until cancelled, asking again wherever it ends.

    Parameters
    ----------
    socket, path
        Where it is asked for.
    begin
        Called before each question; returns its parameters.
    take
        Called with each line. One that it cannot read ends the answer, which is asked for again.
    lost
        Called with what went wrong each time that the answer broke off or could not be had.
    """
    logger = structlog.stdlib.get_logger("specola.connector")
    pause = FIRST_PAUSE
    async with httpx.AsyncClient(transport=over_socket(socket), base_url="http://internal", timeout=SILENCE) as client:
        while True:
            try:
                async with client.stream("GET", path, params=begin()) as answer:
                    answer.raise_for_status()
                    async for line in answer.aiter_lines():
                        if line:
                            await take(json.loads(line))
                            pause = FIRST_PAUSE
            except (httpx.HTTPError, OSError) as error:
                lost(error)
            except (ValueError, KeyError, TypeError):
                logger.exception("lines_not_understood", path=path)
                pause = LAST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)
