"""People: accounts, signing in, invitations, sessions, tokens."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from specola.clock import Clock
from specola.domain.accounts import LONGEST_PASSWORD, is_name, tidy, valid_name, valid_password
from specola.domain.certificate import Certificate
from specola.domain.errors import (
    ConflictError,
    DeniedError,
    InvalidError,
    LimitError,
    MissingError,
    NameTakenError,
    SignInError,
    UnauthenticatedError,
)
from specola.domain.person import Actor, Invitation, Person, PersonId, Role, Scope, Session, Token
from specola.ports.identity import Passwords
from specola.secrets import hashed
from specola.services.admissions import Admission, Admissions, Client, Shown, scopes_of
from specola.services.attempts import begin_attempt, forgive, subjects_of
from specola.services.rights import administrator, by_hand, may, named, not_the_last
from specola.storage.store import Store, Transaction

__all__ = ["Client", "People", "Shown"]

FIRST_NAME = "admin"
TOKEN_PREFIX = "specola_"  # noqa: S105 - so that scanners find tokens that were published by mistake
MOST_TOKENS = 100


class People:
    """Everything that is done with accounts. Secrets are stored hashed; time and ids come from the clock."""

    def __init__(self, *, store: Store, clock: Clock, passwords: Passwords, session_life: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._admissions = Admissions(store=store, clock=clock, session_life=session_life)

    # -- signing in -------------------------------------------------------------------------------------------------

    async def sign_in(self, name: str, password: str, *, client: Client) -> Shown[Session]:
        """Sign in with a local account. Raises SignInError, AccountDisabledError, TooManyAttemptsError."""
        known = name if is_name(name) else None
        subjects = subjects_of(known, client.address)
        async with self._store.write() as transaction:
            await begin_attempt(transaction, subjects, now=self._clock.now())
            person = await transaction.people.named(known) if known else None
            kept = await transaction.people.password(person.id) if person else None
        # Outside of the transaction: it takes long, and as long for a name that nobody has.
        right = await self._passwords.matches(password[: LONGEST_PASSWORD + 1], kept)
        if not right or person is None or kept is None:
            raise SignInError
        fresh = await self._passwords.hash(password) if self._passwords.is_outdated(kept) else kept
        async with self._store.write() as transaction:
            if await transaction.people.password(person.id) != kept:
                raise SignInError  # changed while we compared
            if fresh != kept:
                await transaction.people.set_password(person.id, fresh)
            await forgive(transaction, subjects)
            return await self._admissions.open(transaction, await transaction.people.get(person.id), client)

    async def sign_in_by_link(self, secret: str, *, client: Client) -> Shown[Session]:
        """Spend a one-time sign-in link. Raises SignInError."""
        async with self._store.write() as transaction:
            person = await transaction.people.spend_link(hashed(secret), now=self._clock.now())
            if person is None:
                raise SignInError("That link is unknown, spent or too old.", hint="Ask for another one.")
            return await self._admissions.open(transaction, person, client)

    async def sign_out(self, actor: Actor) -> None:
        """End the actor's own session, and with it everything that was entered by it; silent if there is none."""
        if actor.session is not None:
            async with self._store.write() as transaction:
                await transaction.sessions.end(actor.person.id, actor.session)

    async def actor_of_session(self, secret: str) -> Actor:
        """Return who a session secret stands for; note when it was last seen, at most once a minute.

        Raises UnauthenticatedError.
        """
        return (await self._admissions.of_session(secret)).actor

    async def actor_of_token(self, secret: str) -> Actor:
        """Return who a platform token (`specola_…`) stands for. Raises UnauthenticatedError."""
        return (await self._admissions.of_token(secret)).actor

    async def admitted(
        self, *, session: str | None = None, token: str | None = None, token_id: str | None = None
    ) -> Admission:
        """Return who the id of a session, else the secret or the id of a token, stands for, and until when.

        Raises UnauthenticatedError.
        """
        if session is not None:
            return await self._admissions.of_session_id(session)
        if token is not None:
            return await self._admissions.of_token(token)
        if token_id is not None:
            return await self._admissions.of_token_id(token_id)
        raise UnauthenticatedError

    async def admitted_by(self, certificate: Certificate) -> Admission:
        """Return who a client certificate stands for: whoever its session or its token does, until either ends.

        Raises UnauthenticatedError.
        """
        if certificate.expires <= self._clock.now():
            raise UnauthenticatedError("The certificate has expired.", hint="Ask for another one: specola cert")
        if certificate.token is not None:
            admission = await self._admissions.of_token_id(certificate.token)
        elif certificate.session is not None:
            admission = await self._admissions.of_session_id(certificate.session)
        else:
            raise UnauthenticatedError
        ends = certificate.expires if admission.expires is None else min(admission.expires, certificate.expires)
        return replace(admission, expires=ends)

    async def actor_of(self, person: PersonId) -> Actor:
        """Return a person whom the gateway has let in, with all scopes.

        Raises UnauthenticatedError: unknown or disabled.
        """
        async with self._store.read() as transaction:
            try:
                found = await transaction.people.get(person)
            except MissingError as error:
                raise UnauthenticatedError from error
        if found.disabled:
            raise UnauthenticatedError
        return Actor(person=found, scopes=scopes_of(found))

    async def actor_on_host(self, name: str) -> Actor:
        """Return a person as acted for by a command on the host, with all scopes. Raises MissingError."""
        async with self._store.read() as transaction:
            person = await named(transaction, name)
        return Actor(person=person, scopes=frozenset(Scope))

    # -- accounts ---------------------------------------------------------------------------------------------------

    async def create(self, name: str, *, full_name: str = "", role: Role = Role.PERSON) -> Person:
        """Make an account without a password. Raises InvalidError, NameTakenError. Called on the host."""
        async with self._store.write() as transaction:
            return await self._add(transaction, name, full_name=full_name, role=role)

    async def first_administrator(self) -> Person | None:
        """Return (made if need be) the administrator `admin` while nobody has ever signed in, else None."""
        async with self._store.write() as transaction:
            if await transaction.people.anybody_seen():
                return None
            person = await transaction.people.named(FIRST_NAME)
            if person is None:
                return await self._add(transaction, FIRST_NAME, full_name="", role=Role.ADMINISTRATOR)
            return person if person.is_administrator and not person.disabled else None

    async def sign_in_link(self, name: str, *, life: timedelta = timedelta(days=1)) -> Shown[Person]:
        """Make a one-time sign-in link for a person; earlier unspent ones die. Called on the host."""
        async with self._store.write() as transaction:
            return await self._make_link(transaction, name, life)

    async def list(self, actor: Actor) -> Sequence[Person]:
        """Return everybody, by name. Administrators only (DeniedError)."""
        async with self._store.read() as transaction:
            await administrator(transaction, actor)
            return await transaction.people.all()

    async def set_role(self, actor: Actor, name: str, role: Role) -> Person:
        """Change a role. Administrators only; the last enabled administrator keeps theirs (ConflictError)."""
        async with self._store.write() as transaction:
            await administrator(transaction, actor)
            person = await named(transaction, name)
            if role is not Role.ADMINISTRATOR:
                await not_the_last(transaction, person)
            changed = replace(person, role=role)
            await transaction.people.save(changed)
            return changed

    async def set_disabled(self, actor: Actor, name: str, *, disabled: bool) -> Person:
        """Switch an account off or on; off ends its sessions and tokens at once. Not the last administrator's."""
        async with self._store.write() as transaction:
            await administrator(transaction, actor)
            person = await named(transaction, name)
            if disabled == (person.disabled is not None):
                return person
            changed = replace(person, disabled=self._clock.now() if disabled else None)
            if disabled:
                await not_the_last(transaction, person)
                await transaction.sessions.end_all(person.id)
                await transaction.sessions.end_tokens(person.id)
                await transaction.people.drop_link(person.id)
                transaction.changes.revoke(f"person:{person.id}")
            await transaction.people.save(changed)
            return changed

    async def link_for(self, actor: Actor, name: str) -> Shown[Person]:
        """Make a one-time sign-in link for somebody, as an administrator. Raises DeniedError: a token came."""
        by_hand(actor, "make sign-in links")
        async with self._store.write() as transaction:
            await administrator(transaction, actor)
            return await self._make_link(transaction, name, timedelta(days=1))

    async def change_password(self, actor: Actor, *, current: str, wanted: str) -> None:
        """Set a password (at least 10 characters); `current` is asked if there is one. Other sessions end.

        Raises InvalidError, SignInError (`current` is wrong), TooManyAttemptsError, DeniedError (a token came).
        """
        by_hand(actor, "change the password")
        valid_password(wanted, name=actor.person.name)
        subjects = subjects_of(actor.person.name, "")
        async with self._store.write() as transaction:
            kept = await transaction.people.password(actor.person.id)
            if kept is not None:
                await begin_attempt(transaction, subjects, now=self._clock.now())
        if kept is not None and not await self._passwords.matches(current[: LONGEST_PASSWORD + 1], kept):
            raise SignInError("The current password is not right.", hint="Or ask for a sign-in link.")
        fresh = await self._passwords.hash(wanted)
        async with self._store.write() as transaction:
            if await transaction.people.password(actor.person.id) != kept:
                raise ConflictError("The password was changed meanwhile.", hint="Try again with the one set now.")
            await forgive(transaction, subjects)
            await transaction.people.set_password(actor.person.id, fresh)
            await transaction.people.drop_link(actor.person.id)
            await transaction.sessions.end_all(actor.person.id, but=actor.session)

    async def rename(self, actor: Actor, full_name: str) -> Person:
        """Change one's own full name (up to 100 characters). Raises DeniedError: a token came."""
        by_hand(actor, "change the account")
        async with self._store.write() as transaction:
            changed = replace(await transaction.people.get(actor.person.id), full_name=tidy(full_name, 100))
            await transaction.people.save(changed)
            return changed

    # -- invitations ------------------------------------------------------------------------------------------------

    async def invite(self, actor: Actor, *, role: Role, note: str, days: int = 7) -> Shown[Invitation]:
        """Make an invitation. Administrators only; a token invites no administrators. Raises InvalidError: not 1 to 90 days."""
        if role is Role.ADMINISTRATOR:
            by_hand(actor, "invite administrators")
        if not 1 <= days <= 90:
            raise InvalidError("An invitation lasts 1 to 90 days.", field="days")
        now, secret = self._clock.now(), self._clock.new_secret()
        invitation = Invitation(
            id=self._clock.new_id(16),
            role=role,
            note=tidy(note, 200),
            invited_by=actor.person.id,
            created=now,
            expires=now + timedelta(days=days),
        )
        async with self._store.write() as transaction:
            await administrator(transaction, actor)
            await transaction.people.add_invitation(invitation, secret=hashed(secret))
        return Shown(invitation, secret)

    async def invitations(self, actor: Actor) -> Sequence[Invitation]:
        """Return the open invitations. Administrators only."""
        async with self._store.read() as transaction:
            await administrator(transaction, actor)
            return await transaction.people.open_invitations(now=self._clock.now())

    async def withdraw(self, actor: Actor, invitation: str) -> None:
        """Take an open invitation back. Raises MissingError."""
        async with self._store.write() as transaction:
            await administrator(transaction, actor)
            for one in await transaction.people.open_invitations(now=self._clock.now()):
                if one.id == invitation:
                    return await transaction.people.remove_invitation(one)
            raise MissingError("open invitation", invitation)

    async def invitation(self, secret: str) -> Invitation:
        """Return the open invitation of that secret. Raises SignInError."""
        async with self._store.read() as transaction:
            return await self._open_invitation(transaction, secret)

    async def accept(self, secret: str, *, name: str, full_name: str, password: str, client: Client) -> Shown[Session]:
        """Make one's account by an invitation and sign in. Raises SignInError, InvalidError, NameTakenError."""
        # Asked before anything costly: without an invitation nobody makes us compute.
        await self.invitation(secret)
        kept = await self._passwords.hash(valid_password(password, name=valid_name(name)))
        async with self._store.write() as transaction:
            invitation = await self._open_invitation(transaction, secret)
            person = await self._add(transaction, name, full_name=full_name, role=invitation.role)
            await transaction.people.set_password(person.id, kept)
            await transaction.people.accept_invitation(invitation, person=person.id)
            return await self._admissions.open(transaction, person, client)

    # -- sessions and tokens ----------------------------------------------------------------------------------------

    async def sessions(self, actor: Actor) -> Sequence[Session]:
        """Return one's own sessions, the most recent first."""
        may(actor, Scope.READ)
        async with self._store.read() as transaction:
            return await transaction.sessions.of(actor.person.id, now=self._clock.now())

    async def end_session(self, actor: Actor, session: str) -> None:
        """End one of one's own sessions. Raises MissingError, DeniedError (a token came)."""
        by_hand(actor, "end sessions")
        async with self._store.write() as transaction:
            if not await transaction.sessions.end(actor.person.id, session):
                raise MissingError("session", session)

    async def tokens(self, actor: Actor) -> Sequence[Token]:
        """Return one's own tokens, the most recent first."""
        may(actor, Scope.READ)
        async with self._store.read() as transaction:
            return await transaction.sessions.tokens_of(actor.person.id)

    async def create_token(
        self, actor: Actor, *, name: str, scopes: frozenset[Scope], days: int | None
    ) -> Shown[Token]:
        """Make a token; its scopes may not exceed the actor's. `days` None: it does not expire.

        Raises
        ------
        InvalidError
            No name, no scope, or not 1 to 3650 days.
        DeniedError
            A scope that the actor has not; or the actor came with a token, which must not outlive itself in another.
        NameTakenError, LimitError
            There is one of that name, or there are a hundred.
        """
        by_hand(actor, "make tokens")
        label = tidy(name, 60)
        if not label or not scopes:
            raise InvalidError("A token has a name and at least one scope.", field="scopes" if label else "name")
        if days is not None and not 1 <= days <= 3650:
            raise InvalidError("A token lasts 1 to 3650 days, or for good.", field="days")
        if not scopes <= actor.scopes:
            raise DeniedError("A token cannot do more than you may.", hint="Leave out the scope you do not have.")
        now, secret = self._clock.now(), TOKEN_PREFIX + self._clock.new_secret()
        token = Token(
            id=self._clock.new_id(16),
            person=actor.person.id,
            name=label,
            scopes=scopes,
            created=now,
            expires=now + timedelta(days=days) if days is not None else None,
        )
        async with self._store.write() as transaction:
            await transaction.sessions.forget_expired(now=now)
            held = await transaction.sessions.tokens_of(actor.person.id)
            if any(one.name == label for one in held):
                raise NameTakenError("token", label)
            if len(held) >= MOST_TOKENS:
                raise LimitError("tokens", str(len(held) + 1), str(MOST_TOKENS), hint="Revoke those you do not need.")
            await transaction.sessions.add_token(token, secret=hashed(secret))
        return Shown(token, secret)

    async def revoke_token(self, actor: Actor, token: str) -> None:
        """End one of one's own tokens (by id or name); a token may end itself only. Raises MissingError, DeniedError."""
        async with self._store.write() as transaction:
            held = await transaction.sessions.tokens_of(actor.person.id)
            found = next((one for one in held if token in {one.id, one.name}), None)
            if found is None:
                raise MissingError("token", token)
            if found.id != actor.token:
                by_hand(actor, "revoke another one")
            await transaction.sessions.end_token(actor.person.id, found.id)

    # ---------------------------------------------------------------------------------------------------------------

    async def _add(self, transaction: Transaction, name: str, *, full_name: str, role: Role) -> Person:
        if await transaction.people.named(valid_name(name)):
            raise NameTakenError("person", name)
        person = Person(
            id=self._clock.new_id(),
            name=name,
            full_name=tidy(full_name, 100),
            role=role,
            number=await transaction.people.next_number(),
            created=self._clock.now(),
        )
        await transaction.people.add(person)
        return person

    async def _make_link(self, transaction: Transaction, name: str, life: timedelta) -> Shown[Person]:
        person = await named(transaction, name)
        if person.disabled:
            raise ConflictError(f"The account “{name}” is disabled.", hint="Enable it first.")
        secret = self._clock.new_secret()
        await transaction.people.set_link(person.id, secret=hashed(secret), expires=self._clock.now() + life)
        return Shown(person, secret)

    async def _open_invitation(self, transaction: Transaction, secret: str) -> Invitation:
        found = await transaction.people.open_invitation(hashed(secret), now=self._clock.now())
        if found is None:
            raise SignInError("That invitation is unknown, used or too old.", hint="Ask for another one.")
        return found
