"""Decides what becomes of a request: carried on, answered here, or refused."""

from collections.abc import Mapping
from dataclasses import dataclass

from specola.clock import Clock
from specola.domain.connection import ConnectionKind
from specola.domain.task import Endpoint
from specola.gateway.answers import json_answer, page_answer, refusal
from specola.gateway.asking import Internal, InternalError
from specola.gateway.cookies import ENTRY, own_cookies
from specola.gateway.crossing import check_crossing, is_navigation
from specola.gateway.decisions import Decision, Decisions, Lease, Outcome, Presented
from specola.gateway.entering import ENTER, Entering
from specola.gateway.forwarding import (
    PLATFORM_TOKEN,
    Via,
    block_for_platform,
    block_for_task,
    block_for_waiting,
    target_for_task,
)
from specola.gateway.hosts import Names, Platform, TaskOrigin
from specola.gateway.requests import Head, RefusedError
from specola.gateway.routes import Carry, Route
from specola.records import Records

__all__ = ["Admission", "Asked"]

OUR_PATHS = b"/.specola/"
RETRY_AFTER = ("Retry-After", "2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that has been read: what it says, whom it names, how it came, who sent it."""

    head: Head
    place: Platform | TaskOrigin
    via: Via
    cookies: Mapping[str, str]
    presented: Presented | None

    @property
    def last(self) -> bool:
        """Whether an answer of our own ends the connection: a body that nobody reads would follow otherwise."""
        return not self.head.keep or self.head.body() is not None

    @property
    def bare(self) -> bool:
        """Whether an answer has no body."""
        return self.head.method == b"HEAD"


class Admission:
    """One authorisation for every request: plain, upgrade, or one for our own paths on a task's origin."""

    def __init__(  # noqa: PLR0913 - a bill of materials
        self,
        *,
        names: Names,
        decisions: Decisions,
        entering: Entering,
        internal: Internal,
        web: Endpoint,
        clock: Clock,
        records: Records,
    ) -> None:
        self._names = names
        self._decisions = decisions
        self._entering = entering
        self._waiting = Route(endpoint=Endpoint(path=internal.path))
        self._web = Route(endpoint=web)
        self._clock = clock
        self._records = records

    def read(self, head: Head, via: Via) -> Asked:
        """Read whom a request names and who sent it; raises RefusedError."""
        place = self._names.read(head.host)
        if place is None:
            raise RefusedError(421, "misdirected", "Nothing is served under this name here.", hint="Check the address.")
        if isinstance(place, Platform):
            return Asked(head=head, place=place, via=via, cookies={}, presented=None)
        cookies = own_cookies(head.values.get(b"cookie", ()))
        return Asked(head=head, place=place, via=via, cookies=cookies, presented=presented_by(head, cookies))

    def at_once(self, asked: Asked) -> Carry | None:
        """Return where a request goes if that is known without asking; raises RefusedError."""
        if isinstance(asked.place, Platform):
            block = block_for_platform(asked.head, asked.via, self._clock.new_id(16))
            return Carry(route=self._web, head=asked.head, target=asked.head.target, block=block)
        if asked.presented is None or asked.head.target.startswith(OUR_PATHS):
            return None
        lease = self._decisions.lease(asked.place.task, asked.place.interface, asked.presented)
        decision = self._decisions.current(lease)
        return self._to_task(asked, asked.place, lease, decision) if decision else None

    async def admit(self, asked: Asked) -> Carry | bytes:
        """Return where a request to a task's origin goes, or the answer to it; raises RefusedError, InternalError."""
        place = asked.place
        if isinstance(place, Platform):
            raise TypeError("the platform's requests are admitted at once")
        if asked.head.target.partition(b"?")[0] == ENTER:
            try:
                return await self._entering.finish(asked.head, place, asked.cookies, last=asked.last)
            except RefusedError:
                self._note_refusal(asked, place, code="sign_in")
                raise
        if asked.presented is None:
            return self._sign_in(asked, place)
        lease = self._decisions.lease(place.task, place.interface, asked.presented)
        decision = await self._decisions.decide(lease)
        if decision.outcome is Outcome.SIGN_IN:
            self._note_refusal(asked, place, code="sign_in")
            return self._sign_in(asked, place)
        if decision.outcome is Outcome.MISSING:
            self._note_refusal(asked, place, code="missing", person=decision.person)
            raise RefusedError(404, "missing", "There is no such task.", hint="You see only what you may use.")
        if asked.head.target.startswith(OUR_PATHS):
            return self._to_waiting(asked, place, decision)
        if decision.outcome is Outcome.NOT_READY:
            return self._not_ready(asked, place, decision)
        return self._to_task(asked, place, lease, decision)

    def _note_refusal(self, asked: Asked, place: TaskOrigin, *, code: str, person: str = "") -> None:
        """Put a visitor on record who came with something that lets nobody in here."""
        self._records.refuse(
            kind=ConnectionKind.HTTP if asked.head.upgrade is None else ConnectionKind.WEBSOCKET,
            task=place.task,
            interface=place.interface,
            person=person,
            address=asked.via.visitor(asked.head),
            code=code,
        )

    def doubt(self, carry: Carry) -> None:
        """Ask `web` again the next time: the endpoint it gave does not answer."""
        if carry.route.lease is not None:
            self._decisions.drop(carry.route.lease)

    def refuse(self, asked: Asked | None, error: RefusedError) -> bytes:
        """Return the answer to a request that is not carried on."""
        if asked is None:
            return refusal(error, last=True)
        if is_navigation(asked.head):
            return page_answer(error, link=asked.head.target.decode("ascii"), last=asked.last)
        headers = (RETRY_AFTER,) if error.status == 503 else ()
        return refusal(error, last=asked.last, bare=asked.bare, headers=headers)

    def _to_task(self, asked: Asked, place: TaskOrigin, lease: Lease, decision: Decision) -> Carry:
        check_sender(asked, place)
        if decision.endpoint is None:
            raise InternalError("a decision of web lacks the endpoint")
        return Carry(
            route=Route(endpoint=decision.endpoint, secure=decision.secure, lease=lease),
            head=asked.head,
            target=target_for_task(asked.head.target, decision),
            block=block_for_task(asked.head, decision, asked.via),
            decision=decision,
            used=decision.activity.counts(asked.head.method, asked.head.target, upgrade=asked.head.upgrade is not None),
        )

    def _to_waiting(self, asked: Asked, place: TaskOrigin, decision: Decision) -> Carry:
        check_sender(asked, place)
        if asked.presented is None or asked.presented.token is not None:
            raise RefusedError(403, "browsers_only", "These pages are for browsers.", hint="Programs use the API.")
        path = asked.head.target.removeprefix(OUR_PATHS.rstrip(b"/"))
        method = asked.head.method
        served = (path == b"/stop" and method == b"POST") or (
            method in {b"GET", b"HEAD"} and (path.partition(b"?")[0] == b"/events" or path.startswith(b"/static/"))
        )
        if not served or b".." in path or asked.head.upgrade is not None:
            raise RefusedError(
                404, "missing", "There is no such page.", hint="Paths below /.specola/ are the gateway's."
            )
        return self._waiting_carry(asked, place, decision, path)

    def _not_ready(self, asked: Asked, place: TaskOrigin, decision: Decision) -> Carry | bytes:
        check_sender(asked, place)
        if is_navigation(asked.head) and asked.presented is not None and asked.presented.token is None:
            return self._waiting_carry(asked, place, decision, b"/page")
        body = {"status": 503, "code": "not_ready", "state": decision.state, **decision.reason}
        body.setdefault("sentence", "The application is not ready.")
        body.setdefault("hint", "Ask again in a few seconds.")
        return json_answer(503, body, (RETRY_AFTER,), last=asked.last, bare=asked.bare)

    def _waiting_carry(self, asked: Asked, place: TaskOrigin, decision: Decision, path: bytes) -> Carry:
        return Carry(
            route=self._waiting,
            head=asked.head,
            target=f"/waiting/{place.task}/{place.interface}".encode() + path,
            block=block_for_waiting(asked.head, asked.via, decision),
        )

    def _sign_in(self, asked: Asked, place: TaskOrigin) -> bytes:
        token = asked.presented is not None and asked.presented.token is not None
        if is_navigation(asked.head) and not token:
            return self._entering.begin(asked.head, place, asked.cookies, last=asked.last)
        raise RefusedError(
            401,
            "sign_in",
            "The token is unknown, expired or revoked." if token else "You are not signed in here.",
            hint="Open the address in a browser, or send a platform token in the Authorization header.",
        )


def presented_by(head: Head, cookies: Mapping[str, str]) -> Presented | None:
    """Return what a visitor came with; a token comes before a cookie, since it is sent on purpose."""
    authorizations = head.values.get(b"authorization", ())
    if len(authorizations) > 1:
        raise RefusedError(400, "authorization", "The request has more than one Authorization header.")
    found = PLATFORM_TOKEN.fullmatch(authorizations[0]) if authorizations else None
    if found is not None:
        return Presented(token=found[1].decode("ascii"))
    return Presented(cookie=cookies[ENTRY]) if ENTRY in cookies else None


def check_sender(asked: Asked, place: TaskOrigin) -> None:
    """Let a token pass, and a cookie only from where it may come; raises RefusedError."""
    if asked.presented is None or asked.presented.token is None:
        check_crossing(asked.head, place.origin)
