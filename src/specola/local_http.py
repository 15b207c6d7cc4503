"""HTTP to a Unix socket of this machine."""

import ssl
from pathlib import Path

import httpx

__all__ = ["over_socket"]


def over_socket(socket: Path | str) -> httpx.AsyncHTTPTransport:
    """Return what carries a client's requests to a Unix socket.

    Notes
    -----
    A transport is made with all the certificates that the machine trusts, which takes some 20 ms, unless it is told whom
    to trust. Nothing on these sockets is TLS, so it is told to trust nobody.
    """
    return httpx.AsyncHTTPTransport(uds=str(socket), verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
