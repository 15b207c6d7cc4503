"""The SSH front door's questions: who comes, and what they may enter now."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from specola.clock import Clock
from specola.domain.errors import AccountDisabledError, DeniedError, MissingError, UnauthenticatedError
from specola.domain.person import Actor, Person, Scope
from specola.domain.task import Desired, Reason, Task, TaskState
from specola.services.admissions import Admission, is_stale
from specola.services.attempts import begin_attempt, forgive, subjects_of
from specola.services.people import People
from specola.storage.store import Store, Transaction

__all__ = ["Entered", "FrontDoor"]

WAITS = Reason(code="not_running", sentence="It is not running yet.", hint="Wait until it runs, then connect again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What one may do with a task at the front door: `reason` None says that one may enter it now.

    `ports` are those of its interfaces, and found ones, by their names; `marks` are what the right can be taken back by.
    """

    task: Task
    marks: tuple[str, ...]
    ports: Mapping[str, int] = field(default_factory=dict)
    reason: Reason | None = None


class FrontDoor:
    """Tells the front door whom it deals with. It never sees a database, and asks again for each channel."""

    def __init__(self, *, store: Store, clock: Clock, people: People) -> None:
        self._store = store
        self._clock = clock
        self._people = people

    async def by_key(self, fingerprint: str) -> Admission:
        """Return whose account a public key is on. Raises UnauthenticatedError, DeniedError."""
        async with self._store.read() as transaction:
            found = await transaction.keys.by_fingerprint(fingerprint)
        if found is None:
            raise UnauthenticatedError("That key is on no account.", hint="Add it on your account's page.")
        return await self._of_key(found[0].id)

    async def by_certificate(self, serial: int, fingerprint: str) -> Admission:
        """Return for whom a certificate of that number was issued. Raises UnauthenticatedError, DeniedError.

        Parameters
        ----------
        fingerprint
            Of the key that is certified.
        """
        async with self._store.read() as transaction:
            found = await transaction.keys.certificate(serial)
        if found is None or found[0].fingerprint != fingerprint:
            raise UnauthenticatedError("That certificate was taken back.", hint="Ask for another: specola login")
        return await self._of_certificate(serial, live=False)

    async def by_token(self, secret: str, *, address: str) -> Admission:
        """Return whom a token stands for that was given as a password; failures are limited by address.

        Raises
        ------
        UnauthenticatedError, DeniedError
            It is unknown, expired, revoked, or not for reaching tasks.
        TooManyAttemptsError
            The address has to wait.
        """
        subjects = subjects_of(None, address)
        async with self._store.write() as transaction:
            await begin_attempt(transaction, subjects, now=self._clock.now())
        admission = _connecting(await self._people.admitted(token=secret))
        async with self._store.write() as transaction:
            await forgive(transaction, subjects)
        return admission

    async def enter(self, came_by: str, task: str, *, live: bool = False) -> Entered:
        """Tell whether somebody may enter a task now.

        Parameters
        ----------
        came_by
            The mark of what they came with: `key:…`, `certificate:…` or `token:…`.
        task
            Its id or its name.
        live
            They are in it already: a certificate that has expired since ends nothing.

        Raises
        ------
        UnauthenticatedError, DeniedError
            What they came with is no longer good.
        MissingError
            There is no such task of theirs.
        """
        actor = (await self._came_by(came_by, live=live)).actor
        async with self._store.read() as transaction:
            found = await _own(transaction, actor.person, task)
            others = (await transaction.found.of([found.id])).get(found.id, ())
        marks = (*actor.marks, f"task:{found.id}")
        if found.state is TaskState.RUNNING and found.desired is Desired.RUNNING and found.handle is not None:
            ports = {interface.name: interface.port for interface in found.release.interfaces}
            return Entered(task=found, marks=marks, ports=ports | {one.name: one.port for one in others})
        return Entered(task=found, marks=marks, reason=_reason(found))

    async def _came_by(self, mark: str, *, live: bool) -> Admission:
        kind, _, name = mark.partition(":")
        if kind == "key":
            return await self._of_key(name, used=True)
        if kind == "certificate" and name.isascii() and name.isdecimal():
            return await self._of_certificate(int(name), live=live)
        if kind == "token":
            return _connecting(await self._people.admitted(token_id=name))
        raise UnauthenticatedError

    async def _of_key(self, key: str, *, used: bool = False) -> Admission:
        async with self._store.read() as transaction:
            found = await transaction.keys.get(key)
        if found is None:
            raise UnauthenticatedError("That key was removed.", hint="Add it on your account's page.")
        known, person = found
        admission = await self._hung_on(person, token=known.token)
        now = self._clock.now()
        if used and (known.last_used is None or is_stale(known.last_used, now)):
            async with self._store.write() as transaction:
                await transaction.keys.touch(known.id, last_used=now)
                await transaction.people.see(person.id, now)
        return replace(admission, actor=replace(admission.actor, key=known.id))

    async def _of_certificate(self, serial: int, *, live: bool) -> Admission:
        async with self._store.read() as transaction:
            found = await transaction.keys.certificate(serial)
        if found is None:
            raise UnauthenticatedError("That certificate was taken back.", hint="Ask for another: specola login")
        known, person = found
        if known.expires <= self._clock.now() and not live:
            raise UnauthenticatedError("That certificate has expired.", hint="Ask for another: specola login")
        admission = await self._hung_on(person, session=known.session, token=known.token)
        expires = _earlier(known.expires, admission.expires)
        return Admission(actor=replace(admission.actor, certificate=str(serial)), expires=expires)

    async def _hung_on(self, person: Person, *, session: str | None = None, token: str | None = None) -> Admission:
        """Return the person, as far as the session or the token still stands that this hangs on."""
        if session is None and token is None:
            if person.disabled:
                raise AccountDisabledError
            return Admission(actor=Actor(person=person, scopes=frozenset({Scope.CONNECT})), expires=None)
        admission = _connecting(await self._people.admitted(session=session, token_id=token))
        return replace(admission, actor=replace(admission.actor, scopes=frozenset({Scope.CONNECT})))


async def _own(transaction: Transaction, person: Person, name: str) -> Task:
    """Return a person's task. Only the owner may enter: an administrator just sees it."""
    task = (await transaction.tasks.known([name])).get(name)
    if task is not None and task.owner == person.id and task.desired is not Desired.DELETED:
        return task
    named = await transaction.tasks.named(person.id, name)
    if not named:
        raise MissingError("task", name)
    return next((one for one in named if one.is_live), named[0])


def _connecting(admission: Admission) -> Admission:
    if not admission.actor.may(Scope.CONNECT):
        raise DeniedError("This token does not open tasks.", hint="Make one with the scope “connect”.")
    return admission


def _reason(task: Task) -> Reason:
    if task.state is TaskState.RUNNING and task.desired is not Desired.RUNNING:
        return Reason(code="stopping", sentence="It is being stopped.", hint="Start it again, then connect.")
    if not task.is_live:
        sentence = f"It has ended: {task.reason.sentence}"
        return Reason(code=task.reason.code, sentence=sentence, hint="Start it again, then connect.")
    return Reason(code=WAITS.code, sentence=f"{WAITS.sentence} {task.reason.sentence}", hint=WAITS.hint)


def _earlier(one: datetime, other: datetime | None) -> datetime:
    return one if other is None else min(one, other)
