"""One forwarded connection of SSH, to a port of the task and nowhere else."""

import asyncio

import asyncssh
import structlog
from typing_extensions import override

from specola.connector.ssh.asking import Entered
from specola.connector.ssh.entrance import Entrance
from specola.connector.ssh.flow import CHUNK, Inbox, Outbox
from specola.connector.ssh.live import Open
from specola.domain.errors import PortRefusedError, SpecolaError
from specola.ports.computing import Stream

__all__ = ["Forward", "interface_at"]

HERE = frozenset({"localhost", "127.0.0.1", "::1"})
DIAL_PATIENCE = 20.0


def interface_at(entered: Entered, host: str, port: int) -> str:
    """Return the name of the interface that a client means by a host and a port.

    Names are compared and never resolved, so that nothing else can be meant: not by another spelling of an address,
    not by a name that leads elsewhere.

    Raises
    ------
    PortRefusedError
        The host is not the task by one of its names (`localhost`, `127.0.0.1`, `::1`, its id, its name, the name of
        one of its interfaces), or the port is not that of an interface.
    """
    name = host.lower()
    for interface, number in entered.ports.items():
        if number == port and (name in HERE or name in {entered.task, entered.name.lower(), interface}):
            return interface
    offered = ", ".join(f"{number} ({interface})" for interface, number in entered.ports.items())
    raise PortRefusedError(host, port, offered)


class Forward(asyncssh.SSHTCPSession[bytes]):
    """Carries one connection both ways; each half ends by itself."""

    def __init__(self, entrance: Entrance, stream: Stream) -> None:
        self._entrance = entrance
        self._stream = stream
        self._inbox = Inbox()
        self._outbox = Outbox(entrance.writable)
        self._opened: Open | None = None
        self._work: asyncio.Task[None] | None = None
        self._logger = structlog.stdlib.get_logger("specola.connector")

    @classmethod
    async def dial(cls, entrance: Entrance, host: str, port: int) -> "Forward":
        """Connect to a port of the task. Raises asyncssh.ChannelOpenError with the reason in plain words."""
        try:
            return await cls._dial(entrance, host, port)
        except SpecolaError as error:
            entrance.refused("forward", error)
            raise _refusal(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, f"{error.sentence} {error.hint}") from error
        except (OSError, TimeoutError) as error:
            raise _refusal(asyncssh.OPEN_CONNECT_FAILED, f"Nothing answers at port {port} of the task.") from error

    @classmethod
    async def _dial(cls, entrance: Entrance, host: str, port: int) -> "Forward":
        entered = await entrance.enter()
        interface = interface_at(entered, host, port)
        computing, handle = await entrance.place(entered)
        async with asyncio.timeout(DIAL_PATIENCE):
            stream = await computing.dial(handle, port)
        forward = cls(entrance, stream)
        try:
            # Asked again, since dialling may have taken a while; from here to `open` nothing is awaited.
            entered = await entrance.enter()
        except SpecolaError:
            await stream.close()
            raise
        if entrance.gone:
            await stream.close()
            raise ConnectionResetError
        forward._opened = entrance.open("forward", entered, close=forward._take_back, interface=interface)
        return forward

    @override
    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        self._channel = chan
        self._inbox.attach(chan)
        chan.set_write_buffer_limits(CHUNK)
        self._work = asyncio.create_task(self._carry())

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._inbox.put(data)

    @override
    def eof_received(self) -> bool:
        self._inbox.end()
        return True

    @override
    def pause_writing(self) -> None:
        self._outbox.pause()

    @override
    def resume_writing(self) -> None:
        self._outbox.resume()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._entrance.release()
        if self._work is not None:
            self._work.cancel()

    async def _carry(self) -> None:
        opened = self._opened
        assert opened is not None, "a forward is made by dial"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._inwards(opened))
                group.create_task(self._outwards(opened))
            self._channel.close()
        except ExceptionGroup as failed:
            self._logger.info("ssh_forward_ended", task=opened.task, error=str(failed.exceptions[0]))
            self._channel.abort()
        finally:
            self._entrance.end(opened)
            await self._entrance.clear(self._stream.close())

    async def _inwards(self, opened: Open) -> None:
        while data := await self._inbox.take():
            await self._stream.write(data)
            opened.received(len(data))
        await self._stream.end()

    async def _outwards(self, opened: Open) -> None:
        while data := await self._stream.read(CHUNK):
            await self._outbox.ready()
            self._channel.write(data)
            opened.sent(len(data))
        self._channel.write_eof()

    def _take_back(self, _sentence: str) -> None:
        if self._work is not None:
            self._work.cancel()
            self._channel.abort()


def _refusal(code: int, sentence: str) -> asyncssh.ChannelOpenError:
    """Return a refusal whose reason OpenSSH prints as it is: it escapes what is not ASCII."""
    plain = sentence.translate({ord("“"): '"', ord("”"): '"'}).encode("ascii", "replace").decode()
    return asyncssh.ChannelOpenError(code, plain.strip())
