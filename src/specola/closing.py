"""The end of a connection: what was written last gets a moment to be taken, and no more."""

import asyncio
import contextlib

__all__ = ["close"]

LAST_SECONDS = 10.0
"""How long somebody who reads slowly, or not at all, is waited for."""


async def close(writer: asyncio.StreamWriter, *, seconds: float = LAST_SECONDS) -> None:
    """Close a connection, both halves; what is not taken within `seconds` is lost."""
    writer.close()
    try:
        async with asyncio.timeout(seconds):
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    except TimeoutError:
        # Where nothing is left to be taken, it is about to be closed.
        if writer.transport.get_write_buffer_size():
            writer.transport.abort()
