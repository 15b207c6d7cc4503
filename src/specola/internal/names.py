"""What a gateway has to know before anybody connects: the authority of client certificates, and which names ask for one."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from specola.api.dependencies import Wiring
from specola.api.streaming import line, lines_response, paced
from specola.factory import Services
from specola.services.names import Named

__all__ = ["router"]

BEAT_SECONDS = 10.0
router = APIRouter()


@router.get("/names")
async def names(services: Wiring) -> StreamingResponse:
    """Tell a gateway what there is, then what changes; it connects again when the answer ends."""
    return lines_response(_lines(services))


async def _lines(services: Services) -> AsyncGenerator[bytes, None]:
    start = await services.names.snapshot()
    authority = line({"authority": services.certificates.authority})
    yield authority + b"".join(line(_told(one)) for one in start.named) + line({"snapshot": True})
    async with aclosing(paced(services.names.follow(start), BEAT_SECONDS)) as batches:
        async for batch in batches:
            yield b"".join(line(_told(one)) for one in batch) if batch else line({"beat": True})


def _told(one: Named) -> dict[str, Any]:
    return {"task": one.task, "interfaces": dict(one.protocols)}
