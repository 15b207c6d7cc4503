"""A launch by the engine adapter beside a bare create and start of the same image, through the same API."""

import argparse
import asyncio
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from bench.gateway import Target
from specola.clock import Clock
from specola.computing.engine.api import Engine
from specola.computing.engine.config import EngineSettings
from specola.computing.engine.firewall import forget
from specola.computing.engine.quirks import Memory, Quirks
from specola.computing.kinds import Context, open_computing
from specola.domain.budget import Budget
from specola.domain.computing import Launch, Progress
from specola.domain.software import Resources, RunsAs
from specola.ports.computing import Computing

__all__ = ["main", "measure"]

LIMIT = 0.25
BUDGET = 60.0
SUBNET = {"Subnet": "10.219.255.0/29", "Gateway": "10.219.255.1"}
POOL = "10.219.0.0/17"


@dataclass(slots=True)
class Steps:
    """How long each step of the launches took, in seconds."""

    taken: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    last: float = 0.0

    async def __call__(self, progress: Progress) -> None:
        """Note a step."""
        now = monotonic()
        self.taken[progress.code].append(now - self.last)
        self.last = now


async def by_hand(engine: Engine, image: str, network: str, quirks: Quirks) -> float:
    """Create and start a container in a network that is there already; return the seconds."""
    body: Mapping[str, Any] = {"Image": image, "HostConfig": {"NetworkMode": network, **quirks.host_config}}
    begin = monotonic()
    container = await engine.docker.containers.create(body)
    try:
        await container.start()
        return monotonic() - begin
    finally:
        await container.delete(force=True, v=True)


async def by_adapter(computing: Computing, image: str, steps: Steps) -> float:
    """Launch a task; return the seconds."""
    clock = Clock()
    launch = Launch(
        task=clock.new_id(),
        title="A benchmark",
        owner="bench",
        reference=image,
        digest=None,
        image_id=None,
        command=(),
        environment={},
        resources=Resources(),
        user=RunsAs.IMAGE,
        home=None,
        number=4711,
        capabilities=(),
        interfaces=(),
        credential=clock.new_secret(),
    )
    begin = steps.last = monotonic()
    handle = await computing.launch(launch, report=steps, budget=Budget(BUDGET, "The launch"))
    seconds = monotonic() - begin
    await computing.remove(handle)
    return seconds


async def measure(url: str, image: str, rounds: int) -> list[str]:
    """Measure both in turn, after one round that is not counted; return the lines of the report."""
    ours, hand, steps = [], [], Steps()
    with tempfile.TemporaryDirectory(prefix="specola-bench-") as folder:
        context = Context(installation=Clock().new_id(12), data=Path(folder), clock=Clock())
        settings = {"url": url, "networks": POOL}
        computing, engine = open_computing("engine", name="bench", settings=settings, context=context), Engine(url)
        network = await engine.docker.networks.create({"Name": "specola-bench", "IPAM": {"Config": [SUBNET]}})
        try:
            await computing.probe(Budget(BUDGET, "The probe"))
            quirks = Memory(context.data / "engines" / "bench.json", url).read() or Quirks()
            for _ in range(rounds + 1):
                hand.append(await by_hand(engine, image, "specola-bench", quirks))
                ours.append(await by_adapter(computing, image, steps))
        finally:
            await network.delete()
            await engine.close()
            await computing.close()
            await forget(context.installation)
    return list(report(hand[1:], ours[1:], steps))


def report(hand: list[float], ours: list[float], steps: Steps) -> Iterator[str]:
    """Yield medians, the steps' medians, and whether the target is met."""
    yield f"{'create and start by hand, s':32}{statistics.median(hand):8.3f}"
    yield f"{'launch by the adapter, s':32}{statistics.median(ours):8.3f}"
    for code, taken in steps.taken.items():
        yield f"  until {code:24}{statistics.median(taken[1:]):8.3f}"
    more = statistics.median(ours) - statistics.median(hand)
    yield Target("launch, more than by hand, s", more, LIMIT, at_least=False).line()


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.launch", description=__doc__)
    parser.add_argument("--engine", default=EngineSettings().address, help="unix:///PATH of the engine's socket")
    parser.add_argument("--image", default="localhost/specola/sum:1.0", help="an image that the engine has")
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    print(*asyncio.run(measure(chosen.engine, chosen.image, chosen.rounds)), sep="\n")


if __name__ == "__main__":
    main()
