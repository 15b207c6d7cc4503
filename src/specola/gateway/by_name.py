"""A connection to an interface by its TLS name: admitted by the client's certificate, then bytes both ways."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from specola.domain.connection import ConnectionKind
from specola.domain.task import Endpoint
from specola.flow import pause, resume
from specola.gateway.asking import InternalError
from specola.gateway.decisions import Decision, Lease, Outcome, Presented
from specola.gateway.errand import task_is_away, web_is_away
from specola.gateway.farewells import farewell
from specola.gateway.hosts import TaskOrigin
from specola.gateway.requests import RefusedError
from specola.gateway.routes import Route, dial
from specola.gateway.stages import LINGER_SECONDS, NEVER
from specola.gateway.tunnel import Tunnel
from specola.piping import Early

if TYPE_CHECKING:
    from specola.gateway.hub import Hub

__all__ = ["ByName"]

ATTEMPTS = 2
"""How often a task is dialled: the first endpoint may be that of a task that has moved meanwhile."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

log = logging.getLogger(__name__)


class ByName(asyncio.Protocol):
    """One client, from the end of its handshake until it is joined to the task as a tunnel, or refused.

    Notes
    -----
    Nothing is read until the task is there: what the client says meanwhile waits in buffers whose size is fixed.
    """

    __slots__ = (
        "_address",
        "_expires",
        "_hub",
        "_lease",
        "_place",
        "_protocol",
        "_timer",
        "_work",
        "deadline",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, hub: "Hub", place: TaskOrigin, protocol: str) -> None:
        self._hub = hub
        self._place = place
        self._protocol = protocol
        self._address = ""
        self._expires = datetime.min.replace(tzinfo=UTC)
        self._lease: Lease | None = None
        self._work: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.deadline = NEVER

    # -- what the transport says

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        pause(self.transport)
        self._address = self._hub.via(self.transport).address
        self._hub.visitors.add(self)
        certificate = self.transport.get_extra_info("peercert") or {}
        if self._hub.stopping:
            self.transport.close()
        elif not certificate:
            hint = f"Get one by: specola cert {self._place.task} {self._place.interface}"
            self.refuse(RefusedError(401, "no_certificate", "A client certificate is needed here.", hint=hint))
        else:
            self._expires = end_of(certificate["notAfter"])
            serial = f"{int(certificate['serialNumber'], 16):x}"
            self._work = asyncio.get_running_loop().create_task(self._serve(Presented(certificate=serial)))

    @override
    def data_received(self, data: bytes) -> None:
        """Throw away what a client says that has been refused."""

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._hub.gone(self)
        if self._work is not None:
            self._work.cancel()
        self._leave()

    # -- what the hub says

    def revoke(self) -> None:
        """Close at once: the right was taken back before the task was reached."""
        self.abort()

    def expire(self) -> None:
        """Close a client that was refused and does not go by itself."""
        self.abort()

    def stop(self) -> None:
        """Close soon; whoever is not joined to a task by now is not let in any more."""
        self.transport.close()

    def abort(self) -> None:
        """Close now."""
        self.transport.abort()

    def refuse(self, error: RefusedError) -> None:
        """Tell a client in its own protocol, where that can be, why it is not let in; then close."""
        place = self._place
        log.info("%s was refused at %s of task %s: %s", self._address, place.interface, place.task, error.sentence)
        self._leave()
        words = farewell(self._protocol, error)
        if not words:
            self.transport.close()
            return
        # The client closes once it has read it; closed by us, what it has sent meanwhile would become a reset.
        self.transport.write(words)
        resume(self.transport)
        self.deadline = self._hub.now() + LINGER_SECONDS

    # ---------------------------------------------------------------------------------------------------------------

    async def _serve(self, presented: Presented) -> None:
        try:
            await self._admit(presented)
        except RefusedError as error:
            self.refuse(error)
        except InternalError as error:
            log.warning("web could not be asked: %s", error)
            self.refuse(web_is_away())
        except Exception:
            log.exception("a client could not be served")
            self.refuse(RefusedError(500, "internal", "Something went wrong here.", hint="Try again later."))

    async def _admit(self, presented: Presented) -> None:
        decisions = self._hub.decisions
        for _ in range(ATTEMPTS):
            lease = decisions.lease(self._place.task, self._place.interface, presented)
            decision = await decisions.decide(lease)
            self._note(decision)
            endpoint = endpoint_of(decision)
            if lease.decision is not decision:
                # Taken back or changed after it was given and before it was acted upon: nothing would close it later.
                continue
            # Joined before it is dialled, so that what is revoked meanwhile closes this connection too.
            self._leave()
            self._lease = lease
            lease.live.add(self)
            try:
                stream = await dial(Route(endpoint=endpoint, lease=lease), Early)
                if stream.lost or stream.transport.is_closing():
                    raise ConnectionError("it closed the connection")
            except (OSError, TimeoutError) as error:
                log.info("%s does not answer: %s", endpoint, str(error) or type(error).__name__)
                decisions.drop(lease)
            else:
                self._join(lease, decision, stream)
                return
        raise task_is_away("The application does not accept connections.")

    def _note(self, decision: Decision) -> None:
        """Put a client on record whose certificate lets nobody in here."""
        if decision.outcome in {Outcome.SIGN_IN, Outcome.MISSING}:
            self._hub.records.refuse(
                kind=ConnectionKind.TLS,
                task=self._place.task,
                interface=self._place.interface,
                person=decision.person,
                address=self._address,
                code=decision.outcome.value,
            )

    def _join(self, lease: Lease, decision: Decision, task: Early) -> None:
        """Become a tunnel, which lasts as long as the certificate at most."""
        hub = self._hub
        record = hub.records.begin(
            kind=ConnectionKind.TLS,
            task=lease.task,
            interface=lease.interface,
            person=decision.person,
            address=self._address,
        )
        tunnel = Tunnel(
            visitor=self.transport,
            task=task.transport,
            lease=lease,
            record=record,
            used=True,
            frames=None,
            forget=self._forget,
        )
        hub.tunnels.add(tunnel)
        hub.gone(self)
        self._leave()
        seconds = max(0.0, (self._expires - hub.wall()).total_seconds())
        self._timer = asyncio.get_running_loop().call_later(seconds, tunnel.revoke)
        resume(self.transport)
        hand_over(task)

    def _forget(self, tunnel: Tunnel) -> None:
        self._hub.tunnels.discard(tunnel)
        if self._timer is not None:
            self._timer.cancel()

    def _leave(self) -> None:
        if self._lease is not None:
            self._lease.live.discard(self)
            self._lease = None


