"""Access: who may reach which interface of which task, and how a browser is handed over to a task's origin."""

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from specola.clock import Clock
from specola.domain.errors import (
    DeniedError,
    InvalidError,
    LinkEndedError,
    MissingError,
    SignInError,
    UnauthenticatedError,
)
from specola.domain.link import LinkId
from specola.domain.person import Actor, Scope
from specola.domain.placeholders import fill
from specola.domain.software import CredentialWay, Interface, Protocol
from specola.domain.task import Endpoint, Task
from specola.domain.use import Carried
from specola.secrets import Sealer, hashed
from specola.services.addresses import Addresses
from specola.services.admissions import LONGEST_SESSION, Admission
from specola.services.endpoints import Endpoints, enterable
from specola.services.links import standing
from specola.services.people import People
from specola.storage.access import Code, Entrance
from specola.storage.store import Store, Transaction

__all__ = ["Access", "Decision", "Entry", "Outcome", "Presented", "Traffic"]

CODE_LIFE = timedelta(seconds=30)
DECISION_SECONDS = 60.0
# Two tabs may be let in at the same time, and the browser keeps the cookie of either.
TABS_APART = timedelta(minutes=1)

NONCE = re.compile(r"[0-9a-f]{64}")
# What a browser puts into a request line. One slash, then not a second one; a backslash counts as a slash in browsers;
# control characters are dropped by them, and end a header here.
PATH = re.compile(r"/(?!/)[!-\[\]-~]{0,4095}")
OURS = "/.specola/"


