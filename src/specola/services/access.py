"""Access: who may reach which interface of which task, and how a browser is handed over to a task's origin."""

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from specola.clock import Clock
from specola.domain.computing import Capability
from specola.domain.errors import DeniedError, InvalidError, MissingError, SignInError, UnauthenticatedError
from specola.domain.person import Actor, Scope
from specola.domain.placeholders import fill
from specola.domain.software import TERMINAL, CredentialUse, CredentialWay, Interface
from specola.domain.task import Desired, Endpoint, Task, TaskState
from specola.secrets import Sealer, hashed
from specola.services.addresses import Addresses
from specola.services.admissions import LONGEST_SESSION, Admission
from specola.services.people import People
from specola.storage.access import Carried, Code, Entrance
from specola.storage.store import Store, Transaction

__all__ = ["Access", "Decision", "Entry", "Outcome", "Presented", "Traffic"]

CODE_LIFE = timedelta(seconds=30)
DECISION_SECONDS = 60.0
# Two tabs may be let in at the same time, and the browser keeps the cookie of either.
TABS_APART = timedelta(minutes=1)

TASK = re.compile(r"[0-9a-z]{8,12}")
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

    `marks` are the names under which it can be revoked: `session:…`, `token:…`, `certificate:…`, …
    `add` is what the gateway puts into each request: ("header"|"query"|"cookie", name, value).
    """

    outcome: Outcome
    person: str | None = None
    task: Task | None = None
    interface: Interface | None = None
    endpoint: Endpoint | None = None
    add: tuple[tuple[str, str, str], ...] = ()
    marks: tuple[str, ...] = ()
    seconds: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A browser that has been let into a task's origin; `cookie` is shown this once."""

    cookie: str = field(repr=False)
    seconds: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes carried for one interface since the last report; `used`: at least one request counts as use."""

    task: str
    interface: str
    person: str
    received: int
    sent: int
    used: bool


class Access:
    """One authorisation for every way into a task: only its owner, by a browser let in before or by a token."""

    def __init__(
        self, *, store: Store, clock: Clock, people: People, addresses: Addresses, sealer: Sealer, terminals: Path
    ) -> None:
        self._store = store
        self._clock = clock
        self._people = people
        self._addresses = addresses
        self._sealer = sealer
        self._terminals = Endpoint(path=str(terminals))

    async def decide(self, task: str, interface: str, presented: Presented) -> Decision:
        """Decide about a visitor. What one may not see is missing; an unknown visitor is asked to sign in.

        Notes
        -----
        An unknown visitor learns nothing, not even whether the task exists. A token without the scope `connect` opens
        no task, so its bearer is asked for a better one.
        """
        try:
            admission = await self._admitted(task, interface, presented)
        except (UnauthenticatedError, DeniedError):
            return Decision(outcome=Outcome.SIGN_IN)
        async with self._store.read() as transaction:
            try:
                found, which = await _enterable(transaction, admission.actor, task, interface)
            except MissingError:
                return Decision(outcome=Outcome.MISSING)
            sealed = await transaction.tasks.credential(found.id)
            endpoint = await self._endpoint(transaction, found, which)
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
            add=self._added(found, which.credential, sealed),
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
        if not NONCE.fullmatch(nonce):
            raise InvalidError("The nonce is not a SHA-256 in hex.", hint="Open the task from its page.", field="nonce")
        if not PATH.fullmatch(path) or path.startswith(OURS):
            raise InvalidError("That is not a path on the task.", hint="Open the task from its page.", field="path")
        secret, now = self._clock.new_secret(), self._clock.now()
        async with self._store.write() as transaction:
            found, which = await _enterable(transaction, actor, task, interface)
            origin = self._addresses.origin(found.id, which.name)
            entrance = Entrance(session=actor.session, task=found.id, interface=which.name)
            if await transaction.sessions.get(actor.session) is None:
                raise UnauthenticatedError("Your session has ended.", hint="Sign in again.")
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

    async def _admitted(self, task: str, interface: str, presented: Presented) -> Admission:
        """Return who the visitor is. Raises UnauthenticatedError, DeniedError."""
        if presented.token is not None:
            admission = await self._people.admitted(token=presented.token)
            if not admission.actor.may(Scope.CONNECT):
                raise DeniedError("This token does not open tasks.")
            return admission
        if presented.certificate is not None:
            return await self._certified(presented.certificate)
        if presented.cookie is None:
            raise UnauthenticatedError
        async with self._store.read() as transaction:
            entrance = await transaction.access.entry(hashed(presented.cookie))
        # A cookie is good where it was set: one task's script cannot use another's.
        if entrance is None or (entrance.task, entrance.interface) != (task, interface):
            raise UnauthenticatedError
        return await self._people.admitted(session=entrance.session)

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

    async def _endpoint(self, transaction: Transaction, task: Task, interface: Interface) -> Endpoint | None:
        """Return where an interface is reached; None while it cannot be."""
        if task.state is not TaskState.RUNNING or task.desired is not Desired.RUNNING:
            return None
        if interface is TERMINAL:
            return self._terminals if await has_terminal(transaction, task) else None
        state = task.interface(interface.name)
        return state.endpoint if state is not None and state.ready else None

    def _fits(self, code: Code, *, nonce: str, task: str, interface: str) -> bool:
        """Tell whether a code is brought in time, by the browser it was made for, to where it was made for."""
        return (
            self._clock.now() < code.expires
            and hmac.compare_digest(code.nonce.encode(), nonce.encode("utf-8", "replace"))
            and (code.entrance.task, code.entrance.interface) == (task, interface)
            and code.origin == self._addresses.origin(task, interface)
        )

    async def _enter(self, transaction: Transaction, code: Code) -> Entry | None:
        """Let a browser in, if its session and its right are still there."""
        now, cookie = self._clock.now(), self._clock.new_secret()
        found = await transaction.sessions.get(code.entrance.session)
        if found is None or found[0].expires <= now or found[1].disabled:
            return None
        session, person = found
        task = (await transaction.tasks.known([code.entrance.task])).get(code.entrance.task)
        if task is None or task.owner != person.id:
            return None
        await transaction.access.add_entry(code.entrance, cookie=hashed(cookie), at=now, superseded=now - TABS_APART)
        # As long as the session may last at most: the cookie alone is worth nothing once the session has ended.
        seconds = int((session.created + LONGEST_SESSION - now).total_seconds())
        return Entry(cookie=cookie, seconds=max(1, seconds), path=code.path)

    def _added(self, task: Task, use: CredentialUse | None, sealed: bytes) -> tuple[tuple[str, str, str], ...]:
        """Return what logs the visitor in to the application."""
        if use is None:
            return ()
        credential = self._sealer.open(sealed, purpose=f"task {task.id}")
        text = fill(use.template, credential=credential, parameters={})
        if use.way is CredentialWay.BASIC:
            return (("header", "Authorization", "Basic " + base64.b64encode(text.encode()).decode()),)
        name, _, value = text.partition(":" if use.way is CredentialWay.HEADER else "=")
        return ((use.way.value, name.strip(), value.strip()),)

    def _seconds(self, expires: datetime | None) -> float:
        if expires is None:
            return DECISION_SECONDS
        return max(0.0, min(DECISION_SECONDS, (expires - self._clock.now()).total_seconds()))


async def _enterable(transaction: Transaction, actor: Actor, task: str, interface: str) -> tuple[Task, Interface]:
    """Return a task that the actor may enter, and the interface. Only the owner may: an administrator just sees it."""
    found = (await transaction.tasks.known([task])).get(task) if TASK.fullmatch(task) else None
    which = (TERMINAL if interface == TERMINAL.name else found.release.interface(interface)) if found else None
    if found is None or which is None or found.owner != actor.person.id or found.desired is Desired.DELETED:
        raise MissingError("task", task)
    return found, which


async def has_terminal(transaction: Transaction, task: Task) -> bool:
    """Tell whether the computing of a task can run commands inside it."""
    try:
        computing = await transaction.computings.get(task.computing)
    except MissingError:
        return False
    probe = computing.state.probe
    return probe is not None and Capability.EXECUTE in probe.capabilities


def _marks(actor: Actor, task: Task, presented: Presented) -> tuple[str, ...]:
    came_with = f"session:{actor.session}" if actor.session else f"token:{actor.token}"
    shown = (f"certificate:{presented.certificate}",) if presented.certificate else ()
    return (*shown, came_with, f"person:{actor.person.id}", f"task:{task.id}")
