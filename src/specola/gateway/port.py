"""The one public port: bound once for each gateway process, so that the kernel spreads connections over them."""

import errno
import socket
from typing import Any

from specola.config import Settings
from specola.domain.errors import PortError

__all__ = ["BACKLOG", "bind_port"]

BACKLOG = 4096
KEEPALIVE_SECONDS = 60


def bind_port(settings: Settings) -> list[socket.socket]:
    """Return one listening socket for each gateway process; raises PortError."""
    host, port = settings.host, settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise not_here(settings.bind) from error
    sockets: list[socket.socket] = []
    try:
        for _ in range(settings.gateways):
            sockets.append(listening(family, address, shared=settings.gateways > 1))
            # With port 0 the kernel chooses one, which the others then share.
            address = sockets[0].getsockname()
    except OSError as error:
        for one in sockets:
            one.close()
        raise said(error, settings.bind) from error
    return sockets


def listening(family: int, address: tuple[Any, ...], *, shared: bool) -> socket.socket:
    """Return a listening socket whose connections notice a peer that has vanished."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Accepted connections inherit these (tcp(7), Linux), which spares four system calls for each.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.bind(address)
        made.listen(BACKLOG)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def said(error: OSError, bind: str) -> PortError:
    """Make ours of what the kernel says about an address."""
    if error.errno == errno.EADDRINUSE:
        return PortError(
            f"{bind} is in use already.", hint="Stop what listens there, or choose another port (SPECOLA_BIND)."
        )
    if error.errno == errno.EACCES:
        return PortError(f"This user may not listen at {bind}.", hint="Choose a port above 1023, or start as root.")
    if error.errno == errno.EADDRNOTAVAIL:
        return not_here(bind)
    return PortError(f"{bind} cannot be listened at: {error.strerror}.", hint="Choose another address (SPECOLA_BIND).")


def not_here(bind: str) -> PortError:
    """Make the error for an address of another machine."""
    return PortError(
        f"{bind} is no address of this machine.", hint="Set SPECOLA_BIND to one, for example 127.0.0.1:8080."
    )
