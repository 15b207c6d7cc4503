"""Identities: what opens accounts on hosts, as the connector and the signer are told it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from specola.clock import Clock
from specola.domain.account_link import READ_PROOF, AccountLink, Grant, Purpose, Signature
from specola.domain.errors import AccountRefusedError
from specola.domain.person import PersonId
from specola.hosts.config import HostSettings, Identity
from specola.secrets import Sealer, hashed
from specola.services.account_links import purpose_of
from specola.services.accounts import OWN, host_of
from specola.storage.store import Store, Transaction

__all__ = ["CERTIFICATE_LIFE", "Identities", "Opening"]

CERTIFICATE_LIFE = timedelta(minutes=5)
REMEMBERED = timedelta(days=400)
"""How long it is on record what was signed: a year, and the time to notice."""
USED_EVERY = timedelta(minutes=1)
WORD = re.compile(r"[A-Za-z0-9_.:+/=-]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What opens an account: a private key, or (empty) a certificate that the signer has to be asked for."""

    private_key: str = field(default="", repr=False)


class Identities:
    """Answers for the connector and the signer, from what is proven at that moment."""

    def __init__(self, *, store: Store, clock: Clock, sealer: Sealer, sources: Sequence[str] = ()) -> None:
        self._store = store
        self._clock = clock
        self._sealer = sealer
        self._sources = tuple(sources)

    async def accounts(self, computing: str) -> Sequence[str]:
        """Return the accounts on a computing that somebody here has proven, or its shared one. Raises MissingError."""
        async with self._store.read() as tx:
            host = host_of(await tx.computings.get(computing))
            if host is None:
                return []
            if host.identity is Identity.SHARED:
                return [host.account]
            links = await tx.account_links.on(computing)
            return [link.account for link in links if link.is_proven] if host.identity in OWN else []

    async def opening(self, computing: str, account: str) -> Opening:
        """Return what opens an account for work.

        Raises
        ------
        MissingError
            There is no such computing.
        AccountRefusedError
            Nobody here has proven that it is theirs.
        """
        async with self._store.write() as tx:
            host = await self._host(tx, computing, account)
            if host.identity is Identity.SHARED:
                if account != host.account:
                    raise AccountRefusedError(computing, account, "another account is shared here")
                return await self._by_key(tx, computing, account, None)
            link = await self._proven(tx, computing, account)
            await self._touch(tx, link)
            return await self._by_key(tx, computing, account, link.person) if _is_keyed(host) else Opening()

    async def proving(self, computing: str, account: str, person: PersonId) -> Opening:
        """Return what shows whether an account is a person's, who says so. Raises MissingError, AccountRefusedError."""
        async with self._store.read() as tx:
            host = await self._host(tx, computing, account)
            await self._claimed(tx, computing, account, person)
            return await self._by_key(tx, computing, account, person) if _is_keyed(host) else Opening()

    async def grant(
        self, computing: str, account: str, *, purpose: Purpose, fingerprint: str, request: str, person: PersonId = ""
    ) -> Grant:
        """Write down that a certificate is signed, and say what has to stand in it.

        Parameters
        ----------
        fingerprint
            Of the key that it certifies.
        request
            By what the asking side will recognise it in its own log.
        person
            Who says that the account is theirs, where it is still to be proven.

        Raises
        ------
        MissingError
            There is no such computing.
        AccountRefusedError
            The account is not proven, or no claim to it is; certificates are not used there.
        """
        now = self._clock.now()
        async with self._store.write() as tx:
            host = await self._host(tx, computing, account)
            place = await tx.computings.get(computing)
            if host.identity is not Identity.CERTIFICATE or place.owner is not None:
                # A certificate is good on every host that trusts the authority, wherever a person's own record leads.
                raise AccountRefusedError(computing, account, "no certificates are used there")
            if WORD.fullmatch(request) is None or WORD.fullmatch(fingerprint) is None:
                raise AccountRefusedError(computing, account, "the request is malformed")
            link = await self._linked(tx, computing, account, purpose=purpose, person=person, host=host)
            whose = await tx.people.get(link.person)
            signature = Signature(
                # 60 random bits: a number that is positive in every database.
                serial=int(hashed(self._clock.new_secret())[:15], 16),
                computing=computing,
                account=account,
                person=link.person,
                purpose=purpose,
                fingerprint=fingerprint,
                request=request,
                created=now,
                expires=now + CERTIFICATE_LIFE,
            )
            await tx.account_links.sign(signature, forget_before=now - REMEMBERED)
        words = {"person": whose.name, "computing": computing, "account": account, "request": request}
        return Grant(
            serial=signature.serial,
            account=account,
            key_id=" ".join(("specola", *(f"{name}={word}" for name, word in words.items()), purpose.value)),
            created=now,
            expires=signature.expires,
            command=READ_PROOF if purpose is Purpose.PROOF else "",
            # Behind another host, connections come from that one.
            sources=() if host.jump is not None else self._sources,
        )

    # ---------------------------------------------------------------------------------------------------------------

    async def _host(self, tx: Transaction, computing: str, account: str) -> HostSettings:
        host = host_of(await tx.computings.get(computing))
        if host is None or host.identity is Identity.LOCAL:
            raise AccountRefusedError(computing, account, "no accounts are used there")
        return host

    async def _linked(
        self,
        tx: Transaction,
        computing: str,
        account: str,
        *,
        purpose: Purpose,
        person: PersonId,
        host: HostSettings,
    ) -> AccountLink:
        if purpose is Purpose.WORK:
            return await self._proven(tx, computing, account)
        if host.jump is not None:
            # It would have to forward connections, as an account that may be somebody else's.
            raise AccountRefusedError(
                computing, account, "a host behind another one cannot be asked before it is proven"
            )
        link = await self._claimed(tx, computing, account, person)
        if link.is_proven or link.challenge_ends is None or link.challenge_ends <= self._clock.now():
            raise AccountRefusedError(computing, account, "no proof of it is under way")
        return link

    async def _proven(self, tx: Transaction, computing: str, account: str) -> AccountLink:
        link = await tx.account_links.holder(computing, account)
        if link is None:
            raise AccountRefusedError(computing, account, "nobody here has proven that it is theirs")
        return link

    async def _claimed(self, tx: Transaction, computing: str, account: str, person: PersonId) -> AccountLink:
        link = await tx.account_links.get(person, computing)
        if link is None or link.account != account:
            raise AccountRefusedError(computing, account, "nobody here says that it is theirs")
        return link

    async def _by_key(self, tx: Transaction, computing: str, account: str, person: PersonId | None) -> Opening:
        key = await tx.account_links.key(computing, person)
        if key is None:
            raise AccountRefusedError(computing, account, "no key was made for it yet")
        sealed = await tx.account_links.sealed(key)
        return Opening(private_key=self._sealer.open(sealed, purpose=purpose_of(key)))

    async def _touch(self, tx: Transaction, link: AccountLink) -> None:
        now = self._clock.now()
        if link.last_used is None or abs(now - link.last_used) >= USED_EVERY:
            await tx.account_links.touch(link, last_used=now)


def _is_keyed(host: HostSettings) -> bool:
    return host.identity is Identity.KEY
