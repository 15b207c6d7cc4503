"""The ways to a task on the lab's Slurm beside OpenSSH with `srun` and with a jump: bytes for each second, and round trips."""

import argparse
import asyncio
import statistics
from asyncio.subprocess import DEVNULL, PIPE
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Protocol

from bench.gateway import Target
from bench.lab_places import GROUND
from bench.launch import BUDGET
from bench.slurm_launch import ACCOUNT, Cluster, cluster, echo_task, first_byte
from specola.computing.batch.names import Names
from specola.domain.budget import Budget
from specola.domain.computing import Handle
from specola.ports.computing import Computing
from tests.support.places import ECHO, Reports

__all__ = ["main", "measure"]

POURS, COUNTS = 8, 9
SERVE = f"nc -ll -p {ECHO} -e cat & nc -ll -p {POURS} -e cat /dev/zero & nc -ll -p {COUNTS} -e wc -c & exec sleep 1000"
PIECE = bytes(1 << 18)
ROUND_TRIPS = 300
SIZES = {"relay": 48 << 20, "forward": 128 << 20}
LEAST = {"relay": 15.0, "forward": 50.0}
RATIO = 0.8
"""Of what OpenSSH carries in the same round: a busy machine slows both."""
STEP = "srun --jobid={job} --overlap --unbuffered --quiet --nodes=1 --ntasks=1 --mem=0"


class Peer(Protocol):
    """A byte stream, ours or a program's."""

    async def read(self, most: int = 65536) -> bytes:
        """Return some bytes."""

    async def write(self, data: bytes) -> None:
        """Send some bytes."""

    async def end(self) -> None:
        """Send no more."""

    async def close(self) -> None:
        """Give it up."""


class Program:
    """A program's input and output as a byte stream."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._input, self._output = process, process.stdin, process.stdout

    async def read(self, most: int = 65536) -> bytes:
        """Return some bytes of its output."""
        return await self._output.read(most)

    async def write(self, data: bytes) -> None:
        """Send some bytes to its input."""
        self._input.write(data)
        await self._input.drain()

    async def end(self) -> None:
        """End its input."""
        self._input.write_eof()

    async def close(self) -> None:
        """End it."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


Open = Callable[[str], Awaitable[Peer]]
"""Opens a stream to what echoes (`cat`), pours (`cat /dev/zero`) or counts (`wc -c`)."""


@dataclass(slots=True)
class Figures:
    """Of one way: MB for each second from the task and to it, and milliseconds of a round trip."""

    down: list[float] = field(default_factory=list)
    up: list[float] = field(default_factory=list)
    trip: list[float] = field(default_factory=list)


async def measure(ground: Path, rounds: int) -> list[str]:
    """Measure all ways in turn, in every round; return the lines of the report."""
    found: defaultdict[str, Figures] = defaultdict(Figures)
    async with cluster(ground) as whole, _running(whole) as (handle, ways):
        for name, way in ways.items():
            await first_byte(way, handle)
            assert name in SIZES
        for _ in range(rounds):
            for name, way in ways.items():
                await _each(found[name], _ours(way, handle), SIZES[name])
                await _each(found[f"{name}, by OpenSSH"], await _by_hand(whole, name, handle), SIZES[name])
    return list(report(found))


@asynccontextmanager
async def _running(whole: Cluster) -> AsyncIterator[tuple[Handle, dict[str, Computing]]]:
    """Have a task, and a computing for each way that leads to it."""
    ways = {name: whole.open(way=name) for name in SIZES}
    relay = ways["relay"]
    launch = echo_task(whole.image, SERVE)
    handle = await relay.launch(launch, report=Reports(), budget=Budget(BUDGET, "The launch"))
    try:
        await first_byte(relay, handle)
        yield handle, ways
    finally:
        await relay.remove(handle)
        for way in ways.values():
            await way.close()


