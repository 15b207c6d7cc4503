"""TCP ports of the loopback for servers that tests start, never the same in two processes."""

import fcntl
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["PORTS", "REGISTRY_PORTS", "free_port"]

# Below the ports that kernels give to connections going out, so that none of those can take one in between.
PORTS = range(20700, 24700)
# Podman has to be told beforehand of each registry that it may ask without TLS.
REGISTRY_PORTS = range(20500, 20700)

_held: dict[int, int] = {}


def free_port(among: range = PORTS) -> int:
    """Return a port that nobody listens at, and that no other process of tests gets while this one lives.

    Raises
    ------
    RuntimeError
        All of them are taken.
    """
    start = os.getpid() * 37 % len(among)
    ports: list[int] = [*among[start:], *among[:start]]
    for port in ports:
        if port not in _held and _hold(port):
            with socket.socket() as probe, suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                return port
    raise RuntimeError(f"every port from {among.start} to {among.stop - 1} is taken")


def _hold(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"specola-test-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    _held[port] = file
    return True
