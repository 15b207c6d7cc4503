"""`specola forward` as people run it: a port of their own machine that leads to an interface of a task."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.installed import PROGRAM, Installed
from tests.support.ports import free_port

__all__ = ["forwarded"]

SECONDS = 300.0


@asynccontextmanager
async def forwarded(platform: Installed, task: str, interface: str) -> AsyncIterator[int]:
    """Have it lead to an interface, once that is ready, while the body runs; give the local port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "forward",
        task,
        f"{interface}:{port}",
        f"--wait={SECONDS}",
        env=platform.settings,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        seen = b""
        while f":{port}".encode() not in seen:
            line = await asyncio.wait_for(process.stdout.readline(), SECONDS)
            assert line, seen
            seen += line
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
