"""Where a container's processes listen, as this machine's kernel tells."""

from collections.abc import Iterable
from pathlib import Path

__all__ = ["HERE", "listeners", "read"]

PROC = Path("/proc")
# The state of a listening socket in the tables of proc(5), whose numbers are hexadecimal.
LISTEN = "0A"
# How the kernel prints 127.0.0.1 on little-endian machines, and the same in IPv6's form: only from inside.
HERE = frozenset({"0100007F", "0000000000000000FFFF00000100007F"})


def listeners(process: int, port: int) -> frozenset[str] | None:
    """Return the addresses on which a port is listened to in the network of a process; None: that cannot be seen."""
    if process <= 0:
        return None
    try:
        tables = [(PROC / str(process) / "net" / name).read_text(encoding="ascii") for name in ("tcp", "tcp6")]
    except OSError:
        return None
    return frozenset().union(*(read(table.splitlines()[1:], port) for table in tables))


def read(lines: Iterable[str], port: int) -> frozenset[str]:
    """Read the lines of `/proc/net/tcp` or `tcp6`, without the heading: the addresses on which a port is listened to."""
    found = set()
    for line in lines:
        _, local, _, state, *_ = line.split()
        address, _, number = local.partition(":")
        if state == LISTEN and int(number, 16) == port:
            found.add(address)
    return frozenset(found)