def end_of(text: str) -> datetime:
    """Return the end of a certificate as OpenSSL writes it: `Nov 27 20:33:24 2026 GMT`.

    Python's own reader of it imports a module the first time, which this process may not be able to read any more.
    """
    month, day, clock, year, _ = text.split()
    hour, minute, second = (int(part) for part in clock.split(":"))
    return datetime(int(year), MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)


def hand_over(stream: Early) -> None:
    """Give what a task said first, and its end, to the protocol that has come in the place of `stream`; then go on."""
    heir = cast("asyncio.Protocol", stream.transport.get_protocol())
    if stream.held:
        heir.data_received(stream.held)
    if stream.ended and not heir.eof_received():
        stream.transport.close()
    elif not stream.transport.is_closing():
        resume(stream.transport)


def endpoint_of(decision: Decision) -> Endpoint:
    """Return where a decision lets a client go; raises RefusedError."""
    if decision.outcome is Outcome.SIGN_IN:
        sentence = "The client certificate is unknown, expired or revoked."
        raise RefusedError(401, "sign_in", sentence, hint="Get another one by: specola cert")
    if decision.outcome is Outcome.MISSING:
        raise RefusedError(404, "missing", "There is no such task.", hint="You see only what you may use.")
    if decision.outcome is Outcome.NOT_READY:
        sentence = str(decision.reason.get("sentence") or "The application is not ready.")
        raise RefusedError(503, "not_ready", sentence, hint=str(decision.reason.get("hint") or "Try again later."))
    if decision.endpoint is None:
        raise InternalError("a decision of web lacks the endpoint")
    return decision.endpoint