class Outcome(StrEnum):
    """What the gateway is to do with a request to a task's origin."""

    PASS = "pass"  # noqa: S105 - a verb
    NOT_READY = "not_ready"
    SIGN_IN = "sign_in"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What a visitor came with: the task origin's cookie, a platform token, or the serial number of a certificate."""

    cookie: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    certificate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer for one visitor and one interface; `seconds` it may be kept (NOT_READY: 0).

    `marks` are the names under which it can be revoked: `session:…`, `token:…`, `person:…`, `task:…`,
    `link:…`, `certificate:…`.
    `add` is what the gateway puts into each request: ("header"|"query"|"cookie", name, value), and what it signs in to a
    desktop with: ("rfb", "password", value). `person` of a guest is the link's mark.
    """

    outcome: Outcome
    person: str | None = None
    task: Task | None = None
    interface: Interface | None = None
    endpoint: Endpoint | None = None
    add: tuple[tuple[str, str, str], ...] = ()
    marks: tuple[str, ...] = ()
    seconds: float = 0
    view_only: bool = False
    """Whether the visitor may look and not act: a guest, who came by a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A browser that has been let into a task's origin; `cookie` is shown this once."""

    cookie: str = field(repr=False)
    seconds: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes carried for one interface since the last report; `used`: some of it was a use.

    Without interface and person it says that the task computes.
    """

    task: str
    interface: str
    person: str
    received: int
    sent: int
    used: bool


class Access:
    """One authorisation for every way into a task: only its owner, by a browser let in before or by a token."""

    def __init__(
        self, *, store: Store, clock: Clock, people: People, addresses: Addresses, sealer: Sealer, endpoints: Endpoints
    ) -> None:
        self._store = store
        self._clock = clock
        self._people = people
        self._addresses = addresses
        self._sealer = sealer
        self._endpoints = endpoints

    async def decide(self, task: str, interface: str, presented: Presented) -> Decision:
        """Decide about a visitor. What one may not see is missing; an unknown visitor is asked to sign in.

        Notes
        -----
        An unknown visitor learns nothing, not even whether the task exists. A token without the scope `connect` opens
        no task, so its bearer is asked for a better one.
        """
        try:
            entrance = await self._entrance(task, interface, presented)
            if entrance is not None and entrance.link is not None:
                return await self._shown(entrance.link)
            admission = await self._admitted(entrance, presented)
        except (UnauthenticatedError, DeniedError):
            return Decision(outcome=Outcome.SIGN_IN)
        async with self._store.read() as transaction:
            try:
                found, which = await enterable(transaction, admission.actor, task, interface)
            except MissingError:
                return Decision(outcome=Outcome.MISSING, person=admission.actor.person.id)
            sealed = await transaction.tasks.credential(found.id)
            endpoint = await self._endpoints.of(transaction, found, which)
        marks = _marks(admission.actor, found, presented)
        if endpoint is None:
            return Decision(
                outcome=Outcome.NOT_READY, person=found.owner, task=found, interface=which, marks=marks, seconds=0
            )
        return Decision(
            outcome=Outcome.PASS,
            person=found.owner,
            task=found,
            interface=which,
            endpoint=endpoint,
            add=self._added(found, which, sealed),
            marks=marks,
            seconds=self._seconds(admission.expires),
        )

    async def hand_over(self, actor: Actor, *, task: str, interface: str, nonce: str, path: str) -> str:
        """Make a single-use code (30 s) bound to session, task, interface, nonce and origin; return where to go.

        Parameters
        ----------
        nonce
            The SHA-256, in hex, of the nonce cookie that the gateway set.
        path
            Where the visitor wanted to go on the task's origin: a path with its query, beginning with one slash.

        Raises
        ------
        UnauthenticatedError
            The actor has no session, which the browser's entry would hang on.
        MissingError
            There is no such interface, or the task is another's.
        InvalidError
            `nonce` is no hash, or `path` could lead away from the task's origin.
        """
        if actor.session is None:
            raise UnauthenticatedError("A browser that is signed in is needed.")
        _check_way(nonce, path)
        async with self._store.write() as transaction:
            found, which = await enterable(transaction, actor, task, interface)
            if await transaction.sessions.get(actor.session) is None:
                raise UnauthenticatedError("Your session has ended.", hint="Sign in again.")
            entrance = Entrance(session=actor.session, task=found.id, interface=which.name)
            return await self._coded(transaction, entrance, nonce=nonce, path=path)

    async def hand_over_guest(self, secret: str, *, task: str, interface: str, nonce: str) -> str:
        """Make a single-use code for a guest who came with the secret of a link; return where to go.

        Raises
        ------
        LinkEndedError
            The link does not let anybody in any more.
        MissingError
            It shows something else.
        InvalidError
            `nonce` is no hash.
        """
        _check_way(nonce, "/")
        async with self._store.write() as transaction:
            known = await transaction.links.by_secret(hashed(secret))
            stands = await standing(transaction, known.id, clock=self._clock) if known else None
            if stands is None:
                raise LinkEndedError
            link, _ = stands
            if (link.task, link.interface) != (task, interface):
                raise MissingError("task", task)
            entrance = Entrance(link=link.id, task=link.task, interface=link.interface)
            return await self._coded(transaction, entrance, nonce=nonce, path="/")

    async def _coded(self, transaction: Transaction, entrance: Entrance, *, nonce: str, path: str) -> str:
        """Keep a fresh code for somebody who may enter; return the address that spends it."""
        secret, now = self._clock.new_secret(), self._clock.now()
        origin = self._addresses.origin(entrance.task, entrance.interface)
        code = Code(entrance=entrance, nonce=nonce, origin=origin, path=path, expires=now + CODE_LIFE)
        await transaction.access.add_code(code, secret=hashed(secret), now=now)
        return f"{origin}{OURS}enter?code={secret}"

    async def redeem(self, code: str, *, nonce: str, task: str, interface: str) -> Entry:
        """Spend a code; the gateway sets the cookie. Raises SignInError: unknown, spent, late, or another's.

        Notes
        -----
        A code that does not fit is spent as well: whoever tries a stolen one has one attempt, and it fails.
        """
        async with self._store.write() as transaction:
            spent = await transaction.access.spend_code(hashed(code))
            entry = None
            if spent is not None and self._fits(spent, nonce=nonce, task=task, interface=interface):
                entry = await self._enter(transaction, spent)
        # Raised after the commit, which an error inside would undo.
        if entry is None:
            raise SignInError("This way into the task is spent or too old.", hint="Open the task from its page again.")
        return entry

    async def note_traffic(self, traffic: Sequence[Traffic]) -> None:
        """Add what a gateway carried to the tasks' counters; tasks without a record are passed over."""
        now = self._clock.now()
        carried = [
            Carried(
                task=one.task,
                interface=one.interface,
                person=one.person,
                received=one.received,
                sent=one.sent,
                last_used=now if one.used else None,
            )
            for one in traffic
        ]
        if carried:
            async with self._store.write() as transaction:
                await transaction.access.add_traffic(carried)

    async def _entrance(self, task: str, interface: str, presented: Presented) -> Entrance | None:
        """Return what a visitor's cookie stands for; None: a token or a certificate came. Raises UnauthenticatedError."""
        if presented.token is not None or presented.certificate is not None:
            return None
        if presented.cookie is None:
            raise UnauthenticatedError
        async with self._store.read() as transaction:
            entrance = await transaction.access.entry(hashed(presented.cookie))
        # A cookie is good where it was set: one task's script cannot use another's.
        if entrance is None or (entrance.task, entrance.interface) != (task, interface):
            raise UnauthenticatedError
        return entrance

    async def _admitted(self, entrance: Entrance | None, presented: Presented) -> Admission:
        """Return who the visitor is. Raises UnauthenticatedError, DeniedError."""
        if entrance is not None:
            return await self._people.admitted(session=entrance.session)
        if presented.certificate is not None:
            return await self._certified(presented.certificate)
        admission = await self._people.admitted(token=presented.token)
        if not admission.actor.may(Scope.CONNECT):
            raise DeniedError("This token does not open tasks.")
        return admission

    async def _shown(self, link: LinkId) -> Decision:
        """Decide about a guest, who sees a desktop while there is one and learns nothing else."""
        async with self._store.read() as transaction:
            stands = await standing(transaction, link, clock=self._clock)
            if stands is None:
                return Decision(outcome=Outcome.MISSING)
            shown, task = stands
            which = task.release.interface(shown.interface)
            endpoint = await self._endpoints.of(transaction, task, which) if which else None
            sealed = await transaction.tasks.credential(task.id)
        if which is None or endpoint is None:
            return Decision(outcome=Outcome.MISSING)
        made_with = (f"token:{shown.token}",) if shown.token else ()
        return Decision(
            outcome=Outcome.PASS,
            person=shown.mark,
            task=task,
            interface=which,
            endpoint=endpoint,
            add=self._added(task, which, sealed),
            marks=(shown.mark, *made_with, f"person:{shown.person}", f"task:{task.id}"),
            seconds=self._seconds(shown.expires),
            view_only=True,
        )

    async def _certified(self, serial: str) -> Admission:
        """Return who shows a certificate, which the gateway has checked: its row says whether it is still good."""
        async with self._store.read() as transaction:
            certificate = await transaction.certificates.get(serial)
        if certificate is None:
            raise UnauthenticatedError
        admission = await self._people.admitted_by(certificate)
        if not admission.actor.may(Scope.CONNECT):
            raise DeniedError("This certificate does not open tasks.")
        return admission

    def _fits(self, code: Code, *, nonce: str, task: str, interface: str) -> bool:
        """Tell whether a code is brought in time, by the browser it was made for, to where it was made for."""
        return (
            self._clock.now() < code.expires
            and hmac.compare_digest(code.nonce.encode(), nonce.encode("utf-8", "replace"))
            and (code.entrance.task, code.entrance.interface) == (task, interface)
            and code.origin == self._addresses.origin(task, interface)
        )

    async def _enter(self, transaction: Transaction, code: Code) -> Entry | None:
        """Let a browser in, if its session or its link, and the right of it, are still there."""
        now, cookie = self._clock.now(), self._clock.new_secret()
        entrance = code.entrance
        until = await self._longest(transaction, entrance)
        if until is None:
            return None
        await transaction.access.add_entry(entrance, cookie=hashed(cookie), at=now, superseded=now - TABS_APART)
        return Entry(cookie=cookie, seconds=max(1, int((until - now).total_seconds())), path=code.path)

    async def _longest(self, transaction: Transaction, entrance: Entrance) -> datetime | None:
        """Return until when an entry may last at most; None: there is no right to it any more.

        The cookie alone is worth nothing once its session or its link has ended.
        """
        if entrance.session is None:
            stands = await standing(transaction, entrance.link or "", clock=self._clock)
            return stands[0].expires if stands else None
        found = await transaction.sessions.get(entrance.session)
        if found is None or found[0].expires <= self._clock.now() or found[1].disabled:
            return None
        session, person = found
        task = (await transaction.tasks.known([entrance.task])).get(entrance.task)
        return session.created + LONGEST_SESSION if task is not None and task.owner == person.id else None

    def _added(self, task: Task, interface: Interface, sealed: bytes) -> tuple[tuple[str, str, str], ...]:
        """Return what logs the visitor in to the application."""
        use = interface.credential
        if use is None and interface.protocol is not Protocol.RFB:
            return ()
        credential = self._sealer.open(sealed, purpose=f"task {task.id}")
        if use is None:
            return (("rfb", "password", credential),)
        text = fill(use.template, credential=credential, parameters={})
        if use.way is CredentialWay.BASIC:
            return (("header", "Authorization", "Basic " + base64.b64encode(text.encode()).decode()),)
        name, _, value = text.partition(":" if use.way is CredentialWay.HEADER else "=")
        return ((use.way.value, name.strip(), value.strip()),)

    def _seconds(self, expires: datetime | None) -> float:
        if expires is None:
            return DECISION_SECONDS
        return max(0.0, min(DECISION_SECONDS, (expires - self._clock.now()).total_seconds()))


def _check_way(nonce: str, path: str) -> None:
    if not NONCE.fullmatch(nonce):
        raise InvalidError("The nonce is not a SHA-256 in hex.", hint="Open the task from its page.", field="nonce")
    if not PATH.fullmatch(path) or path.startswith(OURS):
        raise InvalidError("That is not a path on the task.", hint="Open the task from its page.", field="path")


def _marks(actor: Actor, task: Task, presented: Presented) -> tuple[str, ...]:
    came_with = f"session:{actor.session}" if actor.session else f"token:{actor.token}"
    shown = (f"certificate:{presented.certificate}",) if presented.certificate else ()
    return (*shown, came_with, f"person:{actor.person.id}", f"task:{task.id}")
