"""The numbered stream of revocations and changes that every gateway follows."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from specola.api.dependencies import Wiring
from specola.api.streaming import line, lines_response, paced
from specola.factory import Services
from specola.storage.changes import Change, Topic

__all__ = ["router"]

BEAT_SECONDS = 10.0
router = APIRouter()


@router.get("/revocations")
async def revocations(services: Wiring, after: int | None = None) -> StreamingResponse:
    """Tell what gateways have to drop or to ask again, from a number on or from now."""
    return lines_response(_lines(services, after))


async def _lines(services: Services, after: int | None) -> AsyncGenerator[bytes, None]:
    if after is None:
        async with services.store.read() as tx:
            after = await tx.changes.newest()
        # Told at once, so that a gateway knows from where on it misses nothing.
        yield line({"sequence": after, "beat": True})
    newest = after
    async with aclosing(paced(services.store.changes(after), BEAT_SECONDS)) as batches:
        async for batch in batches:
            if batch is None:
                yield line({"sequence": newest, "beat": True})
                continue
            newest = batch[-1].sequence
            told = b"".join(_line_of(change) for change in batch)
            if told:
                yield told


def _line_of(change: Change) -> bytes:
    if change.topic == Topic.GAP:
        return line({"sequence": change.sequence, "gap": True})
    if change.topic == Topic.REVOKED:
        return line({"sequence": change.sequence, "mark": change.key})
    if change.topic == Topic.TASK:
        return line({"sequence": change.sequence, "changed": f"task:{change.key}"})
    return b""
