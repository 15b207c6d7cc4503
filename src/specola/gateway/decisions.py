"""What `web` has decided about visitors: asked once, kept at most a minute, taken back at once."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

from specola.clock import Clock
from specola.domain.task import Endpoint
from specola.gateway.activity import Activity
from specola.gateway.asking import Internal, InternalError

__all__ = ["Decision", "Decisions", "Lease", "Live", "Outcome", "Presented"]

LONGEST = 60.0
"""Seconds that a decision is kept at most."""
ATTEMPTS = 5
EVERYTHING = "*"
EVERYTHING_COUNTS = Activity()
HTTP = frozenset(("http", "https"))


class Outcome(StrEnum):
    """What is to be done with a request to a task's origin."""

    PASS = "pass"  # noqa: S105 - a verb
    NOT_READY = "not_ready"
    SIGN_IN = "sign_in"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Presented:
    """What a visitor came with: the value of our cookie, a platform token, or a client certificate; at most one."""

    cookie: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    certificate: str | None = None
    """Its serial number in hex; the handshake has shown that it is ours, and that the visitor has its key."""

    def digest(self) -> bytes:
        """Return what stands for it in the cache."""
        if self.certificate is not None:
            return hashlib.sha256(b"certificate " + self.certificate.encode()).digest()
        kind = b"token " if self.token is not None else b"cookie "
        return hashlib.sha256(kind + (self.token or self.cookie or "").encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An answer of `web`, ready for use on bytes. Two decisions are told apart by identity."""

    outcome: Outcome
    person: str = ""
    protocol: str = "http"
    """What the interface speaks, as a release says it; `terminal` for the platform's own."""
    secure: bool = False
    """Whether the endpoint speaks TLS."""
    endpoint: Endpoint | None = None
    add: tuple[tuple[bytes, bytes, bytes], ...] = field(default=(), repr=False)
    own_address: bytes | None = None
    """What a request's Origin is rewritten to; None: it is kept."""
    activity: Activity = EVERYTHING_COUNTS
    marks: frozenset[str] = frozenset()
    seconds: float = 0.0
    view_only: bool = False
    """Whether the visitor may look at a desktop, and do nothing else."""
    state: str = ""
    reason: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Self:
        """Read what `POST /decide` answered."""
        outcome = Outcome(answer["outcome"])
        endpoint = Endpoint(**answer["endpoint"]) if answer.get("endpoint") else None
        protocol = answer.get("protocol") or "http"
        secure = protocol == "https"
        rewrite = answer.get("origin") == "rewrite" and endpoint is not None
        return cls(
            outcome=outcome,
            person=answer.get("person") or "",
            protocol=protocol,
            secure=secure,
            endpoint=endpoint,
            add=tuple((way.encode(), name.encode(), value.encode()) for way, name, value in answer.get("add", ())),
            own_address=address_of(endpoint, secure=secure) if rewrite and endpoint is not None else None,
            activity=Activity(answer.get("ignore", ()), pings=int(answer.get("pings", 1))),
            marks=frozenset(answer.get("marks", ())),
            seconds=min(float(answer.get("seconds", 0)), LONGEST) if outcome is Outcome.PASS else 0.0,
            view_only=bool(answer.get("view_only")),
            state=answer.get("state") or "",
            reason=answer.get("reason") or {},
        )

    @property
    def speaks_http(self) -> bool:
        """Whether requests go to the task itself; other interfaces have a page of the platform's, and tunnels."""
        return self.protocol in HTTP

    @property
    def is_desktop(self) -> bool:
        """Whether the gateway speaks RFB with it in the visitor's name."""
        return self.protocol == "rfb"

    @property
    def password(self) -> bytes:
        """What a desktop is signed in to with; empty if nothing is known."""
        return next((value for way, name, value in self.add if (way, name) == (b"rfb", b"password")), b"")

    @property
    def adds_query(self) -> bool:
        """Whether targets change on their way."""
        return any(way == b"query" for way, _, _ in self.add)


def address_of(endpoint: Endpoint, *, secure: bool) -> bytes:
    """Return the origin that a server at this endpoint takes for its own."""
    scheme = "https" if secure else "http"
    if endpoint.host is None:
        return f"{scheme}://localhost".encode()
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{scheme}://{host}:{endpoint.port}".encode()


Key = tuple[str, str, bytes]
"""Task, interface, and the digest of what was presented."""


class Live(Protocol):
    """A connection that is open because of a lease."""

    def revoke(self) -> None:
        """Close it at once."""


class Lease:
    """One visitor at one interface: the newest decision, and every connection that stands on it."""

    __slots__ = (
        "asked",
        "confirmed",
        "decision",
        "interface",
        "key",
        "live",
        "marks",
        "presented",
        "taken_by",
        "task",
        "touched",
        "until",
    )

    def __init__(self, key: Key, presented: Presented) -> None:
        self.key = key
        self.task, self.interface, _ = key
        self.presented = presented
        self.decision: Decision | None = None
        self.marks: frozenset[str] = frozenset()
        self.until = 0.0
        self.touched = 0.0
        self.asked = 0.0
        self.confirmed = 0.0
        self.taken_by = ""
        """The mark whose revocation closed it last; empty: `web` said no when it was asked again."""
        self.live: set[Live] = set()

    def close(self, mark: str = "") -> None:
        """Forget the decision and close every connection; `mark` is what was revoked."""
        self.taken_by = mark
        self.decision = None
        self.until = 0.0
        for one in tuple(self.live):
            one.revoke()
        self.live.clear()


class Decisions:
    """The cache of decisions; every question is asked once at a time."""

    def __init__(self, *, internal: Internal, clock: Clock) -> None:
        self._internal = internal
        self._clock = clock
        self._leases: dict[Key, Lease] = {}
        self._asking: dict[Key, asyncio.Task[Decision]] = {}
        self._noted: list[set[str]] = []

    def lease(self, task: str, interface: str, presented: Presented) -> Lease:
        """Return the lease of this visitor, fresh or not."""
        key = (task, interface, presented.digest())
        lease = self._leases.get(key)
        if lease is None:
            lease = self._leases[key] = Lease(key, presented)
        lease.touched = self._clock.monotonic()
        return lease

    def current(self, lease: Lease) -> Decision | None:
        """Return the decision to act on without asking, if it is still good."""
        return lease.decision if self._clock.monotonic() < lease.until else None

    async def decide(self, lease: Lease) -> Decision:
        """Return a good decision, asking `web` if need be; raises InternalError."""
        return self.current(lease) or await self._ask_once(lease)

    def drop(self, lease: Lease) -> None:
        """Forget a decision that has proved wrong."""
        lease.decision = None
        lease.until = 0.0

    def revoke(self, mark: str) -> None:
        """Take back everything that carries a mark, and close what stands on it."""
        for lease in self._marked(mark):
            lease.close(mark)

    def change(self, mark: str) -> None:
        """Ask again before the next request; open connections stay."""
        for lease in self._marked(mark):
            self.drop(lease)

    async def renew(self, *, older: float) -> None:
        """Ask again about every lease with open connections that was last asked for more than `older` seconds ago.

        Where the answer is no, what is open is closed; raises InternalError, and then it stays open.
        """
        now = self._clock.monotonic()
        for lease in [one for one in self._leases.values() if one.live and now - one.asked >= older]:
            self.drop(lease)
            await self._ask_once(lease)

    def forget_all(self) -> None:
        """Keep no decision: something may have been missed."""
        for noted in self._noted:
            noted.add(EVERYTHING)
        for lease in self._leases.values():
            self.drop(lease)

    def close_older(self, seconds: float) -> None:
        """Close what has not been confirmed for `seconds`."""
        for lease in self._leases.values():
            if self._clock.monotonic() - lease.confirmed >= seconds:
                lease.close()

    def confirm(self) -> None:
        """Note that `web` has just been heard, and had nothing against what is open."""
        now = self._clock.monotonic()
        for lease in self._leases.values():
            lease.confirmed = now

    def sweep(self) -> None:
        """Let go of leases that nothing stands on any more."""
        # A lease that was used a moment ago may be about to get its first connection.
        limit = self._clock.monotonic() - LONGEST
        old = [key for key, lease in self._leases.items() if lease.touched < limit and not lease.live]
        for key in old:
            if key not in self._asking:
                del self._leases[key]

    def _marked(self, mark: str) -> Iterable[Lease]:
        for noted in self._noted:
            noted.add(mark)
        return [lease for lease in self._leases.values() if mark in lease.marks]

    async def _ask_once(self, lease: Lease) -> Decision:
        key = lease.key
        question = self._asking.get(key)
        if question is None:
            question = asyncio.create_task(self._ask(lease))
            self._asking[key] = question
            question.add_done_callback(lambda _: self._asking.pop(key, None))
        # One visitor who goes away must not cancel the question of the others.
        return await asyncio.shield(question)

    async def _ask(self, lease: Lease) -> Decision:
        # 1. A question leaves; 2. a mark is revoked; 3. the answer, made before 2, arrives: it must not be kept.
        # So what is revoked meanwhile is noted, and the question asked again if the answer carries it.
        for _ in range(ATTEMPTS):
            noted: set[str] = set()
            self._noted.append(noted)
            try:
                decision = await self._answer(lease)
            finally:
                self._noted.remove(noted)
            if noted.isdisjoint(decision.marks | {EVERYTHING}):
                return self._keep(lease, decision)
        raise InternalError("what is decided about a visitor changes faster than it can be asked")

    async def _answer(self, lease: Lease) -> Decision:
        question = {
            "task": lease.task,
            "interface": lease.interface,
            "cookie": lease.presented.cookie,
            "token": lease.presented.token,
            "certificate": lease.presented.certificate,
        }
        status, answer = await self._internal.post("/decide", question)
        if status != 200:
            raise InternalError(f"web answered {status} to a question about a visitor")
        try:
            return Decision.read(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InternalError("a decision of web is malformed") from error

    def _keep(self, lease: Lease, decision: Decision) -> Decision:
        now = self._clock.monotonic()
        lease.asked = lease.confirmed = now
        lease.marks = decision.marks
        if decision.outcome is Outcome.PASS:
            lease.decision = decision
            lease.until = now + decision.seconds
        elif decision.outcome is not Outcome.NOT_READY:
            # Whoever tries cookies at random leaves nothing behind here.
            lease.close()
            self._leases.pop(lease.key, None)
        return decision
