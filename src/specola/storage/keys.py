"""The collection of public keys and issued certificates, in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.keys import Certificate, PublicKey
from specola.domain.person import Person
from specola.storage.changes import Changes, Topic
from specola.storage.people import person_of
from specola.storage.schema.keys import PublicKeyRow, SshCertificateRow
from specola.storage.schema.people import PersonRow

__all__ = ["Keys"]


class Keys:
    """Reads and writes what people are known by to the SSH front door."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    # -- public keys ------------------------------------------------------------------------------------------------

    async def add(self, key: PublicKey) -> None:
        """Add a key to an account."""
        self._session.add(
            PublicKeyRow(
                id=key.id,
                person=key.person,
                title=key.title,
                algorithm=key.algorithm,
                fingerprint=key.fingerprint,
                text=key.text,
                created=key.created,
                last_used=key.last_used,
                token=key.token,
            )
        )
        await self._session.flush()
        self._changes.note(Topic.PERSON, key.person, key.person)

    async def of(self, person: str) -> Sequence[PublicKey]:
        """Return a person's keys, the latest first."""
        rows = await self._session.scalars(
            select(PublicKeyRow)
            .where(PublicKeyRow.person == person)
            .order_by(PublicKeyRow.created.desc(), PublicKeyRow.id)
        )
        return [_key_of(row) for row in rows]

    async def get(self, key: str) -> tuple[PublicKey, Person] | None:
        """Return the key of that id, and whose it is."""
        return await self._one(PublicKeyRow.id == key)

    async def by_fingerprint(self, fingerprint: str) -> tuple[PublicKey, Person] | None:
        """Return the key of that fingerprint, and whose it is."""
        return await self._one(PublicKeyRow.fingerprint == fingerprint)

    async def touch(self, key: str, *, last_used: datetime) -> None:
        """Write down that a key was used; not worth telling anybody."""
        await self._session.execute(update(PublicKeyRow).where(PublicKeyRow.id == key).values(last_used=last_used))

    async def remove(self, key: PublicKey) -> None:
        """Remove a key, and end what was let in by it."""
        await self._session.execute(delete(PublicKeyRow).where(PublicKeyRow.id == key.id))
        self._changes.revoke(f"key:{key.id}")
        self._changes.note(Topic.PERSON, key.person, key.person)

    # -- certificates -----------------------------------------------------------------------------------------------

    async def add_certificate(self, certificate: Certificate) -> None:
        """Write down a certificate that is about to be issued."""
        self._session.add(
            SshCertificateRow(
                serial=certificate.serial,
                person=certificate.person,
                fingerprint=certificate.fingerprint,
                created=certificate.created,
                expires=certificate.expires,
                session=certificate.session,
                token=certificate.token,
            )
        )
        await self._session.flush()

    async def certificate(self, serial: int) -> tuple[Certificate, Person] | None:
        """Return the certificate of that number, expired or not, and whose it is."""
        found = await self._session.execute(
            select(SshCertificateRow, PersonRow)
            .join(PersonRow, PersonRow.id == SshCertificateRow.person)
            .where(SshCertificateRow.serial == serial)
        )
        row = found.one_or_none()
        return (_certificate_of(row[0]), person_of(row[1])) if row else None

    async def forget_certificates(self, *, before: datetime) -> None:
        """Forget the certificates that had expired by then."""
        await self._session.execute(delete(SshCertificateRow).where(SshCertificateRow.expires <= before))

    async def _one(self, condition: ColumnElement[bool]) -> tuple[PublicKey, Person] | None:
        found = await self._session.execute(
            select(PublicKeyRow, PersonRow).join(PersonRow, PersonRow.id == PublicKeyRow.person).where(condition)
        )
        row = found.one_or_none()
        return (_key_of(row[0]), person_of(row[1])) if row else None


def _key_of(row: PublicKeyRow) -> PublicKey:
    return PublicKey(
        id=row.id,
        person=row.person,
        title=row.title,
        algorithm=row.algorithm,
        fingerprint=row.fingerprint,
        text=row.text,
        created=row.created,
        last_used=row.last_used,
        token=row.token,
    )


def _certificate_of(row: SshCertificateRow) -> Certificate:
    return Certificate(
        serial=row.serial,
        person=row.person,
        fingerprint=row.fingerprint,
        created=row.created,
        expires=row.expires,
        session=row.session,
        token=row.token,
    )
