"""The public port's TLS: certificate files given by the operator, read again on SIGHUP."""

import logging
import ssl
from pathlib import Path

from specola.domain.errors import CertificateError

__all__ = ["load_certificate", "reload_certificate", "server_tls"]

log = logging.getLogger(__name__)


def server_tls(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Return the context of the public port: TLS 1.2 or later, HTTP/1.1; raises CertificateError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, certificate, key)
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


def reload_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Read the files again; what cannot be used is logged, and the old ones stay."""
    try:
        load_certificate(context, certificate, key)
    except CertificateError as error:
        log.warning("%s The old certificate stays in use.", error)
    else:
        log.info("the certificate was read again")
