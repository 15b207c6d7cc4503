"""Which sockets listen in a network, asked of the kernel by netlink (sock_diag(7))."""

import socket
import struct
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from specola.computing.inside.tables import Listener

__all__ = ["Diagnosis"]

SECONDS = 1.0
# netlink(7) and sock_diag(7): the protocol, the question, how it is asked, how an answer ends.
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
REQUEST, DUMP = 0x1, 0x300
ERROR, DONE = 2, 3
HEADER = struct.Struct("=IHHII")
# struct inet_diag_req_v2 without the identity of one socket; struct inet_diag_msg as far as its source address.
QUESTION = struct.Struct("=BBBxI48x")
MESSAGE = struct.Struct("=BBBB2s2x16s")
LISTENING = 1 << 10
LARGEST = 65536


class Diagnosis:
    """Asks about the network in which it was made.

    It costs a few dozen microseconds however many connections there are, since the kernel looks at sockets that listen alone;
    to read the tables in `/proc/net` it walks all of the machine's, which takes it many milliseconds.
    """

    def __init__(self, asking: socket.socket) -> None:
        self._socket = asking
        self._number = 0
        # It is asked in one thread and closed in another: a number of a file must not change its meaning meanwhile.
        self._lock = threading.Lock()

    @staticmethod
    def open() -> socket.socket:
        """Return what asks about the network of the thread that calls. Raises OSError."""
        asking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
        asking.settimeout(SECONDS)
        return asking

    def listeners(self) -> list[Listener]:
        """Return who listens on TCP ports. Raises OSError if the kernel does not tell."""
        with self._lock:
            return [*self._ask(socket.AF_INET), *self._ask(socket.AF_INET6)]

    def close(self) -> None:
        """Ask nothing more; the network may go."""
        with self._lock:
            self._socket.close()

    def _ask(self, family: int) -> Iterator[Listener]:
        self._number += 1
        question = QUESTION.pack(family, socket.IPPROTO_TCP, 0, LISTENING)
        length = HEADER.size + len(question)
        head = HEADER.pack(length, SOCK_DIAG_BY_FAMILY, REQUEST | DUMP, self._number, 0)
        self._socket.send(head + question)
        while True:
            told = self._socket.recv(LARGEST)
            at = 0
            while at + HEADER.size <= len(told):
                length, kind, _, number, _ = HEADER.unpack_from(told, at)
                if number == self._number:
                    if kind == DONE:
                        return
                    if kind == ERROR:
                        raise OSError("the kernel does not tell who listens")
                    yield _listener(told[at + HEADER.size : at + length])
                # Messages begin at multiples of four.
                at += max(HEADER.size, (length + 3) & ~3)


def _listener(message: bytes) -> Listener:
    family, _, _, _, port, address = MESSAGE.unpack_from(message)
    number = int.from_bytes(port, "big")
    if family == socket.AF_INET:
        return IPv4Address(address[:4]), number
    six = IPv6Address(address)
    return six.ipv4_mapped or six, number
