"""`specola forward` beside the direct connection: bulk, round trips, and the memory of idle tunnels, in one run."""

import argparse
import asyncio
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.contenders import HOST, OTHERS_CORE, PROXY_CORE, TOKEN, Contender, gateway, pinned, spread
from bench.gateway import Target
from bench.measuring import resident

__all__ = ["main", "measure"]

MOST = 4 * 1024 * 1024
ROUND_TRIPS = 2000
PIECE = bytes(256 * 1024)
WARM = 100


@dataclass(slots=True)
class Figures:
    """What has been measured; one entry for each round."""

    direct: list[float] = field(default_factory=list)
    """Bytes for each second."""
    down: list[float] = field(default_factory=list)
    up: list[float] = field(default_factory=list)
    added_ms: list[float] = field(default_factory=list)
    idle: float = 0.0
    """Bytes of the gateway's memory for each idle tunnel."""


def download(port: int, seconds: float) -> float:
    """Read what the other side pours, and have the kernel throw it away; returns bytes for each second."""
    nothing = bytearray(MOST)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"d")
        connection.recv(1)
        total, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            total += connection.recv_into(nothing, MOST, socket.MSG_TRUNC)
        return total / (time.perf_counter() - began)


def upload(port: int, seconds: float) -> float:
    """Pour, and hear in the end how much has come; returns bytes for each second."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"u")
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            connection.sendall(PIECE)
        connection.shutdown(socket.SHUT_WR)
        total = int(connection.makefile("rb").read())
        return total / (time.perf_counter() - began)


def round_trip_ms(port: int) -> float:
    """Return the median time of one byte there and back."""
    times = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"e")
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            connection.sendall(b"x")
            connection.recv(1)
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


@contextmanager
def program(module: str, *arguments: str, core: int) -> Iterator[Contender]:
    """Run one of our helpers on one core; it prints its port."""
    argv = [*pinned(core), sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Contender(module, int(process.stdout.readline()), process.pid)
    finally:
        process.terminate()
        process.wait()


def bytes_per_idle_tunnel(one: Contender, count: int) -> float:
    """Open tunnels on which nothing happens; return the growth of the gateway's memory for each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return asyncio.run(open_many(one, count))


async def open_many(one: Contender, count: int) -> float:
    wire = (
        f"GET /.specola/tunnel HTTP/1.1\r\nHost: {HOST}:{one.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    ).encode()

    async def connect() -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        writer.write(wire)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in answer, answer
        return writer

    held = [await connect() for _ in range(WARM)]
    before = resident(one.pid)
    held += [await connect() for _ in range(count)]
    growth = resident(one.pid) - before
    for writer in held:
        writer.transport.abort()
    return growth / count


def targets(found: Figures, count: int) -> Iterator[Target]:
    """Compare with what is wanted."""
    yield Target("forward, from the task, MB/s", statistics.median(found.down) / 1e6, 500, at_least=True)
    yield Target("forward, to the task, MB/s", statistics.median(found.up) / 1e6, 500, at_least=True)
    yield Target("forward, added round trip, ms", statistics.median(found.added_ms), 0.3, at_least=False)
    yield Target(f"{count} idle tunnels, MB of the gateway", found.idle * count / 1e6, 50, at_least=False)


def measure(rounds: int, seconds: float, tunnels: int) -> list[str]:
    """Measure in turn, several rounds; returns lines to print."""
    found = Figures()
    with (
        tempfile.TemporaryDirectory(prefix="bench") as folder,
        program("bench.pouring", core=OTHERS_CORE) as backend,
        gateway(Path(folder), backend.port) as one,
        program("bench.forwarder", str(one.port), core=PROXY_CORE) as forwarder,
    ):
        for _ in range(rounds):
            found.direct.append(download(backend.port, seconds))
            found.down.append(download(forwarder.port, seconds))
            found.up.append(upload(forwarder.port, seconds))
            with spread(one, backend, forwarder):
                found.added_ms.append(round_trip_ms(forwarder.port) - round_trip_ms(backend.port))
        found.idle = bytes_per_idle_tunnel(one, tunnels)
    direct = f"{'':8} {'without a tunnel, MB/s':58} {statistics.median(found.direct) / 1e6:8.0f}"
    return [direct, *(one.line() for one in targets(found, tunnels))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.tunnels", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--tunnels", type=int, default=1000)
    options = parser.parse_args()
    print(*measure(options.rounds, options.seconds, options.tunnels), sep="\n")


if __name__ == "__main__":
    main()
