"""The connection of a visitor: reads requests one after the other, and sees each through to its answer."""

import asyncio
import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import override

from specola.flow import resume
from specola.gateway.admission import Asked
from specola.gateway.connection import Connection
from specola.gateway.errand import Errand, task_is_away, web_is_away
from specola.gateway.forwarding import target_for_task
from specola.gateway.framing import Body, FramingError, UntilClose
from specola.gateway.requests import HEAD_LIMIT, LINE, RefusedError, read_head
from specola.gateway.responses import Answer
from specola.gateway.rfb import Desktop
from specola.gateway.routes import Carry, Passage
from specola.gateway.stages import (
    FRESH_SECONDS,
    HEAD_SECONDS,
    HOLD_LIMIT,
    IDLE_SECONDS,
    NEVER,
    SAFE_TO_REPEAT,
    Known,
    Stage,
)
from specola.gateway.upstream import Upstream
from specola.piping import Early, EndCode
from specola.websocket import closing

if TYPE_CHECKING:
    from specola.gateway.hub import Hub

__all__ = ["Visitor"]

log = logging.getLogger(__name__)

OUR_PATHS = b"/.specola/"
BARE_LF = re.compile(rb"(?<!\r)\n")


class Visitor(Connection):
    """A connection at the public port, as HTTP."""

    __slots__ = ("_asked", "_body", "_carry", "_target", "method")

    def __init__(self, hub: "Hub") -> None:
        super().__init__(hub)
        self._asked: Asked | None = None
        self._carry: Carry | None = None
        self._target = b""
        self._body: Body | None = None
        self.method = b""

    # -- what the transport says

    @override
    def data_received(self, data: bytes) -> None:
        if self._stage is Stage.WAITING:
            if self._held:
                data, self._held = self._held + data, b""
            self._receive(data)
        elif self._stage is Stage.RELAYING and self._body is not None:
            self._pass_on(self._body, data)
        elif self._stage < Stage.LINGERING:
            self._hold(data)

    @override
    def eof_received(self) -> bool:
        if self._stage in {Stage.WAITING, Stage.LINGERING} or self._body is not None:
            return False
        self.keep = False
        self._ended = True
        return not self._via.encrypted

    # -- requests

    def _receive(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or end > HEAD_LIMIT:
            self._receive_part(data)
            return
        known = self._known
        if known is not None:
            line = LINE.match(data)
            same = line is not None and line[1] == known.method and data[line.end() : end] == known.block
            if line is not None and same and self._again(known, line[2]):
                if len(data) > end:
                    self._hold(data[end:])
                return
        self._held = data[end:]
        self._first(data[:end])

    def _again(self, known: Known, target: bytes) -> bool:
        """Send on a request of which all but its target is known; False if something has to be looked at anew."""
        upstream = self.upstream
        if (
            upstream is None
            or not upstream.idle
            or upstream.route is not known.route
            or known.lease.decision is not known.decision
            or self._hub.now() >= known.lease.until
            or target.startswith(OUR_PATHS)
        ):
            return False
        decision = known.decision
        meter = self.meter
        self._target = target
        if decision.adds_query:
            target = target_for_task(target, decision)
        wire = b"%s %s HTTP/1.1\r\n%s" % (known.method, target, known.carry.block)
        if meter is not None:
            meter.received += len(wire)
            if decision.activity.counts(known.method, target):
                meter.used = True
        self._carry = known.carry
        self._asked = known.asked
        self._stage = Stage.RELAYING
        self.method = known.method
        self.deadline = NEVER
        upstream.send(wire)
        return True

    def _receive_part(self, data: bytes) -> None:
        # Not a whole head yet; but what can never become one is refused now, not when the time for it has run out.
        if len(data) > HEAD_LIMIT:
            self.refuse(RefusedError(431, "headers_too_long", "The request's headers are too long."))
        elif BARE_LF.search(data):
            self.refuse(RefusedError(400, "malformed", "A line of the request ends without a carriage return."))
        else:
            self._held = data

    def _first(self, data: bytes) -> None:
        """Read a request of which nothing is known."""
        self._asked = None
        try:
            head = read_head(data)
            self.keep = head.keep and not self._hub.stopping
            self.method = head.method
            self._body = head.body()
            self._asked = asked = self._hub.admission.read(head, self._via)
            carry = self._hub.admission.at_once(asked)
        except RefusedError as error:
            self.refuse(error)
            return
        self.deadline = NEVER
        if carry is None:
            self._start(asked, None)
        elif self.upstream is not None and self.usable(self.upstream, carry):
            self.send(self.upstream, carry)
        else:
            self._start(asked, carry)

    def usable(self, upstream: Upstream, carry: Carry) -> bool:
        """Tell whether a request may go over the connection that is there."""
        # A server may close an idle connection just when a request is on its way. What must not be sent twice is
        # therefore not sent over a connection that has been idle for long.
        if not upstream.idle or upstream.route != carry.route or upstream.transport.is_closing():
            return False
        return carry.head.method in SAFE_TO_REPEAT or self._hub.tick - upstream.since < FRESH_SECONDS

    def _start(self, asked: Asked, carry: Carry | None) -> None:
        self._stage = Stage.ADMITTING
        self._work = Errand(self, asked, self._hub.admission).start(carry)

    def send(self, upstream: Upstream, carry: Carry) -> None:
        """Send on the present request."""
        self._work = None
        self._carry = carry
        self.bind(carry.route.lease, carry.decision, self._via.visitor(carry.head))
        self._target = carry.head.target
        wire = carry.wire
        self._stage = Stage.RELAYING
        if self.meter is not None:
            self.meter.received += len(wire)
            # An upgrade alone is no use: pages that nobody looks at connect again by themselves.
            self.meter.used |= carry.used and carry.head.upgrade is None
        upstream.send(wire)
        self._remember(upstream, carry)
        held, self._held = self._held, b""
        if self._body is not None:
            if held:
                self._pass_on(self._body, held)
            self.resume_reading()
        elif held:
            self._hold(held)

    def _remember(self, upstream: Upstream, carry: Carry) -> None:
        asked, lease, decision = self._asked, carry.route.lease, carry.decision
        plain = (
            carry.head.method in {b"GET", b"HEAD"}
            and carry.head.minor == 1
            and carry.head.keep
            and carry.head.body() is None
            and carry.head.upgrade is None
        )
        if plain and asked is not None and lease is not None and decision is not None:
            upstream.route = carry.route
            self._known = Known(asked, carry, lease, decision)
        else:
            self._known = None

    def _pass_on(self, body: Body, data: bytes) -> None:
        """Relay a part of the request's body."""
        upstream = self.upstream
        try:
            data, rest = body.feed(data)
        except FramingError as error:
            if upstream is None or upstream.answered:
                self.abort()
                return
            self.refuse(RefusedError(400, "framing", f"The request's body is malformed: {error}."))
            return
        if upstream is not None and data:
            upstream.transport.write(data)
            if self.meter is not None:
                self.meter.received += len(data)
                self.meter.used |= self._carry is not None and self._carry.used
        if body.done:
            self._body = None
            if rest:
                self._hold(rest)

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > HOLD_LIMIT:
            self.pause_reading()

    # -- answers

    def say_interim(self, answer: Answer) -> None:
        """Pass on an answer that another one follows."""
        if self._carry is not None and self._carry.head.minor == 1:
            self.transport.write(answer.wire)

    def say_head(self, answer: Answer, body: Body | None) -> None:
        """Pass on the head of an answer; raises FramingError where the visitor could not read what follows."""
        if answer.chunked and self._carry is not None and self._carry.head.minor == 0:
            raise FramingError("a request by HTTP/1.0 was answered in chunks")
        if isinstance(body, UntilClose) or self._hub.stopping:
            self.keep = False
        self.transport.write(answer.wire if self.keep else answer.last_wire)

    def finished(self, *, keep: bool) -> None:
        """Go on after a whole answer; `keep`: the upstream connection is good for another request."""
        if not keep and self.upstream is not None:
            upstream, self.upstream = self.upstream, None
            upstream.transport.close()
        if self._body is not None or not self.keep:
            self._linger()
            return
        self._wait()

    def upgrade(self, answer: Answer, rest: bytes) -> None:
        """Become a tunnel."""
        upstream, carry = self.upstream, self._carry
        if upstream is None or carry is None or carry.head.upgrade is None:
            raise FramingError("the application changed the protocol unasked")
        self.upstream = None
        tunnel = self._hub.tunnel(
            visitor=self.transport, task=upstream.transport, lease=self._lease, visit=self.meter, carry=carry
        )
        self.transport.write(answer.wire + rest)
        if self.meter is not None:
            # Read together with the answer's head, they were counted for the visit.
            self.meter.sent -= len(rest)
            tunnel.sent(len(rest))
        if self._held:
            tunnel.received(self._held)
            upstream.transport.write(self._held)
        self._stage = Stage.CLOSED
        self._hub.gone(self)
        self.bind(None, None)
        resume(self.transport)

    def become_tunnel(self, passage: Passage, stream: Early | None) -> None:
        """Become a WebSocket joined to a stream; None: it could not be reached, which browsers only learn this way."""
        lease, visit = passage.route.lease, self.meter
        if self.transport.is_closing() or self._ended or lease is None or visit is None:
            if stream is not None:
                stream.transport.abort()
            self.abort()
            return
        self.transport.write(passage.welcome)
        if stream is None:
            self.transport.write(closing(EndCode.UNREACHABLE, "The application does not accept connections."))
            self._linger()
            return
        early, self._held = self._held, b""
        decision = passage.decision
        desktop = Desktop(password=decision.password, view_only=decision.view_only) if decision.is_desktop else None
        self._hub.pipe(visitor=self.transport, stream=stream, lease=lease, visit=visit, early=early, desktop=desktop)
        self._stage = Stage.CLOSED
        self._hub.gone(self)
        self.bind(None, None)

    def upstream_lost(self, upstream: Upstream) -> None:
        """Go on after the upstream connection ended where no answer was complete."""
        self.upstream = None
        asked, carry = self._asked, self._carry
        if self._stage is not Stage.RELAYING or asked is None or carry is None or upstream.idle:
            return
        repeat = upstream.used > 1 and not upstream.answered and carry.head.method in SAFE_TO_REPEAT
        if repeat and carry.head.body() is None and carry.head.upgrade is None:
            # What is remembered of an earlier request with the same header has that one's target.
            head = replace(asked.head, target=self._target)
            target = target_for_task(self._target, carry.decision) if carry.decision else carry.target
            self._start(replace(asked, head=head), replace(carry, head=head, target=target))
        else:
            self.upstream_failed("it closed the connection")

    def upstream_failed(self, reason: str) -> None:
        """Answer for an upstream that gave no proper answer."""
        carry = self._carry
        log.info("no proper answer from %s: %s", carry.route.endpoint if carry else "upstream", reason)
        self.leave_upstream()
        if carry is None or not carry.route.to_task:
            self.refuse(web_is_away())
            return
        self._hub.admission.doubt(carry.route)
        self.refuse(task_is_away(f"The application gave no proper answer: {reason}."))

    def refuse(self, error: RefusedError) -> None:
        """Answer that the present request is not carried on."""
        answer = self._hub.admission.refuse(self._asked, error)
        self.say(answer, last=self._asked is None or self._asked.last)

    def say(self, answer: bytes, *, last: bool) -> None:
        """Answer the present request."""
        self.transport.write(answer)
        if last or not self.keep:
            self._linger()
        else:
            self._wait()

    @override
    def expire(self) -> None:
        if self._stage is Stage.WAITING and self._held:
            self.refuse(RefusedError(408, "too_slow", "The request did not come in time."))
        else:
            super().expire()

    def _wait(self) -> None:
        self._stage = Stage.WAITING
        self._work = None
        if not self._held:
            self.deadline = self._hub.tick + IDLE_SECONDS
            return
        self.deadline = self._hub.tick + HEAD_SECONDS
        asyncio.get_running_loop().call_soon(self._take_held)

    def _take_held(self) -> None:
        if self._stage is not Stage.WAITING:
            return
        held, self._held = self._held, b""
        resume(self.transport)
        if held:
            self._receive(held)
