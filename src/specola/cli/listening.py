"""Local ports: the one that is wanted, or the next that is free."""

import errno
import socket

from specola.domain.errors import LocalPortError

__all__ = ["address_text", "listen"]

TRIED = 100
"""How many ports are tried, one after the other, before the kernel chooses."""
FIRST_UNPRIVILEGED = 1024
UNPRIVILEGED_START = 8000


def address_text(host: str, port: int) -> str:
    """Return an address as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(host: str, port: int, *, exactly: bool) -> socket.socket:
    """Listen on this machine.

    Parameters
    ----------
    host
        Which of this machine's addresses.
    port
        The port; 0: any that is free.
    exactly
        Whether no other port will do; else the next one that is free is taken.

    Raises
    ------
    LocalPortError
        It is in use, or this user may not listen there.
    """
    if exactly:
        return bound(host, port)
    # Where ports below 1024 are kept for root, 80 becomes 8080, and 443 becomes 8443.
    start = port if port >= FIRST_UNPRIVILEGED else UNPRIVILEGED_START + port
    for candidate in (port, *range(start, min(start + TRIED, 65536)), 0):
        try:
            return bound(host, candidate)
        except LocalPortError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
    raise AssertionError("the kernel has a free port, or says why not")


def bound(host: str, port: int) -> socket.socket:
    """Listen at exactly this address; raises LocalPortError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            detail = "it is in use already"
        elif error.errno == errno.EACCES:
            detail = "this user may not use ports below 1024"
        else:
            detail = error.strerror or str(error)
        raise LocalPortError(address_text(host, port), detail) from error
