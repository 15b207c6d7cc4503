"""Account links: people say which accounts on computings are theirs, and it is proven."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from specola.clock import Clock
from specola.domain.account_link import (
    CHALLENGE_LIFE,
    AccountKey,
    AccountLink,
    Proof,
    answers,
    authorized_line,
    challenge_line,
    check_seen,
    valid_account,
)
from specola.domain.computing import Computing
from specola.domain.errors import (
    AccountRefusedError,
    AccountTakenError,
    AccountUnprovenError,
    ConflictError,
    MissingError,
    TooManyAttemptsError,
    TooManyChecksError,
)
from specola.domain.person import Actor, Person, PersonId, Scope
from specola.hosts.config import HostSettings, Identity
from specola.openssh import new_pair
from specola.ports.connector import Connector
from specola.secrets import Sealer
from specola.services.accounts import OWN, host_of, is_shared
from specola.services.attempts import NAME, begin_attempt, forgive
from specola.services.places import place_for, usable
from specola.services.rights import administrator, may, named
from specola.storage.store import Store, Transaction

__all__ = ["AccountLinks", "Place", "Placed", "purpose_of"]

INSTALL = "Append the line to ~/.ssh/authorized_keys of that account, then check again."
TYPE = "Log in to that account yourself, run the line shown, then check again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A computing on which people have accounts of their own, and one person's there.

    Parameters
    ----------
    link
        What the person says; None: nothing yet.
    line
        What has to stand in `authorized_keys` of the account; empty: certificates open it.
    challenge
        What is typed there to prove the account; empty: nothing has to be.
    """

    computing: Computing
    identity: Identity
    link: AccountLink | None = None
    line: str = ""
    challenge: str = ""

    @property
    def is_proven(self) -> bool:
        """Whether the person's tasks can run here."""
        return self.link is not None and self.link.is_proven


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """All accounts of one computing, for administrators: whose, and the line of the shared one."""

    computing: Computing
    identity: Identity
    account: str
    line: str
    links: Sequence[tuple[Person, AccountLink]]


