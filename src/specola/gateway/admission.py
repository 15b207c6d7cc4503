"""Decides what becomes of a request: carried on, answered here, or refused."""

from collections.abc import Mapping
from dataclasses import dataclass

from specola.clock import Clock
from specola.domain.connection import ConnectionKind
from specola.domain.software import TERMINAL
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
    block_for_agent,
    block_for_page,
    block_for_platform,
    block_for_task,
    block_for_terminal,
    target_for_task,
)
from specola.gateway.handshake import welcome
from specola.gateway.hosts import Names, Platform, TaskOrigin
from specola.gateway.requests import Head, RefusedError
from specola.gateway.routes import Carry, Passage, Route
from specola.records import Records

__all__ = ["Admission", "Asked"]

OUR_PATHS = b"/.specola/"
TUNNEL = b"/tunnel"
TERMINALS = b"/terminal"
VIEWER = b"/viewer/"
AGENTS = b"/.specola/agents"
"""On the platform's own name: where agents of batch tasks come that dial out."""
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
        agents: Endpoint,
        clock: Clock,
        records: Records,
    ) -> None:
        self._names = names
        self._decisions = decisions
        self._entering = entering
        self._pages = Route(endpoint=Endpoint(path=internal.path))
        self._web = Route(endpoint=web)
        self._agents = Route(endpoint=agents)
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
            if asked.head.target == AGENTS:
                return self._to_agents(asked)
            block = block_for_platform(asked.head, asked.via, self._clock.new_id(16))
            return Carry(route=self._web, head=asked.head, target=asked.head.target, block=block)
        if asked.presented is None or asked.head.target.startswith(OUR_PATHS):
            return None
        lease = self._decisions.lease(asked.place.task, asked.place.interface, asked.presented)
        decision = self._decisions.current(lease)
        if decision is None or not decision.speaks_http:
            return None
        return self._to_task(asked, asked.place, lease, decision)

    async def admit(self, asked: Asked) -> Carry | Passage | bytes:
        """Return where a request to a task's origin goes, or the answer to it; raises RefusedError, InternalError."""
        place = asked.place
        if isinstance(place, Platform):
            raise TypeError("the platform's requests are admitted at once")
        if asked.head.target.partition(b"?")[0] == ENTER:
            return await self._enter(asked, place)
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
        check_sender(asked, place)
        if decision.view_only:
            check_guest(asked, decision)
        if asked.head.target.startswith(OUR_PATHS):
            return self._to_ours(asked, place, lease, decision)
        if decision.outcome is Outcome.NOT_READY:
            return self._not_ready(asked, place, decision)
        if not decision.speaks_http:
            return self._to_viewer(asked, place, decision)
        return self._to_task(asked, place, lease, decision)

    async def _enter(self, asked: Asked, place: TaskOrigin) -> bytes:
        try:
            return await self._entering.finish(asked.head, place, asked.cookies, last=asked.last)
        except RefusedError:
            self._note_refusal(asked, place, code="sign_in")
            raise

    def _note_refusal(self, asked: Asked, place: TaskOrigin, *, code: str, person: str = "") -> None:
        """Put a visitor on record who came with something that lets nobody in here."""
        self._records.refuse(
            kind=kind_of(asked.head),
            task=place.task,
            interface=place.interface,
            person=person,
            address=asked.via.visitor(asked.head),
            code=code,
        )

    def doubt(self, route: Route) -> None:
        """Ask `web` again the next time: the endpoint it gave does not answer."""
        if route.lease is not None:
            self._decisions.drop(route.lease)

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

    def _to_ours(self, asked: Asked, place: TaskOrigin, lease: Lease, decision: Decision) -> Carry | Passage | bytes:
        """Carry on what is below our own prefix: a tunnel, a terminal, a page of the platform's and what belongs to it."""
        path = asked.head.target.removeprefix(OUR_PATHS.rstrip(b"/"))
        name = path.partition(b"?")[0]
        if name == TUNNEL and decision.protocol != TERMINAL.name:
            answer = welcome(asked.head)
            return self._unready(asked, decision) or Passage(
                route=self._route(lease, decision), decision=decision, welcome=answer
            )
        if name == TERMINALS and decision.protocol == TERMINAL.name and asked.head.upgrade is not None:
            return self._unready(asked, decision) or self._to_terminal(asked, place, lease, decision)
        if asked.presented is None or asked.presented.token is not None:
            raise RefusedError(403, "browsers_only", "These pages are for browsers.", hint="Programs use the API.")
        if b".." in path or asked.head.upgrade is not None:
            raise no_such_page()
        return self._page(asked, place, decision, path)

    def _page(self, asked: Asked, place: TaskOrigin, decision: Decision, path: bytes) -> Carry:
        reads = asked.head.method in {b"GET", b"HEAD"}
        if path.startswith(VIEWER) and reads and not decision.speaks_http:
            return self._carry_page(asked, place, decision, b"/viewers", path.removeprefix(VIEWER[:-1]))
        if path.startswith(b"/static/") and reads:
            ready = decision.outcome is Outcome.PASS and not decision.speaks_http
            return self._carry_page(asked, place, decision, b"/viewers" if ready else b"/waiting", path)
        if (path == b"/stop" and asked.head.method == b"POST") or (path.partition(b"?")[0] == b"/events" and reads):
            return self._carry_page(asked, place, decision, b"/waiting", path)
        raise no_such_page()

    def _to_viewer(self, asked: Asked, place: TaskOrigin, decision: Decision) -> Carry:
        """Carry on to the page of an interface that is no HTTP: what it is, and how it is reached."""
        if is_navigation(asked.head) and asked.presented is not None and asked.presented.token is None:
            return self._carry_page(asked, place, decision, b"/viewers", b"/page")
        raise RefusedError(
            400,
            "no_http",
            f"“{place.interface}” speaks {decision.protocol}, not HTTP.",
            hint=f"Open this address in a browser, or run: specola forward {place.task} {place.interface}",
        )

    def _to_terminal(self, asked: Asked, place: TaskOrigin, lease: Lease, decision: Decision) -> Carry:
        return Carry(
            route=self._route(lease, decision),
            head=asked.head,
            target=asked.head.target,
            block=block_for_terminal(asked.head, asked.via, decision, place.task),
            decision=decision,
            used=True,
        )

    def _to_agents(self, asked: Asked) -> Carry:
        """Carry on an agent's connection: the connector knows which task's it is. No person comes by this way."""
        welcome(asked.head)
        return Carry(route=self._agents, head=asked.head, target=AGENTS, block=block_for_agent(asked.head, asked.via))

    def _route(self, lease: Lease, decision: Decision) -> Route:
        if decision.endpoint is None:
            raise InternalError("a decision of web lacks the endpoint")
        return Route(endpoint=decision.endpoint, lease=lease)

    def _not_ready(self, asked: Asked, place: TaskOrigin, decision: Decision) -> Carry | bytes:
        if is_navigation(asked.head) and asked.presented is not None and asked.presented.token is None:
            return self._carry_page(asked, place, decision, b"/waiting", b"/page")
        return self._unready(asked, decision)

    def _unready(self, asked: Asked, decision: Decision) -> bytes:
        """Return the answer for programs while an interface cannot be reached; empty if it can."""
        if decision.outcome is not Outcome.NOT_READY:
            return b""
        body = {"status": 503, "code": "not_ready", "state": decision.state, **decision.reason}
        body.setdefault("sentence", "The application is not ready.")
        body.setdefault("hint", "Ask again in a few seconds.")
        return json_answer(503, body, (RETRY_AFTER,), last=asked.last, bare=asked.bare)

    def _carry_page(self, asked: Asked, place: TaskOrigin, decision: Decision, where: bytes, path: bytes) -> Carry:
        return Carry(
            route=self._pages,
            head=asked.head,
            target=where + f"/{place.task}/{place.interface}".encode() + path,
            block=block_for_page(asked.head, asked.via, decision),
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


def kind_of(head: Head) -> ConnectionKind:
    """Return what a refused request would have become."""
    if head.upgrade is None:
        return ConnectionKind.HTTP
    ours = {TUNNEL: ConnectionKind.TUNNEL, TERMINALS: ConnectionKind.TERMINAL}
    prefix, _, name = head.target.partition(b"?")[0].rpartition(b"/")
    return ours.get(b"/" + name, ConnectionKind.WEBSOCKET) if prefix + b"/" == OUR_PATHS else ConnectionKind.WEBSOCKET


def check_guest(asked: Asked, decision: Decision) -> None:
    """Let a guest, who may only look at a desktop, have its page and its pictures; raises RefusedError."""
    name = asked.head.target.partition(b"?")[0].removeprefix(OUR_PATHS)
    if (
        not decision.is_desktop
        or (name != b"tunnel" and asked.head.method not in {b"GET", b"HEAD"})
        or name == b"events"
    ):
        raise no_such_page()


def no_such_page() -> RefusedError:
    """Make the error for a path below our prefix where nothing is."""
    return RefusedError(404, "missing", "There is no such page.", hint="Paths below /.specola/ are the gateway's.")


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
