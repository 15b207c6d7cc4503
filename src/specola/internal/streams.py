"""What a connector has to offer: every computing, every task on one, then what changes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from specola.api.dependencies import Wiring
from specola.api.streaming import line, lines_response, paced
from specola.services.streams import Gone, Place, Removed, Streams, Told, Way

__all__ = ["router"]

BEAT_SECONDS = 10.0
router = APIRouter()


@router.get("/streams")
async def streams(services: Wiring) -> StreamingResponse:
    """Tell a connector what there is, then what changes; it connects again when the answer ends."""
    return lines_response(_lines(services.streams))


async def _lines(streams: Streams) -> AsyncGenerator[bytes, None]:
    start = await streams.snapshot()
    there: list[Told] = [*start.places, *start.ways]
    yield b"".join(line(_told(one)) for one in there) + line({"snapshot": True})
    async with aclosing(paced(streams.follow(start), BEAT_SECONDS)) as batches:
        async for batch in batches:
            yield b"".join(line(_told(one)) for one in batch) if batch else line({"beat": True})


def _told(one: Told) -> dict[str, Any]:
    match one:
        case Way():
            return {
                "task": one.task,
                "computing": one.computing,
                "handle": one.handle,
                "ports": list(one.ports),
                "declared": list(one.declared),
            }
        case Gone():
            return {"task": one.task, "gone": True}
        case Removed():
            return {"computing": one.name, "gone": True}
        case Place():
            return {"computing": one.name, "kind": one.kind, "settings": dict(one.settings), "own": one.own}