class AccountLinks:
    """Everything that is done with links. A link that only somebody's word stands for opens nothing.

    Parameters
    ----------
    sources
        Networks that the platform comes from, as hosts see it; empty: from anywhere.
    """

    def __init__(
        self, *, store: Store, clock: Clock, connector: Connector, sealer: Sealer, sources: Sequence[str] = ()
    ) -> None:
        self._store = store
        self._clock = clock
        self._connector = connector
        self._sealer = sealer
        self._sources = sources

    # -- one's own --------------------------------------------------------------------------------------------------

    async def places(self, actor: Actor) -> Sequence[Place]:
        """Return the computings where one's tasks run with one's own account, and which that is.

        Computings of one's own are among them whose tasks share an account: its key has to be let in there.
        """
        may(actor, Scope.READ)
        async with self._store.write() as tx:
            usual = {one.name for one in await usable(tx, actor)}
            links = {link.computing: link for link in await tx.account_links.of(actor.person.id)}
            found = []
            for computing in await tx.computings.all():
                host = host_of(computing)
                concerns = computing.name in usual or computing.name in links
                if host is not None and host.identity in OWN and concerns:
                    found.append(await self._place(tx, computing, host, links.get(computing.name)))
                elif host is not None and host.identity is Identity.SHARED and computing.owner == actor.person.id:
                    placed = await self._placed(tx, computing, host)
                    found.append(Place(computing=computing, identity=host.identity, line=placed.line))
            return found

    async def shared(self) -> Collection[str]:
        """Return the names of the computings where all tasks share one account; everybody may know that."""
        async with self._store.read() as tx:
            return {one.name for one in await tx.computings.all() if is_shared(one)}

    async def place(self, actor: Actor, computing: str) -> Place:
        """Return one of them. Raises MissingError, ConflictError: no accounts of one's own are used there."""
        may(actor, Scope.READ)
        async with self._store.read() as tx:
            place, host = await _own(tx, actor, computing)
            return await self._place(tx, place, host, await tx.account_links.get(actor.person.id, computing))

    async def link(self, actor: Actor, computing: str, account: str) -> Place:
        """Say which account is one's own; it opens nothing until it is proven (`check`).

        A key or a challenge is made for the proof. Another account ends the link there was.

        Raises
        ------
        AccountNameError, AccountTakenError
            It is no account of a person's, or proven to be somebody else's.
        MissingError, ConflictError
            There is no such computing, or accounts of one's own are not used there.
        """
        may(actor, Scope.CONNECT)
        wanted = valid_account(account)
        async with self._store.write() as tx:
            place, host = await _own(tx, actor, computing)
            await _check_free(tx, computing, wanted, actor.person.id)
            link = await tx.account_links.get(actor.person.id, computing)
            if link is None or link.account != wanted or not link.is_proven:
                link = self._claim(actor.person.id, computing, wanted, host)
                await tx.account_links.save(link)
            if host.identity is Identity.KEY:
                await self._key(tx, computing, actor.person.id)
            return await self._place(tx, place, host, link)

    async def check(self, actor: Actor, computing: str) -> Place:
        """Look whether one's account is proven by now: connect with its key, or read the challenge in its home.

        Raises
        ------
        AccountUnprovenError
            The account does not let the key in, or does not answer the challenge.
        AccountNameError, AccountTakenError
            It is an account of the system, or somebody else has proven it meanwhile.
        ComputingUnreachableError, ConnectorUnreachableError
            Nobody could be asked.
        TooManyChecksError
            It was asked too often.
        """
        may(actor, Scope.CONNECT)
        subjects = {f"account:{actor.person.id}": NAME}
        async with self._store.write() as tx:
            place, host = await _own(tx, actor, computing)
            link = await tx.account_links.get(actor.person.id, computing)
            if link is None:
                raise MissingError("linked account on", computing)
            if link.is_proven and host.identity is Identity.CERTIFICATE:
                return await self._place(tx, place, host, link)
            try:
                await begin_attempt(tx, subjects, now=self._clock.now())
            except TooManyAttemptsError as error:
                raise TooManyChecksError(error.seconds) from error
        proof = await self._proof(link, host)
        async with self._store.write() as tx:
            await forgive(tx, subjects)
            present = await tx.account_links.get(actor.person.id, computing)
            if present is None or present.id != link.id:
                raise ConflictError("The link was changed meanwhile.", hint="Check again.")
            await _check_free(tx, computing, link.account, actor.person.id)
            proven = replace(present, proof=proof, proven=self._clock.now(), challenge="", challenge_ends=None)
            await tx.account_links.save(proven)
            return await self._place(tx, place, host, proven)

    async def end(self, actor: Actor, computing: str) -> None:
        """End one's own link: what is open by it closes, and its key is gone. Tasks go on. Raises MissingError."""
        may(actor, Scope.CONNECT)
        async with self._store.write() as tx:
            await tx.account_links.remove(await _present(tx, actor.person.id, computing))

    # -- administrators ---------------------------------------------------------------------------------------------

    async def on(self, actor: Actor, computing: str) -> Placed:
        """Return all accounts of a computing. Administrators only, and whoever's it is.

        Raises
        ------
        MissingError, ConflictError
            There is no such computing, or it works on no host.
        """
        async with self._store.write() as tx:
            place = await _governed(tx, actor, computing)
            return await self._placed(tx, place, _host(place))

    async def everywhere(self, actor: Actor) -> Sequence[Placed]:
        """Return all accounts of each of the platform's computings on a host. Administrators only."""
        async with self._store.write() as tx:
            await administrator(tx, actor)
            hosts = [(one, host_of(one)) for one in await tx.computings.all() if one.owner is None]
            return [await self._placed(tx, one, host) for one, host in hosts if host is not None]

    async def enter(self, actor: Actor, computing: str, *, person: str, account: str) -> AccountLink:
        """Write down that an account is somebody's, on an administrator's own word, which is kept on record.

        Raises
        ------
        DeniedError, MissingError, ConflictError
            The actor is no administrator; there is no such computing or person; no accounts of people's own are used there.
        AccountNameError, AccountTakenError
            It is no account of a person's, or somebody else's.
        """
        wanted, now = valid_account(account), self._clock.now()
        async with self._store.write() as tx:
            await administrator(tx, actor)
            host = _host(await tx.computings.get(computing))
            if host.identity not in OWN:
                raise _not_own(computing)
            whose = await named(tx, person)
            await _check_free(tx, computing, wanted, whose.id)
            link = AccountLink(
                id=self._clock.new_id(16),
                person=whose.id,
                computing=computing,
                account=wanted,
                created=now,
                proof=Proof.ENTERED,
                proven=now,
                entered_by=actor.person.id,
            )
            await tx.account_links.save(link)
            if host.identity is Identity.KEY:
                await self._key(tx, computing, whose.id)
            return link

    async def remove(self, actor: Actor, computing: str, *, person: str) -> None:
        """End somebody's link. Administrators only. Raises DeniedError, MissingError."""
        async with self._store.write() as tx:
            await administrator(tx, actor)
            whose = await named(tx, person)
            await tx.account_links.remove(await _present(tx, whose.id, computing))

    # ---------------------------------------------------------------------------------------------------------------

    def _claim(self, person: PersonId, computing: str, account: str, host: HostSettings) -> AccountLink:
        now = self._clock.now()
        challenged = host.identity is Identity.CERTIFICATE and host.jump is None
        return AccountLink(
            id=self._clock.new_id(16),
            person=person,
            computing=computing,
            account=account,
            created=now,
            challenge=f"specola-{self._clock.new_secret()}" if challenged else "",
            challenge_ends=now + CHALLENGE_LIFE if challenged else None,
        )

    async def _proof(self, link: AccountLink, host: HostSettings) -> Proof:
        """Ask the host. Nothing is written meanwhile: it may take long."""
        challenged = host.identity is Identity.CERTIFICATE
        if challenged:
            self._check_challenge(link, host)
        try:
            seen = await self._connector.prove(link.computing, link.account, link.person)
        except AccountRefusedError as error:
            raise AccountUnprovenError(
                link.account,
                link.computing,
                detail=error.sentence.rstrip("."),
                hint="Ask an administrator whether that host trusts the platform's authority."
                if challenged
                else INSTALL,
            ) from error
        check_seen(seen, link.account)
        if challenged and not answers(link, seen.proof, now=self._clock.now()):
            detail = "~/.specola/proof does not hold the words asked for"
            raise AccountUnprovenError(link.account, link.computing, detail=detail, hint=TYPE)
        return Proof.CHALLENGE if challenged else Proof.KEY

    def _check_challenge(self, link: AccountLink, host: HostSettings) -> None:
        if host.jump is not None:
            raise AccountUnprovenError(
                link.account,
                link.computing,
                detail="a host behind another one cannot be asked before that",
                hint="Ask an administrator to enter your account.",
            )
        if link.challenge_ends is None or link.challenge_ends <= self._clock.now():
            raise AccountUnprovenError(
                link.account,
                link.computing,
                detail="the words asked for are too old",
                hint="Link it again for new ones.",
            )

    async def _place(
        self, tx: Transaction, computing: Computing, host: HostSettings, link: AccountLink | None
    ) -> Place:
        line = challenge = ""
        if link is not None and host.identity is Identity.KEY:
            key = await tx.account_links.key(computing.name, link.person)
            line = self._line(key, host, comment=f"specola {computing.name}") if key else ""
        if link is not None and not link.is_proven and link.challenge:
            challenge = challenge_line(link.challenge)
        return Place(computing=computing, identity=host.identity, link=link, line=line, challenge=challenge)

    async def _placed(self, tx: Transaction, computing: Computing, host: HostSettings) -> Placed:
        line = ""
        if host.identity is Identity.SHARED:
            key = await self._key(tx, computing.name, None)
            line = self._line(key, host, comment=f"specola {computing.name} shared")
        people = {person.id: person for person in await tx.people.all()}
        links = [(people[link.person], link) for link in await tx.account_links.on(computing.name)]
        return Placed(computing=computing, identity=host.identity, account=host.account, line=line, links=links)

    def _line(self, key: AccountKey, host: HostSettings, *, comment: str) -> str:
        # Behind another host, connections come from that one.
        sources = () if host.jump is not None else self._sources
        return authorized_line(key.public, comment=comment, sources=sources)

    async def _key(self, tx: Transaction, computing: str, person: PersonId | None) -> AccountKey:
        """Return a key, made now if there is none."""
        known = await tx.account_links.key(computing, person)
        if known is not None:
            return known
        private, public = new_pair()
        key = AccountKey(
            id=self._clock.new_id(16), computing=computing, person=person, public=public, created=self._clock.now()
        )
        await tx.account_links.add_key(key, sealed=self._sealer.seal(private, purpose=purpose_of(key)))
        return key


