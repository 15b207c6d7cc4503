"""The collection of client certificates in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.certificate import Certificate
from specola.storage.changes import Changes
from specola.storage.schema.certificates import CertificateRow

__all__ = ["Certificates"]


class Certificates:
    """Reads and writes issued certificates; the certificates themselves and their keys are kept nowhere."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    async def add(self, certificate: Certificate) -> None:
        """Write down a certificate that is about to be issued."""
        self._session.add(
            CertificateRow(
                serial=certificate.serial,
                person=certificate.person,
                session=certificate.session,
                token=certificate.token,
                created=certificate.created,
                expires=certificate.expires,
            )
        )
        await self._session.flush()

    async def get(self, serial: str) -> Certificate | None:
        """Return a certificate, expired or not; it is gone as soon as its session or its token is."""
        row = await self._session.get(CertificateRow, serial)
        return _certificate_of(row) if row else None

    async def of(self, person: str, *, now: datetime) -> Sequence[Certificate]:
        """Return a person's certificates that have not expired, the latest first."""
        rows = await self._session.scalars(
            select(CertificateRow)
            .where(CertificateRow.person == person, CertificateRow.expires > now)
            .order_by(CertificateRow.created.desc(), CertificateRow.serial)
        )
        return [_certificate_of(row) for row in rows]

    async def end(self, person: str, serial: str) -> bool:
        """End one certificate of a person, and what stands on it; tell whether there was one."""
        ended = delete(CertificateRow).where(CertificateRow.person == person, CertificateRow.serial == serial)
        found = (await self._session.scalars(ended.returning(CertificateRow.serial))).all()
        for one in found:
            self._changes.revoke(f"certificate:{one}")
        return bool(found)

    async def forget_expired(self, *, now: datetime) -> None:
        """Remove the certificates that have expired: they let nobody in any more."""
        await self._session.execute(delete(CertificateRow).where(CertificateRow.expires <= now))


def _certificate_of(row: CertificateRow) -> Certificate:
    return Certificate(
        serial=row.serial,
        person=row.person,
        session=row.session,
        token=row.token,
        created=row.created,
        expires=row.expires,
    )
