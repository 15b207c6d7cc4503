"""A server in front of a cluster's API server that answers some questions itself, and counts them all."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

__all__ = ["Answer", "Front", "in_front"]

CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered instead of the cluster: a status, its reason as the API words it, and further headers."""

    status: int
    reason: str
    message: str = ""
    headers: tuple[str, ...] = ()

    def bytes(self) -> bytes:
        """Return it as HTTP has it."""
        body = (
            f'{{"kind":"Status","apiVersion":"v1","status":"Failure","code":{self.status},"reason":"{self.reason}",'
            f'"message":"{self.message}"}}'
        ).encode()
        lines = [f"HTTP/1.1 {self.status} {self.reason}", "Content-Type: application/json", "Connection: close"]
        lines += [f"Content-Length: {len(body)}", *self.headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class Front:
    """The server: `asked` are the questions that came, each as method and target; `faults` what is answered to which."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    faults: list[tuple[Callable[[str], bool], Answer]] = field(default_factory=list)
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    is_down: bool = False

    def fail(self, answer: Answer, *words: str, times: int = 1) -> None:
        """Answer so the next questions in which all words stand."""
        self.faults += [(lambda asked: all(word in asked for word in words), answer)] * times

    def answer(self, asked: str) -> Answer | None:
        """Return what is answered to a question here; None: the cluster answers it."""
        self.asked.append(asked)
        for one in self.faults:
            if one[0](asked):
                self.faults.remove(one)
                return one[1]
        return None

    def drop(self) -> None:
        """Break every connection off."""
        for writer in list(self.open):
            writer.transport.abort()


@contextlib.asynccontextmanager
async def in_front(host: str, port: int, trust: ssl.SSLContext) -> AsyncIterator[Front]:
    """Serve without TLS on the loopback while the body runs, and pass on what has no fault to a server with TLS."""
    front = Front()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        front.open.add(writer)
        try:
            if front.is_down:
                return
            head = await reader.readuntil(b"\r\n\r\n")
            answer = front.answer(head.split(b"\r\n", 1)[0].decode().rpartition(" ")[0])
            if answer is not None:
                writer.write(answer.bytes())
                await writer.drain()
                return
            # One question for each connection, so that each is seen.
            upgraded = b"upgrade:" in head.lower()
            if not upgraded:
                head = head.replace(b"Connection: keep-alive", b"Connection: close")
            onward, back = await asyncio.open_connection(host, port, ssl=trust, server_hostname=host)
            try:
                back.write(head)
                await asyncio.gather(_carry(reader, back), _carry(onward, writer))
            finally:
                back.transport.abort()
        except (OSError, EOFError):
            pass
        finally:
            front.open.discard(writer)
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    front.port = server.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        front.drop()
        server.close()
        await server.wait_closed()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()
    else:
        writer.close()
