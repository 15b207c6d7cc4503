"""A launch on an engine of another host by SSH beside one on an engine of this machine, and what a new connection costs there."""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from bench.gateway import Target
from bench.launch import BUDGET, POOL, Steps, by_adapter
from lab import sshhost
from lab.ground import GROUND
from lab.sshhost import SshHosts
from specola.clock import Clock
from specola.computing.engine.api import Engine
from specola.computing.engine.config import EngineSettings
from specola.computing.engine.firewall import forget
from specola.computing.kinds import Context, open_computing
from specola.domain.budget import Budget
from specola.hosts.config import Identity
from specola.ports.computing import Computing
from tests.support.hosts import connected, settings_of
from tests.support.images import TEST_IMAGE, load
from tests.support.places import ECHO, SERVE, Reports, a_launch

__all__ = ["main", "measure"]

MORE, CONNECTION = 0.5, 0.05
CONNECTIONS = 50


@dataclass(slots=True)
class Found:
    """Seconds: of launches on each, of connections there that were the first to their task, and of further ones."""

    here: list[float] = field(default_factory=list)
    there: list[float] = field(default_factory=list)
    first: float = 0.0
    further: list[float] = field(default_factory=list)


async def measure(url: str, lab: SshHosts, rounds: int) -> list[str]:
    """Measure both in turn, after one round that is not counted; return the lines of the report."""
    found, steps = Found(), Steps()
    account = settings_of(lab.keys, lab.front, identity=Identity.SHARED, account=lab.member)
    there = {"host": account.model_dump(mode="json"), "socket": lab.socket, "networks": "10.215.0.0/16"}
    async with AsyncExitStack() as stack:
        hosts = (await stack.enter_async_context(connected(lab, {"there": account}))).hosts
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="specola-bench-"))
        context = Context(installation=Clock().new_id(12), data=Path(folder), clock=Clock(), hosts=hosts)
        stack.push_async_callback(forget, context.installation)
        near = await _opened(stack, "here", {"url": url, "networks": POOL}, context)
        far = await _opened(stack, "there", there, context)
        host = hosts.host("there", lab.member)
        for engine in (Engine(url), Engine("there", way=lambda: host.connect(lab.socket))):
            stack.push_async_callback(engine.close)
            await load(engine, [TEST_IMAGE])
        for _ in range(rounds + 1):
            found.here.append(await by_adapter(near, TEST_IMAGE.reference, Steps()))
            found.there.append(await by_adapter(far, TEST_IMAGE.reference, steps))
        await _connections(far, found)
    return list(report(found, steps))


async def _opened(stack: AsyncExitStack, name: str, settings: dict[str, Any], context: Context) -> Computing:
    computing = open_computing("engine", name=name, settings=settings, context=context)
    stack.push_async_callback(computing.close)
    await computing.probe(Budget(BUDGET, "The probe"))
    return computing


async def _connections(computing: Computing, found: Found) -> None:
    """Connect to a task's echo again and again, each time until the first byte is back."""
    launch = a_launch(TEST_IMAGE.reference, "sh", "-c", SERVE)
    handle = await computing.launch(launch, report=Reports(), budget=Budget(BUDGET, "The launch"))
    try:
        # The server has begun by then.
        await asyncio.sleep(1.0)
        for number in range(CONNECTIONS + 1):
            began = monotonic()
            stream = await computing.dial(handle, ECHO)
            await stream.write(b"x")
            assert await stream.read() == b"x"
            taken = monotonic() - began
            await stream.close()
            if number:
                found.further.append(taken)
            else:
                found.first = taken
    finally:
        await computing.remove(handle)


def report(found: Found, steps: Steps) -> Iterator[str]:
    """Yield medians, the steps' medians, and whether the targets are met."""
    here, there = statistics.median(found.here[1:]), statistics.median(found.there[1:])
    yield f"{'launch here, s':32}{here:8.3f}"
    yield f"{'launch on the SSH host, s':32}{there:8.3f}"
    for code, taken in steps.taken.items():
        yield f"  until {code:24}{statistics.median(taken[1:]):8.3f}"
    yield f"{'first connection, s':32}{found.first:8.3f}"
    yield Target("SSH host, launch, more than here, s", there - here, MORE, at_least=False).line()
    yield Target(
        "SSH host, further connections, s", statistics.median(found.further), CONNECTION, at_least=False
    ).line()


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.remote_launch", description=__doc__)
    parser.add_argument("--engine", default=EngineSettings().address, help="unix:///PATH of this machine's engine")
    parser.add_argument("--ground", type=Path, default=GROUND, help=f"the lab's folder (default: {GROUND})")
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    lab = sshhost.up(chosen.ground)
    print(*asyncio.run(measure(chosen.engine, lab, chosen.rounds)), sep="\n")


if __name__ == "__main__":
    main()
