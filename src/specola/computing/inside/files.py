"""Access to a task's files over a command that serves them."""

from specola.domain.computing import Channel
from specola.ports.computing import Running

__all__ = ["FileSession"]

MOST = 65536


class FileSession:
    """A `Stream` over a command that speaks a protocol on its input and output; what it complains of is dropped."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def read(self, most: int = MOST) -> bytes:
        """Return up to `most` bytes of its output; empty at its end."""
        channel, data = await self._running.read(most)
        while data and channel is not Channel.OUTPUT:
            channel, data = await self._running.read(most)
        return data

    async def write(self, data: bytes) -> None:
        """Send `data` to its input, waiting while it is slow."""
        await self._running.write(data)

    async def end(self) -> None:
        """End its input; its output goes on."""
        await self._running.end()

    async def close(self) -> None:
        """Give it up; it ends."""
        await self._running.close()
