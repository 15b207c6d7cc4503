"""The connection to a task, or to `web`: reads answers and writes them to the visitor they belong to."""

import asyncio
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from specola.gateway.framing import Body, FramingError
from specola.gateway.responses import Answer, read_answer
from specola.gateway.routes import Route

if TYPE_CHECKING:
    from specola.gateway.visitor import Visitor

__all__ = ["Upstream"]

HEAD_LIMIT = 256 * 1024
NOTHING = b""


class Upstream(asyncio.Protocol):
    """One connection, which belongs to one visitor for its whole life."""

    __slots__ = (
        "_answer",
        "_body",
        "_ends",
        "_held",
        "_last_head",
        "answered",
        "idle",
        "route",
        "since",
        "transport",
        "used",
        "visitor",
    )

    transport: asyncio.Transport

    def __init__(self, visitor: "Visitor", route: Route) -> None:
        self.visitor = visitor
        self.route = route
        self.idle = True
        self.used = 0
        """Requests carried; the first one needs no care about a connection that was closed meanwhile."""
        self.since = visitor.tick
        """Since when it is idle."""
        self.answered = False
        """Whether any byte of an answer to the present request has come."""
        self._body: Body | None = None
        self._held = NOTHING
        self._last_head = NOTHING
        self._answer: Answer | None = None
        self._ends = False

    def send(self, wire: bytes) -> None:
        """Send the head of a request."""
        self.idle = False
        self.answered = False
        self.used += 1
        self.transport.write(wire)

    def drop(self) -> None:
        """Close the connection; nothing more is expected of it."""
        self.idle = False
        self.transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        visitor = self.visitor
        if self.idle or visitor.upstream is not self:
            self.drop()  # nobody asked for this
            return
        self.answered = True
        if visitor.meter is not None:
            visitor.meter.sent += len(data)
        if self._body is not None:
            self._relay(self._body, data)
            return
        if self._held:
            data, self._held = self._held + data, NOTHING
        try:
            self._read_head(data)
        except FramingError as error:
            self._fail(str(error))

    @override
    def eof_received(self) -> bool:
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        visitor = self.visitor
        if visitor.upstream is not self:
            return
        if self._body is None:
            visitor.upstream_lost(self)
            return
        if exc is not None or not self._body.ends_by_close:
            visitor.abort()  # so that the visitor sees that this is not the whole body
            return
        visitor.upstream = None
        visitor.finished(keep=False)

    @override
    def pause_writing(self) -> None:
        self.visitor.pause_reading()

    @override
    def resume_writing(self) -> None:
        self.visitor.resume_reading()

    def _read_head(self, data: bytes) -> None:
        visitor = self.visitor
        while True:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(data) > HEAD_LIMIT:
                    raise FramingError("the answer's head is too long")
                self._held = data
                return
            answer = self._read_answer(data[:end])
            if not answer.informational:
                break
            visitor.say_interim(answer)
            data = data[end:]
        if answer.upgraded:
            visitor.upgrade(answer, data[end:])
        elif (
            answer.length == len(data) - end
            and visitor.keep
            and answer.keep
            # What may have no body gets none, or the visitor would take it for the next answer.
            and (not answer.length or answer.body(visitor.method) is not None)
        ):
            # Nearly every answer: all of it has come in one piece, and both connections stay.
            visitor.transport.write(answer.wire + data[end:] if answer.changed else data)
            self._rest()
            visitor.finished(keep=True)
        else:
            self._begin(answer, data[end:])

    def _read_answer(self, head: bytes) -> Answer:
        # Servers send the same head again and again, at least until their clock shows another second.
        answer = self._answer
        if answer is None or head != self._last_head:
            answer = self._answer = read_answer(head, from_task=self.route.to_task)
            self._last_head = head
        return answer

    def _rest(self) -> None:
        self.idle = True
        self.since = self.visitor.tick

    def _begin(self, answer: Answer, rest: bytes) -> None:
        visitor = self.visitor
        body = answer.body(visitor.method)
        self._ends = not answer.keep
        visitor.say_head(answer, body)
        if body is None:
            self._end(rest)
        else:
            self._body = body
            if rest:
                self._relay(body, rest)

    def _relay(self, body: Body, data: bytes) -> None:
        try:
            data, rest = body.feed(data)
        except FramingError:
            self.visitor.abort()
            return
        if data:
            self.visitor.transport.write(data)
        if body.done:
            self._end(rest)

    def _end(self, rest: bytes) -> None:
        self._body = None
        self._rest()
        self.visitor.finished(keep=not self._ends and not rest)

    def _fail(self, reason: str) -> None:
        self.visitor.upstream_failed(reason)