def purpose_of(key: AccountKey) -> str:
    """Return what the private half of a key is sealed for."""
    return f"account key {key.id}"


def _host(computing: Computing) -> HostSettings:
    host = host_of(computing)
    if host is None:
        raise _not_own(computing.name)
    return host


def _not_own(computing: str) -> ConflictError:
    return ConflictError(
        f"Tasks on “{computing}” do not run with people's own accounts.", hint="Nothing has to be linked there."
    )


async def _own(tx: Transaction, actor: Actor, name: str) -> tuple[Computing, HostSettings]:
    """Return a computing that the actor may use, and its host, where people have accounts of their own."""
    known = await tx.account_links.get(actor.person.id, name)
    computing = await (place_for(tx, name, actor=actor) if known is None else tx.computings.get(name))
    host = _host(computing)
    if host.identity not in OWN:
        raise _not_own(name)
    if host.identity is Identity.CERTIFICATE and computing.owner is not None:
        raise ConflictError(
            "Certificates are signed for the platform's own computings only.",
            hint="Set host.identity of your computing to key.",
        )
    return computing, host


async def _governed(tx: Transaction, actor: Actor, name: str) -> Computing:
    computing = await place_for(tx, name, actor=actor)
    if computing.owner is None:
        await administrator(tx, actor)
    return computing


async def _present(tx: Transaction, person: PersonId, computing: str) -> AccountLink:
    link = await tx.account_links.get(person, computing)
    if link is None:
        raise MissingError("linked account on", computing)
    return link


async def _check_free(tx: Transaction, computing: str, account: str, person: PersonId) -> None:
    holder = await tx.account_links.holder(computing, account)
    if holder is not None and holder.person != person:
        raise AccountTakenError(account, computing)