def _ours(computing: Computing, handle: Handle) -> Open:
    ports = {"cat": ECHO, "cat /dev/zero": POURS, "wc -c": COUNTS}
    return lambda what: computing.dial(handle, ports[what])


async def _by_hand(whole: Cluster, way: str, handle: Handle) -> Open:
    """Return what opens the same with the ordinary clients."""
    ticket = Names(whole.context.installation).ticket(handle)
    assert ticket is not None
    name = Names(whole.context.installation).job(ticket.task)
    job, node = (await whole.run("squeue", "--noheader", f"--name={name}", "--format=%i %B")).split()
    ssh = ["ssh", "-F", str(whole.lab.keys.configuration), "-l", ACCOUNT]
    host, step = (whole.lab.login.name, f"{STEP.format(job=job)} ") if way == "relay" else (node, "")

    async def opened(what: str) -> Program:
        words = [*ssh, host, f"{step}{what}"]
        return Program(await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, stderr=DEVNULL))

    return opened


async def _each(figures: Figures, opens: Open, size: int) -> None:
    figures.trip.append(await _round_trip(opens) * 1e3)
    figures.down.append(await _down(opens, size))
    figures.up.append(await _up(opens, size))


async def _round_trip(opens: Open) -> float:
    """Return the median seconds of a byte there and back."""
    stream = await opens("cat")
    taken = []
    try:
        for _ in range(ROUND_TRIPS + 1):
            began = monotonic()
            await stream.write(b"x")
            assert await stream.read() == b"x"
            taken.append(monotonic() - began)
    finally:
        await stream.close()
    return statistics.median(taken[1:])


async def _down(opens: Open, size: int) -> float:
    """Return the MB for each second of what is poured, from the first byte on."""
    stream = await opens("cat /dev/zero")
    try:
        assert await stream.read()
        came, began = 0, monotonic()
        while came < size:
            data = await stream.read(len(PIECE))
            assert data
            came += len(data)
        return came / (monotonic() - began) / 1e6
    finally:
        await stream.close()


async def _up(opens: Open, size: int) -> float:
    """Return the MB for each second of what is counted over there, from when it listens."""
    stream = await opens("wc -c")
    try:
        # What is written before the program runs would not be carried yet.
        await stream.write(b"x")
        await asyncio.sleep(1.0)
        began = monotonic()
        for _ in range(size // len(PIECE)):
            await stream.write(PIECE)
        await stream.end()
        told = b""
        while data := await stream.read():
            told += data
        assert int(told) == size // len(PIECE) * len(PIECE) + 1, told
        return size / (monotonic() - began) / 1e6
    finally:
        await stream.close()


def report(found: dict[str, Figures]) -> Iterator[str]:
    """Yield medians, and whether the targets are met."""
    middle = statistics.median
    yield f"{'':24}{'from it, MB/s':>14}{'to it, MB/s':>14}{'round trip, ms':>16}"
    for name, one in found.items():
        yield f"{name:24}{middle(one.down):14.0f}{middle(one.up):14.0f}{middle(one.trip):16.2f}"
    for name in LEAST:
        one, peer = found[name], found[f"{name}, by OpenSSH"]
        for text, ratios in (("from", _ratios(one.down, peer.down)), ("to", _ratios(one.up, peer.up))):
            what = f"Slurm, {name}, {text} the task, of OpenSSH's"
            yield Target(what, middle(ratios), RATIO, at_least=True).line()
    for name, least in LEAST.items():
        for text, values in (("from", found[name].down), ("to", found[name].up)):
            yield Target(f"Slurm, {name}, {text} the task, MB/s", middle(values), least, at_least=True).line()


def _ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.slurm_ways", description=__doc__)
    parser.add_argument("--ground", type=Path, default=GROUND, help=f"the lab's folder (default: {GROUND})")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    print(*asyncio.run(measure(chosen.ground, chosen.rounds)), sep="\n")


if __name__ == "__main__":
    main()
