"""Commands inside tasks, run to their end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from specola.domain.computing import Channel, Handle, Terminal
from specola.ports.computing import Computing, Executes, Running

__all__ = ["Finished", "finish", "run"]


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a command."""

    code: int
    output: bytes
    errors: bytes


async def finish(running: Running, *, typed: bytes | None = b"", seconds: float = 60.0) -> Finished:
    """Send a command its input and the end of it (None: leave it open), read all it writes, and close it."""

    async def feed() -> None:
        if typed is not None:
            await running.write(typed)
            await running.end()

    written = {Channel.OUTPUT: bytearray(), Channel.ERRORS: bytearray()}
    try:
        async with asyncio.timeout(seconds):
            feeding = asyncio.create_task(feed())
            while True:
                channel, data = await running.read()
                if not data:
                    break
                written[channel] += data
            code = await running.wait()
            await feeding
    finally:
        await running.close()
    return Finished(code, bytes(written[Channel.OUTPUT]), bytes(written[Channel.ERRORS]))


async def run(
    computing: Computing,
    handle: Handle,
    command: Sequence[str],
    *,
    typed: bytes = b"",
    terminal: Terminal | None = None,
) -> Finished:
    """Run a command in a task to its end."""
    assert isinstance(computing, Executes)
    return await finish(await computing.execute(handle, command, terminal=terminal), typed=typed)
