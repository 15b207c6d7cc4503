"""Streams into tasks as Unix sockets: one listener for each port, one dialled stream for each connection."""

import asyncio
import contextlib
import select
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from specola.connector.directory import Directory, Way
from specola.domain.errors import SpecolaError
from specola.listening import bind
from specola.ports.computing import Stream

__all__ = ["Relays"]

DIAL_PATIENCE = 20.0
GONE_CHECK = 1.0
CHUNK = 65536


class Relays:
    """Offers every port of every task as `<task>.<port>.sock` in one folder.

    Whether a port can also be dialled as TCP is the worker's to write down; a way that always works costs a listening
    socket and no decision.

    Parameters
    ----------
    owner
        The user who may connect besides root.
    """

    def __init__(self, folder: Path, directory: Directory, *, owner: str | None = None) -> None:
        self._folder = folder
        self._directory = directory
        self._owner = owner
        self._listening: dict[tuple[str, int], tuple[Way, asyncio.Server]] = {}
        self._connections: dict[asyncio.Task[None], Way] = {}
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def run(self) -> None:
        """Offer what the directory knows, until cancelled."""
        try:
            while True:
                # Waited for from before the match, so that no change falls between the two.
                changed = asyncio.create_task(self._directory.change())
                try:
                    await asyncio.sleep(0)
                    await self._match()
                    await changed
                finally:
                    changed.cancel()
        finally:
            for key in list(self._listening):
                self._withdraw(key)
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def path(self, task: str, port: int) -> Path:
        """Return where a port of a task is offered."""
        return self._folder / f"{task}.{port}.sock"

    async def _match(self) -> None:
        present = {way.task: way for way in self._directory.ways}
        wanted = {(way.task, port): way for way in present.values() for port in way.ports}
        for key, (way, _) in list(self._listening.items()):
            if key not in wanted or not _same(way, wanted[key]):
                self._withdraw(key)
        # Not those of a port that went: a server may accept one connection, listen no more, and go on with it.
        for connection, way in self._connections.items():
            if way.task not in present or not _same(way, present[way.task]):
                connection.cancel()
        for (task, port), way in wanted.items():
            if (task, port) not in self._listening:
                try:
                    await self._offer(way, port)
                except OSError as error:
                    # One task too many must not take the ways into all others with it.
                    self._logger.warning("stream_not_offered", task=task, port=port, error=str(error))
        self._sweep()

    async def _offer(self, way: Way, port: int) -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = asyncio.current_task()
            assert connection is not None
            self._connections[connection] = way
            try:
                await self._carry(way, port, reader, writer)
            finally:
                del self._connections[connection]

        listening = bind(self.path(way.task, port), owner=self._owner)
        self._listening[way.task, port] = (way, await asyncio.start_unix_server(accept, sock=listening, limit=CHUNK))

    def _withdraw(self, key: tuple[str, int]) -> None:
        _, server = self._listening.pop(key)
        server.close()
        self.path(*key).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove the sockets of a connector that was killed: nobody listens there any more."""
        offered = {self.path(*key) for key in self._listening}
        for path in self._folder.glob("*.sock"):
            if path not in offered:
                path.unlink(missing_ok=True)

    async def _carry(self, way: Way, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end; what cannot be dialled is closed at once."""
        try:
            async with _dialled(self._directory, way, port) as stream:
                await _relay(reader, writer, stream)
            await _delivered(reader, writer)
        except (SpecolaError, OSError, TimeoutError) as error:
            self._logger.info("stream_ended", task=way.task, port=port, error=str(error) or type(error).__name__)
        finally:
            if not writer.is_closing():
                writer.transport.abort()


def _same(one: Way, other: Way) -> bool:
    """Tell whether two ways lead to the same place, whatever ports it has."""
    return (one.computing, one.handle) == (other.computing, other.handle)


@contextlib.asynccontextmanager
async def _dialled(directory: Directory, way: Way, port: int) -> AsyncIterator[Stream]:
    computing = await directory.computing(way.computing)
    async with asyncio.timeout(DIAL_PATIENCE):
        stream = await computing.dial(way.handle, port)
    try:
        yield stream
    finally:
        await stream.close()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: Stream) -> None:
    """Carry bytes both ways until both have ended; each direction waits while its reader is slow."""

    async def inwards() -> None:
        while data := await reader.read(CHUNK):
            await stream.write(data)
        await stream.end()

    async def outwards() -> None:
        while data := await stream.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(inwards())
            group.create_task(outwards())

    carried = asyncio.create_task(both())
    gone = asyncio.create_task(_gone(reader, writer))
    try:
        _ = await asyncio.wait({carried, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        carried.cancel()
        gone.cancel()
        ended = await asyncio.gather(carried, gone, return_exceptions=True)
    if isinstance(ended[0], ExceptionGroup):
        raise ended[0].exceptions[0]


async def _delivered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return when the visitor has taken what was written last, or has gone: the task may have ended its half long before."""
    writer.close()
    closed, gone = asyncio.create_task(writer.wait_closed()), asyncio.create_task(_gone(reader, writer))
    try:
        _ = await asyncio.wait({closed, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not closed.done():
            writer.transport.abort()
        closed.cancel()
        gone.cancel()
        _ = await asyncio.gather(closed, gone, return_exceptions=True)


async def _gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return when the visitor has closed both halves.

    The end of the visitor's half looks the same whether the other half is still open or not, so a task that never
    ends its own half would keep the relay for ever. poll(2) tells them apart: POLLHUP is set on a Unix socket only
    when both are closed.
    """
    poll = select.poll()
    poll.register(writer.get_extra_info("socket").fileno(), 0)
    while True:
        await asyncio.sleep(GONE_CHECK)
        if reader.at_eof() and any(event & select.POLLHUP for _, event in poll.poll(0)):
            return
