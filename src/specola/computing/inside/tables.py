"""The kernel's tables of TCP sockets, as proc(5) prints them: who listens in a task."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

__all__ = ["LISTEN", "LOOPBACK", "Listener", "address", "in_tables", "open_ports"]

# The state of a listening socket, whose numbers are hexadecimal.
LISTEN = "0A"
LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
Listener = tuple[IPv4Address | IPv6Address, int]
"""An address and a port at which somebody listens."""


def open_ports(listeners: Iterable[Listener]) -> Mapping[int, bool]:
    """Return each port that is listened to, and whether on the loopback address alone.

    What listens on another loopback address is passed over: so does the resolver that Docker puts into networks
    (127.0.0.11), which is no program of the task.
    """
    found: dict[int, bool] = {}
    for where, port in listeners:
        here = where in LOOPBACK
        if here or not where.is_loopback:
            found[port] = here and found.get(port, True)
    return found


def in_tables(lines: Iterable[str]) -> Iterator[Listener]:
    """Read lines of `/proc/net/tcp` and `tcp6`, headings among them: who listens."""
    for line in lines:
        fields = line.split(None, 4)
        if len(fields) > 3 and fields[3] == LISTEN:
            local, _, port = fields[1].partition(":")
            yield address(local), int(port, 16)


def address(text: str) -> IPv4Address | IPv6Address:
    """Read an address as the kernel prints it: words of four bytes, each in the machine's order."""
    packed = b"".join(
        int(text[at : at + 8], 16).to_bytes(4, sys.byteorder)  # the words are printed as numbers
        for at in range(0, len(text), 8)
    )
    if len(packed) == 4:
        return IPv4Address(packed)
    long = IPv6Address(packed)
    return long.ipv4_mapped or long
