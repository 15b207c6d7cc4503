"""Client certificates: issued to people's programs for hours, listed, taken back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from specola.authorities.tls import TlsAuthority, asked_key, private_root
from specola.clock import Clock
from specola.domain.certificate import Certificate, valid_life
from specola.domain.errors import LimitError, MissingError, NoTlsError, UnauthenticatedError
from specola.domain.person import Actor, Scope
from specola.services.rights import may
from specola.storage.store import Store, Transaction
from specola.threads import in_thread

__all__ = ["Certificates", "Issued"]

MOST_CERTIFICATES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate that was just issued, in PEM; `server_root` by which to check the platform's own, None: any public one."""

    value: Certificate
    certificate: str
    authority: str
    server_root: str | None


class Certificates:
    """What programs show that reach a task by its TLS name.

    Parameters
    ----------
    authority
        Signs them.
    server
        The certificate file of the public port; None: the gateway speaks no TLS, so nothing is reached by name.
    """

    def __init__(self, *, store: Store, clock: Clock, authority: TlsAuthority, server: Path | None) -> None:
        self._store = store
        self._clock = clock
        self._authority = authority
        self._server = server

    @property
    def authority(self) -> str:
        """The authority's own certificate in PEM, for gateways."""
        return self._authority.certificate

    async def issue(self, actor: Actor, *, request: str, hours: float) -> Issued:
        """Sign the key of a certificate signing request; the certificate lasts no longer than the actor's own token.

        Parameters
        ----------
        request
            A PKCS #10 request in PEM. Only its key counts: the certificate names the actor, whatever is asked for.
        hours
            5 minutes to 24 hours.

        Raises
        ------
        InvalidError
            No such request, a weak key, or another time.
        DeniedError
            The token does not open tasks.
        UnauthenticatedError
            The actor has neither session nor token, which the certificate would hang on; or it has just ended.
        NoTlsError
            The gateway speaks no TLS.
        LimitError
            The person has a hundred that have not expired.
        """
        may(actor, Scope.CONNECT)
        life, key = valid_life(hours), asked_key(request)
        if self._server is None:
            raise NoTlsError
        # Whole seconds, as in the certificate itself.
        now = self._clock.now().replace(microsecond=0)
        async with self._store.write() as transaction:
            await transaction.certificates.forget_expired(now=now)
            held = await transaction.certificates.of(actor.person.id, now=now)
            if len(held) >= MOST_CERTIFICATES:
                raise LimitError("certificates", str(len(held) + 1), str(MOST_CERTIFICATES), hint="Use one you have.")
            expires = await self._end(transaction, actor, now + life)
            serial, text = self._authority.sign(key, name=actor.person.name, now=now, expires=expires)
            certificate = Certificate(
                serial=serial,
                person=actor.person.id,
                session=actor.session,
                token=actor.token,
                created=now,
                expires=expires,
            )
            await transaction.certificates.add(certificate)
        root = await in_thread(private_root, self._server)
        return Issued(value=certificate, certificate=text, authority=self.authority, server_root=root)

    async def list(self, actor: Actor) -> Sequence[Certificate]:
        """Return one's own certificates that have not expired, the latest first."""
        may(actor, Scope.READ)
        async with self._store.read() as transaction:
            return await transaction.certificates.of(actor.person.id, now=self._clock.now())

    async def revoke(self, actor: Actor, serial: str) -> None:
        """End one of one's own certificates at once, with what was connected by it. Raises MissingError, DeniedError."""
        may(actor, Scope.CONNECT)
        async with self._store.write() as transaction:
            if not await transaction.certificates.end(actor.person.id, serial):
                raise MissingError("certificate", serial)

    async def _end(self, transaction: Transaction, actor: Actor, wanted: datetime) -> datetime:
        """Return when a certificate ends; what the actor came with is looked at again, since it may just have ended."""
        if actor.token is not None:
            token = await transaction.sessions.token(actor.token)
            if token is not None:
                return min(wanted, token[0].expires or wanted)
        elif actor.session is not None and await transaction.sessions.get(actor.session) is not None:
            return wanted
        raise UnauthenticatedError("A certificate hangs on a session or a token.", hint="Sign in: specola login URL")
