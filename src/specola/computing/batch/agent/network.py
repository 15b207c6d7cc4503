"""The network of one task: loopback alone, or with a way out; nothing leads in but sockets that are made inside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
from pathlib import Path
from typing import Callable

from . import kernel
from .children import Child, Children, close_all_but

__all__ = ["Network", "NetworkError", "listening"]

LISTEN = "0A"
LOOPBACK = ("127.0.0.1", "::1")
FAMILIES = {b"4": socket.AF_INET, b"6": socket.AF_INET6}
ANSWER_SECONDS = 5.0


class NetworkError(Exception):
    """The network that a task should have cannot be made, or entered."""


class Network:
    """A network namespace, held by a process of ours that makes sockets in it and hands them over.

    A socket stays in the network that it was made in, so the bytes themselves pass through no helper.
    """

    def __init__(self, keeper: Child, control: socket.socket) -> None:
        self.keeper = keeper
        self._control = control
        self.received = 0
        self.sent = 0

    @classmethod
    def made(cls, children: Children) -> Network:
        """Make a network with a loopback of its own, in a namespace of users that has this account alone.

        Raises
        ------
        NetworkError
            This node does not let accounts make namespaces.
        """
        user, group = os.getuid(), os.getgid()

        def begin() -> None:
            kernel.leave(kernel.USER | kernel.NETWORK)
            kernel.map_itself(user, group)
            kernel.loopback_up()
            kernel.open_low_ports()

        return cls._kept(children, begin)

    @classmethod
    def of(cls, children: Children, process: int) -> Network:
        """Enter the network of a process, which was made by a runtime of this account."""

        def begin() -> None:
            for name in ("user", "net"):
                descriptor = os.open(f"/proc/{process}/ns/{name}", os.O_RDONLY)
                kernel.enter(descriptor, kernel.ALL[name])

        return cls._kept(children, begin)

    @classmethod
    def _kept(cls, children: Children, begin: Callable[[], None]) -> Network:
        ours, theirs = socket.socketpair()

        def body() -> int:
            close_all_but((theirs.fileno(),))
            try:
                begin()
            except OSError as error:
                theirs.sendall(f"{error}".encode())
                return 1
            theirs.sendall(b"ready")
            return _hand_over(theirs)

        keeper = children.fork(body)
        theirs.close()
        ours.settimeout(ANSWER_SECONDS)
        answer = ours.recv(4096)
        if answer != b"ready":
            ours.close()
            raise NetworkError(answer.decode(errors="replace") or "The process that should hold it ended.")
        return cls(keeper, ours)

    def join(self) -> None:
        """Enter it with this process, which has just been forked."""
        for name in ("user", "net"):
            descriptor = os.open(f"/proc/{self.keeper.pid}/ns/{name}", os.O_RDONLY)
            kernel.enter(descriptor, kernel.ALL[name])
            os.close(descriptor)

    async def connect(self, port: int) -> socket.socket:
        """Connect to a port of its loopback.

        Raises
        ------
        OSError
            Nobody listens there.
        """
        failure = OSError("There is no network.")
        for family, address in zip(FAMILIES, LOOPBACK):
            made = self._socket(family)
            try:
                await asyncio.get_running_loop().sock_connect(made, (address, port))
            except OSError as error:
                made.close()
                # What was said of the first address tells more: programs without IPv6 are many.
                failure = failure if family == b"6" else error
            except BaseException:
                made.close()
                raise
            else:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return made
        raise failure

    def _socket(self, family: bytes) -> socket.socket:
        self._control.sendall(family)
        _, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        if not descriptors:
            raise OSError("The network of this task is gone.")
        made = socket.socket(fileno=descriptors[0])
        made.setblocking(False)
        return made

    def listening(self) -> dict[int, bool]:
        """Return the ports that are listened to, each with whether on the loopback alone."""
        return listening(Path(f"/proc/{self.keeper.pid}/net"))

    def traffic(self) -> tuple[int, int]:
        """Return the bytes that came in and went out, by a way out or through us."""
        received, sent = self.received, self.sent
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.keeper.pid}/net/dev").read_text(encoding="ascii").splitlines()[2:]:
                name, _, numbers = line.partition(":")
                if name.strip() != "lo":
                    fields = numbers.split()
                    received, sent = received + int(fields[0]), sent + int(fields[8])
        return received, sent

    def close(self) -> None:
        """Give it up; it is gone with the last process in it."""
        self._control.close()


def listening(folder: Path) -> dict[int, bool]:
    """Read the kernel's tables of TCP sockets in a folder of /proc: who listens, and whether on the loopback alone."""
    found: dict[int, bool] = {}
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (folder / name).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split(None, 4)
                if len(fields) > 3 and fields[3] == LISTEN:
                    address, _, port = fields[1].partition(":")
                    alone = _is_loopback(address)
                    found[int(port, 16)] = alone and found.get(int(port, 16), True)
    return found


def _is_loopback(text: str) -> bool:
    """Read an address as the kernel prints it: words of four bytes, each in the machine's order."""
    words = (int(text[at : at + 8], 16) for at in range(0, len(text), 8))
    packed = b"".join(struct.pack("=I", word) for word in words)
    if len(packed) == 16 and packed[:12] == bytes(10) + b"\xff\xff":
        packed = packed[12:]
    return packed[:1] == b"\x7f" if len(packed) == 4 else packed == bytes(15) + b"\x01"


def _hand_over(control: socket.socket) -> int:
    """Make a socket for each letter that comes, and hand it over; return at the end.

    A scheduler that ends a job asks all its processes; as long as the task may still be used, so must this one.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    while (letter := control.recv(1)) in FAMILIES:
        try:
            with socket.socket(FAMILIES[letter], socket.SOCK_STREAM) as made:
                socket.send_fds(control, [b"+"], [made.fileno()])
        except OSError:
            control.sendall(b"-")
    return 0
