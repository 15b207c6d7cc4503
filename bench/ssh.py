"""The SSH front door in bulk beside the direct connection: `ssh` fetches from a task by a command and by a forward."""

import argparse
import asyncio
import json
import logging
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
import uvloop

from bench.contenders import OTHERS_CORE
from bench.gateway import Target
from bench.measuring import cpu_seconds

__all__ = ["main"]

DOORS_CORE = 0
BLOCK = bytes(1 << 20)
LIMIT = 250.0


@dataclass(slots=True)
class Figures:
    """What was measured: MB/s of each way, and CPU seconds of the front door for each GB."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)


async def serve(source: int) -> None:
    """Serve a front door, with one task whose port leads to `source`, and say how it is reached, until input ends."""
    # Only this process needs what tests need.
    from tests.support.ssh_stage import open_ssh_stage

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    async with open_ssh_stage() as stage:
        stage.computing.ports[8000] = source
        print(json.dumps({"command": stage.ssh(), "forward": stage.ssh("-W", "localhost:8000", "--")}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def sending(size: int) -> Iterator[int]:
    """Send `size` bytes to whoever connects, from a thread; yields the port."""

    def send(connection: socket.socket) -> None:
        with connection:
            for _ in range(size // len(BLOCK)):
                connection.sendall(BLOCK)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=send, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def fetch(argv: Sequence[str]) -> float:
    """Run a program whose output is thrown away; return the seconds."""
    begin = time.monotonic()
    pinned = ["taskset", "-c", str(OTHERS_CORE), *argv]
    subprocess.run(pinned, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begin


def direct(port: int) -> float:
    """Read all that a port sends; return the seconds."""
    begin = time.monotonic()
    nothing = bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while connection.recv_into(nothing):
            pass
    return time.monotonic() - begin


def measure(size: int, rounds: int) -> Figures:
    """Measure each way in turn, in every round."""
    figures = Figures()
    with sending(size) as port:
        door = subprocess.Popen(
            ["taskset", "-c", str(DOORS_CORE), sys.executable, "-m", "bench.ssh", "--serve", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert door.stdout is not None
        told = json.loads(next(line for line in door.stdout if line.startswith("{")))
        ways = {
            "command": [*told["command"], f"head -c {size} /dev/zero"],
            "forward": told["forward"],
        }
        try:
            for _ in range(rounds):
                figures.rates.setdefault("direct", []).append(size / direct(port) / 1e6)
                for name, argv in ways.items():
                    before = cpu_seconds(door.pid)
                    figures.rates.setdefault(name, []).append(size / fetch(argv) / 1e6)
                    figures.cpu.setdefault(name, []).append((cpu_seconds(door.pid) - before) / size * 1e9)
        finally:
            door.communicate("")
    return figures


def report(figures: Figures) -> Iterator[str]:
    """Yield medians, and whether the target is met."""
    for name, rates in figures.rates.items():
        cpu = f"{statistics.median(figures.cpu[name]):6.2f} CPU s/GB" if name in figures.cpu else ""
        yield f"{name:10}{statistics.median(rates):10.0f} MB/s   {cpu}"
    for name in ("command", "forward"):
        best = Target(f"SSH, {name}, MB/s", statistics.median(figures.rates[name]), LIMIT, at_least=True)
        yield best.line()


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.ssh", description=__doc__)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=512, help="MiB for each fetch")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    if chosen.serve:
        uvloop.run(serve(chosen.serve))
        return
    print(*report(measure(chosen.size << 20, chosen.rounds)), sep="\n")


if __name__ == "__main__":
    main()
