"""One command in a pod, over one connection to the API server: its input, its outputs, its size, how it ended."""

import asyncio
import contextlib
import json
import struct
from collections.abc import Sequence

from specola.closing import close
from specola.computing.kubernetes.api import Api, Connection, Query
from specola.computing.kubernetes.errors import ApiError, PodGoneError
from specola.computing.kubernetes.names import CONTAINER, Place
from specola.computing.kubernetes.spdy import (
    DATA,
    GOAWAY,
    PING,
    RST_STREAM,
    Frame,
    Headers,
    Reader,
    data,
    ping,
)
from specola.domain.computing import Channel, WindowSize

__all__ = ["Session", "SessionStream"]

PROTOCOL, VERSION = "SPDY/3.1", "v4.channel.k8s.io"
# Who opens a connection gives its streams odd numbers, in order.
ERROR, INPUT, OUTPUT, ERRORS, SIZE = 1, 3, 5, 7, 9
CHANNELS = {OUTPUT: Channel.OUTPUT, ERRORS: Channel.ERRORS}
MOST = 65536
# Well below what is between us and a node may wait for the next byte.
KEEPALIVE = 30.0
OPEN, CLOSE = 20.0, 1.0
GONE = ("container not found", "not running", "completed pod", "not created", "is not available", "CONTAINER_EXITED")


class Session:
    """A command that runs in a pod. One reader at a time; what nobody reads holds the command up."""

    def __init__(self, connection: Connection, *, terminal: bool, errors: bool) -> None:
        self._reader, self._writer = connection
        self.terminal = terminal
        self._frames = Reader()
        self._waiting: list[Frame] = []
        self._open = {OUTPUT, ERRORS} if errors else {OUTPUT}
        self._status = b""
        self._told = False
        self._ended = False
        self._beating = asyncio.create_task(self._beat())

    @classmethod
    async def start(
        cls, api: Api, place: Place, command: Sequence[str], *, terminal: bool = False, errors: bool = False
    ) -> "Session":
        """Start a command in a pod's task, as its user.

        Parameters
        ----------
        errors
            Whether its error output is wanted too, apart from the other; with a terminal there is one.

        Raises
        ------
        PodGoneError
            The pod is not there, or its task does not run.
        ApiError
            The cluster refuses, or cannot.
        """
        wanted = [("container", CONTAINER), ("stdin", "true"), ("stdout", "true"), ("tty", str(terminal).lower())]
        query: Query = [*wanted, ("stderr", str(errors).lower()), *(("command", one) for one in command)]
        try:
            async with asyncio.timeout(OPEN):
                connection = await api.upgrade(f"{place.path}/exec", query, protocol=PROTOCOL, version=VERSION)
        except ApiError as error:
            if error.is_missing or any(word in error.message for word in GONE):
                raise PodGoneError(error.message) from error
            raise
        session = cls(connection, terminal=terminal, errors=errors)
        headers = Headers()
        kinds = {ERROR: "error", INPUT: "stdin", OUTPUT: "stdout"}
        kinds |= ({ERRORS: "stderr"} if errors else {}) | ({SIZE: "resize"} if terminal else {})
        session._writer.write(b"".join(headers.open(one, {"streamType": kind}) for one, kind in kinds.items()))
        return session

    async def read(self, most: int = MOST) -> tuple[Channel, bytes]:
        """Return up to `most` bytes that it wrote; none once its outputs have ended, or the connection broke."""
        while self._open:
            frame = await self._next()
            if frame is None:
                break
            if frame.kind == RST_STREAM:
                self._open.discard(frame.number)
            elif frame.kind == DATA and frame.number in CHANNELS:
                rest, payload = frame.payload[most:], frame.payload[:most]
                if rest:
                    self._waiting.insert(0, Frame(DATA, frame.flags, frame.number, rest))
                elif frame.is_last:
                    self._open.discard(frame.number)
                if payload:
                    return CHANNELS[frame.number], payload
        return Channel.OUTPUT, b""

    @property
    def is_whole(self) -> bool:
        """Whether its outputs were ended; without that, there may be more where the connection broke."""
        return not self._open

    async def code(self) -> int | None:
        """Return its exit code once its outputs have ended; None: the connection broke before it was told."""
        while not self._told and await self._next() is not None:
            pass
        return _code(self._status) if self._told else None

    async def write(self, payload: bytes) -> None:
        """Send bytes to its input, waiting while it is slow."""
        for start in range(0, len(payload), MOST):
            self._writer.write(data(INPUT, payload[start : start + MOST]))
            await self._writer.drain()

    async def end(self) -> None:
        """End its input."""
        if not self._ended:
            self._ended = True
            with contextlib.suppress(OSError):
                self._writer.write(data(INPUT, b"", last=True))
                await self._writer.drain()

    def resize(self, size: WindowSize) -> None:
        """Give its terminal another size."""
        if self.terminal and not self._writer.is_closing():
            text = json.dumps({"Width": size.columns, "Height": size.rows})
            self._writer.write(data(SIZE, text.encode()))

    async def close(self) -> None:
        """Give the connection up; the command reads the end of its input."""
        self._beating.cancel()
        await close(self._writer, seconds=CLOSE)

    async def _next(self) -> Frame | None:
        """Return the next frame that matters; None: nothing more comes."""
        while not self._waiting:
            with contextlib.suppress(OSError):
                if came := await self._reader.read(MOST):
                    self._waiting.extend(self._frames.take(came))
                    continue
            return None
        frame = self._waiting.pop(0)
        if frame.kind == PING and not frame.number % 2:
            self._writer.write(ping(frame.number))
        elif frame.kind == DATA and frame.number == ERROR:
            self._status += frame.payload
            self._told = self._told or frame.is_last or _is_whole(self._status)
        elif frame.kind == GOAWAY:
            return None
        return frame

    async def _beat(self) -> None:
        number = 1
        with contextlib.suppress(OSError):
            while True:
                await asyncio.sleep(KEEPALIVE)
                self._writer.write(ping(number))
                number = (number + 2) % (1 << 30)


class SessionStream:
    """A `Stream` over a command's input and output.

    The command has to keep its error output open: containerd ends its input as soon as either output ends.

    Parameters
    ----------
    whole
        Whether an end that the command did not make is an error.
    """

    def __init__(self, session: Session, *, whole: bool = False) -> None:
        self._session = session
        self._whole = whole

    async def read(self, most: int = MOST) -> bytes:
        """Return up to `most` bytes of its output; empty at its end. Raises ConnectionResetError: see `whole`."""
        channel, found = await self._session.read(most)
        while found and channel is not Channel.OUTPUT:
            channel, found = await self._session.read(most)
        if not found and self._whole and not self._session.is_whole:
            raise ConnectionResetError("the connection to the pod broke off")
        return found

    async def write(self, payload: bytes) -> None:
        """Send bytes to its input, waiting while it is slow."""
        await self._session.write(payload)

    async def end(self) -> None:
        """End its input; its output goes on."""
        await self._session.end()

    async def close(self) -> None:
        """Give it up; it reads the end of its input."""
        await self._session.close()


def _is_whole(status: bytes) -> bool:
    try:
        json.loads(status)
    except ValueError:
        return False
    return True


def _code(status: bytes) -> int | None:
    """Read how a command ended: an object of kind Status, whose details have the exit code if it is not 0."""
    try:
        told = json.loads(status)
        if told.get("status") == "Success":
            return 0
        causes = (told.get("details") or {}).get("causes") or []
        return next((int(one["message"]) for one in causes if one.get("reason") == "ExitCode"), None)
    except (ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None
