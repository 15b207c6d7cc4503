"""The collection of accounts on computings in one transaction: whose they are, keys for them, and what was signed."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.account_link import AccountKey, AccountLink, Proof, Signature, mark_of
from specola.domain.errors import MissingError
from specola.domain.person import PersonId
from specola.storage.changes import Changes, Topic
from specola.storage.documents import storable
from specola.storage.schema.account_links import AccountKeyRow, AccountLinkRow, AccountSignatureRow
from specola.storage.schema.computings import ComputingRow

__all__ = ["AccountLinks"]


class AccountLinks:
    """Reads and writes links by the names of computings, which their rows know by id."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    # -- links ------------------------------------------------------------------------------------------------------

    async def of(self, person: PersonId) -> Sequence[AccountLink]:
        """Return a person's links, proven or not, by computing."""
        return await self._many(_links().where(AccountLinkRow.person == person))

    async def on(self, computing: str) -> Sequence[AccountLink]:
        """Return everybody's links on a computing, proven or not, by account."""
        return await self._many(_links().where(ComputingRow.name == storable(computing)))

    async def get(self, person: PersonId, computing: str) -> AccountLink | None:
        """Return a person's link on a computing, proven or not."""
        query = _links().where(AccountLinkRow.person == person, ComputingRow.name == storable(computing))
        return next(iter(await self._many(query)), None)

    async def holder(self, computing: str, account: str) -> AccountLink | None:
        """Return the proven link of an account."""
        query = _links().where(
            ComputingRow.name == storable(computing),
            AccountLinkRow.account == storable(account),
            AccountLinkRow.proof.is_not(None),
        )
        return next(iter(await self._many(query)), None)

    async def save(self, link: AccountLink) -> None:
        """Write a link in place of the one that the person has on that computing. Raises MissingError: there is none."""
        computing = await self._id(link.computing)
        before = await self.get(link.person, link.computing)
        if before is not None and before.account != link.account:
            await self._revoke(before)
        await self._session.execute(
            delete(AccountLinkRow).where(AccountLinkRow.person == link.person, AccountLinkRow.computing == computing)
        )
        await self._session.execute(
            insert(AccountLinkRow).values(
                id=link.id,
                person=link.person,
                computing=computing,
                account=link.account,
                created=link.created,
                proof=link.proof.value if link.proof else None,
                proven=link.proven,
                entered_by=link.entered_by,
                challenge=link.challenge,
                challenge_ends=link.challenge_ends,
                last_used=link.last_used,
            )
        )
        self._changes.note(Topic.PERSON, link.person, link.person)

    async def touch(self, link: AccountLink, *, last_used: datetime) -> None:
        """Write down that a link was used; not worth telling anybody."""
        await self._session.execute(
            update(AccountLinkRow).where(AccountLinkRow.id == link.id).values(last_used=last_used)
        )

    async def remove(self, link: AccountLink) -> None:
        """Remove a link with the key that was made for it, and close what is open by it."""
        await self._session.execute(delete(AccountLinkRow).where(AccountLinkRow.id == link.id))
        computing = await self._id(link.computing)
        await self._session.execute(
            delete(AccountKeyRow).where(AccountKeyRow.person == link.person, AccountKeyRow.computing == computing)
        )
        await self._revoke(link)
        self._changes.note(Topic.PERSON, link.person, link.person)

    # -- keys -------------------------------------------------------------------------------------------------------

    async def key(self, computing: str, person: PersonId | None) -> AccountKey | None:
        """Return the public half of a person's key for a computing; None: of its shared account's."""
        row = await self._key(computing, person)
        return None if row is None else _key_of(row, computing)

    async def sealed(self, key: AccountKey) -> bytes:
        """Return the private half of a key as it was sealed. Raises MissingError."""
        row = await self._key(key.computing, key.person)
        if row is None or row.id != key.id:
            raise MissingError("key", key.id)
        return row.sealed

    async def add_key(self, key: AccountKey, *, sealed: bytes) -> None:
        """Keep a key whose private half is sealed already."""
        row = insert(AccountKeyRow).values(
            id=key.id,
            computing=await self._id(key.computing),
            person=key.person,
            public=key.public,
            sealed=sealed,
            created=key.created,
        )
        await self._session.execute(row)

    # -- signatures -------------------------------------------------------------------------------------------------

    async def sign(self, signature: Signature, *, forget_before: datetime) -> None:
        """Write down a certificate that is about to be signed, and forget those that ended before some moment."""
        await self._session.execute(delete(AccountSignatureRow).where(AccountSignatureRow.expires < forget_before))
        row = insert(AccountSignatureRow).values(
            serial=signature.serial,
            computing=signature.computing,
            account=signature.account,
            person=signature.person,
            purpose=signature.purpose.value,
            fingerprint=signature.fingerprint,
            request=signature.request,
            created=signature.created,
            expires=signature.expires,
        )
        await self._session.execute(row)

    async def signed(self, computing: str, *, most: int = 100) -> Sequence[tuple[int, str, PersonId, datetime]]:
        """Return the latest certificates that were signed for a computing: serial, account, person, moment."""
        query = (
            select(AccountSignatureRow)
            .where(AccountSignatureRow.computing == storable(computing))
            .order_by(AccountSignatureRow.created.desc(), AccountSignatureRow.serial)
            .limit(most)
        )
        return [(row.serial, row.account, row.person, row.created) for row in await self._session.scalars(query)]

    # ---------------------------------------------------------------------------------------------------------------

    async def _id(self, computing: str) -> str:
        found = await self._session.scalar(select(ComputingRow.id).where(ComputingRow.name == storable(computing)))
        if found is None:
            raise MissingError("computing", computing)
        return found

    async def _key(self, computing: str, person: PersonId | None) -> AccountKeyRow | None:
        whose = AccountKeyRow.person.is_(None) if person is None else AccountKeyRow.person == person
        query = (
            select(AccountKeyRow)
            .join(ComputingRow, ComputingRow.id == AccountKeyRow.computing)
            .where(ComputingRow.name == storable(computing), whose)
        )
        return (await self._session.scalars(query)).first()

    async def _revoke(self, link: AccountLink) -> None:
        if link.is_proven:
            self._changes.revoke(mark_of(link.computing, link.account))

    async def _many(self, query: "Select[AccountLinkRow, str]") -> Sequence[AccountLink]:
        ordered = query.order_by(ComputingRow.name, AccountLinkRow.account, AccountLinkRow.id)
        return [_link_of(row, name) for row, name in await self._session.execute(ordered)]


def _links() -> "Select[AccountLinkRow, str]":
    return select(AccountLinkRow, ComputingRow.name).join(ComputingRow, ComputingRow.id == AccountLinkRow.computing)


def _link_of(row: AccountLinkRow, computing: str) -> AccountLink:
    return AccountLink(
        id=row.id,
        person=row.person,
        computing=computing,
        account=row.account,
        created=row.created,
        proof=Proof(row.proof) if row.proof else None,
        proven=row.proven,
        entered_by=row.entered_by,
        challenge=row.challenge,
        challenge_ends=row.challenge_ends,
        last_used=row.last_used,
    )


def _key_of(row: AccountKeyRow, computing: str) -> AccountKey:
    return AccountKey(id=row.id, computing=computing, person=row.person, public=row.public, created=row.created)
