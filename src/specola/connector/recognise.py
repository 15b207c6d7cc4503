"""What speaks at a port, known by its greeting or by its answer to a harmless question."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from specola.domain.software import Protocol
from specola.ports.computing import Stream
from specola.task_tls import task_tls

__all__ = ["Dial", "Recognition", "recognise"]

Dial = Callable[[], Awaitable[Stream]]
"""Opens another connection to the port."""

DIAL_SECONDS = 5.0
GREETING_SECONDS = 0.5
ANSWER_SECONDS = 1.0
CLOSE_SECONDS = 1.0
# Whatever is recognised is so by its first few bytes; a peer may have no end.
MOST = 16384
ENOUGH = 12

# HTTP/1.0 needs no Host, which Redis takes for an attack and writes into its log.
HEAD = b"HEAD / HTTP/1.0\r\n\r\n"
# PostgreSQL, protocol version 3.0, message formats: SSLRequest, answered by one byte.
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
# RFC 9113, 3.4: the client's preface, here with empty settings.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
FRAME = 9
SETTINGS, GOAWAY = 4, 7
BAD_REQUEST = b"400"


@dataclass(frozen=True, slots=True)
class Recognition:
    """What speaks; not `certain`: nobody said a word, so a server may still be starting there."""

    protocol: Protocol
    certain: bool


async def recognise(dial: Dial, port: int) -> Recognition:
    """Find out what speaks at a port, by at most seven short connections, one after another.

    Parameters
    ----------
    dial
        Opens a connection; each question has one of its own, of which little is read, and not for long.
    port
        What usually speaks there is asked for first.

    Returns
    -------
    Recognition
        `tcp` for whatever is not known.

    Raises
    ------
    SpecolaError, OSError, TimeoutError
        It could not be dialled.
    """
    inquiry = _Inquiry(dial)
    for question in dict.fromkeys((HINTS.get(port, _web), _web, _tls, _postgres, _redis, _http2)):
        protocol = await inquiry.ask(question)
        if protocol is Protocol.HTTP and inquiry.complained:
            # So do servers of HTTPS that are asked in plain HTTP.
            protocol = await inquiry.ask(_tls) or protocol
        if protocol is not None:
            return Recognition(protocol, certain=True)
    return Recognition(Protocol.TCP, certain=inquiry.heard)


class _Call:
    """One connection, and what was heard on it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._reading: asyncio.Task[bytes] | None = None
        self.heard = b""

    async def say(self, data: bytes) -> None:
        await self._stream.write(data)

    async def hear(self, seconds: float, *, least: int = ENOUGH) -> bytes:
        """Return all that was heard so far, once it is enough, the other side has ended, or time is up."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while len(self.heard) < least and await self.more(end - loop.time()):
            pass
        return self.heard

    async def more(self, seconds: float) -> bytes:
        """Return what comes next; empty at the end, once time is up, and once it is too much."""
        if len(self.heard) >= MOST or seconds <= 0:
            return b""
        # A read that is cancelled may end a stream for good, so it goes on until there is something, or all is over.
        self._reading = self._reading or asyncio.create_task(self._stream.read(4096))
        done, _ = await asyncio.wait({self._reading}, timeout=seconds)
        if not done:
            return b""
        data, self._reading = self._reading.result(), None
        self.heard += data
        return data

    async def close(self) -> None:
        """Hang up."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._stream.close()


Question = Callable[[_Call], Awaitable[Protocol | None]]


