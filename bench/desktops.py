"""A desktop through the gateway beside the direct connection: from asking for a picture until it is there, in one run."""

import argparse
import socket
import statistics
import tempfile
import time
from pathlib import Path

from typing_extensions import override

from bench.contenders import HOST, OTHERS_CORE, TOKEN, Contender, gateway, spread
from bench.gateway import Target
from bench.screen import INIT, UPDATE, VERSION, exactly
from bench.tunnels import program
from specola.websocket import BINARY, frame

__all__ = ["main", "measure"]

LIMIT_MS = 0.2
REQUEST = b"\x03\x01" + bytes(8)


class Direct:
    """A viewer at the desktop's own port."""

    def __init__(self, port: int) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.connection.sendall(data)

    def take(self, size: int) -> None:
        """Read so many bytes."""
        exactly(self.connection, size)

    def enter(self) -> None:
        """Come in, without a password."""
        self.take(len(VERSION))
        self.send(VERSION)
        self.take(2)
        self.send(b"\x01")
        self.take(4)
        self.send(b"\x01")
        self.take(len(INIT))

    def ask_ms(self, times: int) -> float:
        """Return the median time from asking for a picture until it is there."""
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            self.send(REQUEST)
            self.take(len(UPDATE))
            taken.append(time.perf_counter() - began)
        return statistics.median(taken) * 1000

    def close(self) -> None:
        """Leave."""
        self.connection.close()


class Tunnelled(Direct):
    """A viewer in a browser: the same bytes in WebSocket frames."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._held = b""
        fields = (
            f"Host: {HOST}:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            f"Authorization: Bearer {TOKEN}",
        )
        self.connection.sendall("\r\n".join(("GET /.specola/tunnel HTTP/1.1", *fields, "", "")).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += exactly(self.connection, 1)
        if b" 101 " not in answer:
            raise RuntimeError(f"not let in: {answer!r}")

    @override
    def send(self, data: bytes) -> None:
        """Send bytes in one frame."""
        self.connection.sendall(frame(BINARY, data, masked=True))

    @override
    def take(self, size: int) -> None:
        """Read so many bytes out of frames."""
        while len(self._held) < size:
            _, length = exactly(self.connection, 2)
            if length == 126:
                length = int.from_bytes(exactly(self.connection, 2))
            self._held += exactly(self.connection, length)
        self._held = self._held[size:]


def added_ms(one: Contender, screen: Contender, times: int) -> float:
    """Return what the gateway adds to the median."""
    viewers = (Direct(screen.port), Tunnelled(one.port))
    try:
        for viewer in viewers:
            viewer.enter()
        with spread(one, screen):
            direct, ours = (viewer.ask_ms(times) for viewer in viewers)
        return ours - direct
    finally:
        for viewer in viewers:
            viewer.close()


def measure(rounds: int, times: int) -> list[str]:
    """Measure in turn, several rounds; returns lines to print."""
    with (
        tempfile.TemporaryDirectory(prefix="bench") as folder,
        program("bench.screen", core=OTHERS_CORE) as screen,
        gateway(Path(folder), screen.port, protocol="rfb") as one,
    ):
        added = statistics.median(added_ms(one, screen, times) for _ in range(rounds))
    return [Target("desktop, added from asking to picture, ms", added, LIMIT_MS, at_least=False).line()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.desktops", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=2000, help="pictures of each round")
    options = parser.parse_args()
    print(*measure(options.rounds, options.times), sep="\n")


if __name__ == "__main__":
    main()
