"""The public port's TLS: the certificate files that the operator gives, read again on SIGHUP, in a context for each use."""

import logging
import ssl
from collections.abc import Sequence
from pathlib import Path

from specola.domain.errors import CertificateError

__all__ = ["PublicTls", "load_certificate", "server_tls"]

log = logging.getLogger(__name__)

AGREED = {"postgres": ("postgresql",), "grpc": ("h2",)}
"""What clients of a protocol demand to have agreed by ALPN; others demand nothing."""
NOTHING = ""


class PublicTls:
    """The contexts of the public port; all show the same certificate.

    Parameters
    ----------
    certificate
        The file of the certificate, with those between it and its authority.
    key
        The file of its key; None: it is in the same file.

    Raises
    ------
    CertificateError
        The files cannot be used.

    Notes
    -----
    A client that shows no certificate passes the handshake where one is asked for, since after it, unlike in it, it can
    be told in its own protocol what is missing. One that shows a wrong certificate does not pass. Sessions are not
    taken up again there: a certificate is looked at each time.
    """

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self._files = certificate, key
        self.ordinary = context_for(("http/1.1",))
        self._asking = {name: context_for(protocols) for name, protocols in ((NOTHING, ()), *AGREED.items())}
        for context in self._asking.values():
            context.verify_mode = ssl.CERT_OPTIONAL
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        for context in self._all():
            load_certificate(context, certificate, key)

    def asking(self, protocol: str) -> ssl.SSLContext:
        """Return the context that asks for a client's certificate, for an interface of this protocol."""
        return self._asking.get(protocol, self._asking[NOTHING])

    def trust(self, authority: str) -> None:
        """Take certificates that were signed by an authority (PEM); before the first call none passes."""
        for context in self._asking.values():
            context.load_verify_locations(cadata=authority)

    def reload(self) -> None:
        """Read the files again; what cannot be used is logged, and the old ones stay."""
        try:
            # Tried on a context of its own, so that all of them change or none.
            load_certificate(context_for(()), *self._files)
            for context in self._all():
                load_certificate(context, *self._files)
        except CertificateError as error:
            log.warning("%s The old certificate stays in use.", error)
        else:
            log.info("the certificate was read again")

    def _all(self) -> Sequence[ssl.SSLContext]:
        return (self.ordinary, *self._asking.values())


def server_tls(certificate: Path, key: Path | None) -> PublicTls:
    """Return what the public port needs: TLS 1.2 or later; raises CertificateError."""
    return PublicTls(certificate, key)


def context_for(protocols: Sequence[str]) -> ssl.SSLContext:
    """Make a context that agrees to some protocols by ALPN; none: it takes no part in that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Read the files; connections made from now on use them."""
    missing = [path for path in (certificate, key) if path is not None and not path.exists()]
    if missing:
        raise CertificateError(f"The certificate file {missing[0]} does not exist.")
    try:
        context.load_cert_chain(certificate, key)
    except PermissionError as error:
        raise CertificateError(f"The certificate files {certificate} and {key} cannot be read: {error}.") from error
    except (ssl.SSLError, OSError) as error:
        raise CertificateError(f"The certificate {certificate} with key {key} cannot be used: {error}.") from error