class _Inquiry:
    """Questions to one port; whether anything was ever answered, and whether plain HTTP was answered by 400."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self.heard = False
        self.complained = False

    async def ask(self, question: Question) -> Protocol | None:
        """Ask on a connection of its own; None: the answer is not that of the protocol asked for."""
        async with asyncio.timeout(DIAL_SECONDS):
            stream = await self._dial()
        call = _Call(stream)
        try:
            async with asyncio.timeout(GREETING_SECONDS + 2 * ANSWER_SECONDS):
                return await question(call)
        except (OSError, TimeoutError):
            # It broke off, which is an answer as well: another question may be liked better.
            return None
        finally:
            self.heard = self.heard or bool(call.heard)
            self.complained = call.heard.startswith(b"HTTP/1.") and call.heard[9:12] == BAD_REQUEST
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await call.close()


async def _web(call: _Call) -> Protocol | None:
    """Listen for a greeting; where there is none, ask as a browser would."""
    greeting = await call.hear(GREETING_SECONDS)
    if greeting:
        return _greeted(greeting)
    await call.say(HEAD)
    answer = await call.hear(ANSWER_SECONDS)
    if answer.startswith(b"HTTP/"):
        return Protocol.HTTP
    if answer.startswith(b"-ERR"):
        return Protocol.REDIS
    if _is_frame(answer):
        return Protocol.GRPC
    # TLS says by an alert that this was none; PostgreSQL just leaves.
    return None if not answer or _is_tls(answer) else Protocol.TCP


def _greeted(said: bytes) -> Protocol:
    if said.startswith(b"SSH-"):
        return Protocol.SSH
    if said.startswith(b"RFB "):
        return Protocol.RFB
    if said.startswith(b"-DENIED Redis"):
        return Protocol.REDIS
    if _is_mysql(said):
        return Protocol.MYSQL
    return Protocol.GRPC if _is_frame(said) else Protocol.TCP


def _is_mysql(said: bytes) -> bool:
    """Tell a packet numbered 0 that is the handshake, version 10, or an error (MySQL, client/server protocol)."""
    return len(said) > 4 and 4 < int.from_bytes(said[:3], "little") < 4096 and said[3] == 0 and said[4] in {10, 255}


def _is_frame(said: bytes) -> bool:
    """Tell a frame by which an HTTP/2 server begins, or leaves (RFC 9113, 6.5 and 6.8): settings, on stream 0."""
    if len(said) < FRAME or int.from_bytes(said[:3], "big") > MOST:
        return False
    return said[3] in {SETTINGS, GOAWAY} and said[4] in {0, 1} and said[5:9] == bytes(4)


def _is_tls(said: bytes) -> bool:
    """Tell a record of TLS: an alert or a handshake (RFC 8446, 5.1)."""
    return said[:2] in {b"\x15\x03", b"\x16\x03"}


async def _tls(call: _Call) -> Protocol | None:
    """Open TLS and ask as a browser would; TLS with anything else inside is just TCP."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = _CONTEXT.wrap_bio(incoming, outgoing)

    async def step(work: Callable[[], bytes | None]) -> bytes | None:
        while True:
            try:
                done = work()
            except ssl.SSLWantReadError:
                await call.say(outgoing.read())
                data = await call.more(ANSWER_SECONDS)
                if not data:
                    raise ConnectionError("it ended before the answer") from None
                incoming.write(data)
            else:
                if outgoing.pending:
                    await call.say(outgoing.read())
                return done

    try:
        await step(secure.do_handshake)
        secure.write(HEAD)
        answer = await step(lambda: secure.read(ENOUGH))
    except (ssl.SSLError, OSError, TimeoutError):
        return Protocol.TCP if _is_tls(call.heard) else None
    return Protocol.HTTPS if answer and answer.startswith(b"HTTP/") else Protocol.TCP


async def _postgres(call: _Call) -> Protocol | None:
    """Ask whether TLS is offered, as every client of PostgreSQL may."""
    await call.say(SSL_REQUEST)
    return Protocol.POSTGRES if await call.hear(ANSWER_SECONDS, least=1) in {b"S", b"N"} else None


async def _redis(call: _Call) -> Protocol | None:
    """Ask whether it is there; without a password, that alone is refused."""
    await call.say(b"PING\r\n")
    answer = await call.hear(ANSWER_SECONDS, least=5)
    return Protocol.REDIS if answer.startswith((b"+PONG", b"-NOAUTH", b"-DENIED", b"-LOADING")) else None


async def _http2(call: _Call) -> Protocol | None:
    """Speak HTTP/2 at once; what understands that and no HTTP/1 is most often gRPC."""
    await call.say(PREFACE)
    return Protocol.GRPC if _is_frame(await call.hear(ANSWER_SECONDS)) else None


_CONTEXT = task_tls(("http/1.1",))
HINTS: Mapping[int, Question] = {
    443: _tls,
    5432: _postgres,
    6379: _redis,
    8443: _tls,
    9443: _tls,
    50051: _http2,
}
