"""A task on the lab's Slurm beside a plain job, and beside the same container in a job by hand; how many answers a launch waits for."""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime, monotonic, time
from typing import Any

from bench.distance import far_away
from bench.gateway import Target
from bench.lab_places import GROUND, box
from bench.launch import BUDGET, Steps
from lab import slurm
from lab.slurm import Slurm
from specola.clock import Clock
from specola.computing.batch.names import MARK, STATUS
from specola.computing.kinds import Context, open_computing
from specola.domain.budget import Budget
from specola.domain.computing import Handle, Launch
from specola.domain.errors import SpecolaError
from specola.hosts.config import HostSettings, Identity
from specola.hosts.registered import RegisteredHosts
from specola.ports.computing import Computing
from specola.ports.hosts import Host
from tests.support.hosts import authority_of, pinned, settings_of
from tests.support.identities import LabIdentities
from tests.support.places import ECHO, Reports, a_launch

__all__ = ["ACCOUNT", "Cluster", "cluster", "echo_task", "first_byte", "main", "measure"]

ACCOUNT = "ann"
NEAR, FAR = "near", "far"
MORE, FURTHER = 5.0, 0.05
CONNECTIONS = 50
PAUSE = 0.05
WAY = 0.05
"""Seconds that a byte takes to the login node, and as many back, where the answers are counted that a launch waits for."""
SERVE = "nc -ll -p 7 -e cat & exec sleep 1000"
# Lab machines have one clock, which also tells the time since this machine was started.
WHEN = "cat /proc/uptime"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster as two computings: near as it is, and as far away as another town.

    Parameters
    ----------
    settings
        Of the computing, without its host; `open` adds more.
    image
        An image in its registry.
    """

    lab: Slurm
    hosts: RegisteredHosts
    context: Context
    settings: dict[str, Any]
    image: str
    known: dict[str, HostSettings]

    @property
    def login(self) -> Host:
        """The login node, on a connection that all share."""
        return self.hosts.host(NEAR, ACCOUNT)

    def open(self, name: str = NEAR, **more: object) -> Computing:
        """Open the computing."""
        host = {**self.known[name].model_dump(mode="json"), "identity": "shared", "account": ACCOUNT}
        settings = {"host": host, **self.settings, **more}
        return open_computing("batch", name=name, settings=settings, context=self.context)

    async def run(self, *command: str, given: bytes = b"") -> str:
        """Run a command on the login node that succeeds."""
        done = await self.login.run(command, given=given, seconds=BUDGET)
        if done.code != 0:
            raise RuntimeError(f"{command[0]}: {done.complaint}")
        return done.text.strip()


@asynccontextmanager
async def cluster(ground: Path) -> AsyncIterator[Cluster]:
    """Bring the lab's cluster up, and reach it as the platform does."""
    lab, (images, image) = slurm.up(ground), box(ground)
    settings = {"runtime": "apptainer", "scratch": "/scratch", "image_memory": "1GiB"}
    async with AsyncExitStack() as stack:
        near = settings_of(
            lab.keys,
            lab.login,
            keys=(),
            authorities=authority_of(lab.keys),
            identity=Identity.SHARED,
            account=ACCOUNT,
        )
        port = await stack.enter_async_context(far_away(lab.login.address, 22, seconds=WAY))
        # A certificate names the login node's address, and there it has another.
        there = {"address": "127.0.0.1", "port": port, "keys": pinned(lab.keys, lab.login), "authorities": ()}
        known = {NEAR: near, FAR: near.model_copy(update=there)}

        async def look_up(name: str) -> HostSettings:
            return known[name]

        hosts = RegisteredHosts(look_up, LabIdentities(lab.keys))
        stack.callback(hosts.close)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="specola-bench-"))
        context = Context(installation=Clock().new_id(12), data=Path(folder), clock=Clock(), hosts=hosts)
        insecure = {"insecure_registries": [f"127.0.0.1:{images.port}"]}
        yield Cluster(lab, hosts, context, {**settings, **insecure}, image, known)


def echo_task(image: str, script: str = SERVE) -> Launch:
    """Return a launch of the test image that serves an echo."""
    return a_launch(image, "sh", "-c", script)


async def first_byte(computing: Computing, handle: Handle, port: int = ECHO) -> None:
    """Connect to an echo until a byte is back."""
    end = monotonic() + BUDGET
    while True:
        try:
            stream = await computing.dial(handle, port)
        except (SpecolaError, OSError):
            # It has not begun, or nobody listens yet.
            if monotonic() > end:
                raise
            await asyncio.sleep(PAUSE)
            continue
        try:
            await stream.write(b"x")
            if await stream.read() == b"x":
                return
        except OSError:
            pass
        finally:
            await stream.close()


@dataclass(slots=True)
class Found:
    """Seconds of each, by what they were spent on, and how many answers a launch waited for."""

    taken: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    further: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    steps: Steps = field(default_factory=Steps)


async def measure(ground: Path, rounds: int) -> list[str]:
    """Measure in turn, after one round that is not counted; return the lines of the report."""
    found = Found()
    async with cluster(ground) as whole:
        near, far = whole.open(), whole.open(FAR)
        try:
            for number in range(rounds + 1):
                if number == 1:
                    found = Found()
                plain, hand = await by_hand(whole, ["true"]), await by_hand(whole, await _container(whole))
                found.taken["a plain job, until it runs"].append(plain)
                found.taken["the container by hand, until it runs"].append(hand)
                await by_adapter(whole, near, found, connections=CONNECTIONS if number == rounds else 0)
                found.answers.append(await answers(whole, near, far))
        finally:
            await near.close()
            await far.close()
    return list(report(found))


async def by_hand(whole: Cluster, words: Sequence[str]) -> float:
    """Hand a job in by `sbatch` over a connection that is open; return the seconds until its own program runs."""
    script = f"#!/bin/sh\n{' '.join([*words, WHEN])}\n".replace("true cat", "cat")
    file = f"when-{Clock().new_id()}"
    began = clock_gettime(CLOCK_BOOTTIME)
    await whole.run("sbatch", "--parsable", "--wait", "--mem=256M", f"--output={file}", given=script.encode())
    told = await whole.run("cat", file)
    await whole.run("rm", file)
    return float(told.split()[0]) - began


async def _container(whole: Cluster) -> list[str]:
    """Return the words that run something in the task's image by hand; the adapter has had it converted, or it is now."""
    image = "bench-image.sif"
    if (await whole.login.run(["test", "-s", image])).code != 0:
        build = f"apptainer --silent build --no-https {image} docker://{whole.image}"
        script = f"#!/bin/sh\nexec {build}\n"
        await whole.run("sbatch", "--wait", "--mem=1G", "--output=/dev/null", given=script.encode())
    return ["apptainer", "--silent", "exec", "--containall", "--writable-tmpfs", image]


async def by_adapter(whole: Cluster, computing: Computing, found: Found, *, connections: int) -> None:
    """Launch a task until it answers, and connect to it again and again; note the seconds."""
    began, at = monotonic(), time()
    found.steps.last = began
    launch = echo_task(whole.image)
    handle = await computing.launch(launch, report=found.steps, budget=Budget(BUDGET, "The launch"))
    handed_in = monotonic() - began
    try:
        await first_byte(computing, handle)
        answered = monotonic() - began
        marked, status = await _status(whole, launch)
        for _ in range(connections):
            again = monotonic()
            await first_byte(computing, handle)
            found.further.append(monotonic() - again)
    finally:
        await computing.remove(handle)
    taken = found.taken
    taken["the task, until it answers"].append(answered)
    taken["  of it, until it is handed in"].append(handed_in)
    taken["  until its job runs"].append(marked - at)
    taken["  until its agent runs"].append(status["began"] - at)
    taken["  until its container runs"].append(status["started"] - at)


async def _status(whole: Cluster, launch: Launch) -> tuple[float, dict[str, Any]]:
    """Return when a task's job began, and what its agent says."""
    folder = f".specola/{whole.context.installation}/tasks/{launch.task}"
    marked = await whole.run("stat", "--format=%.Y", f"{folder}/{MARK}")
    return float(marked), dict(json.loads(await whole.run("cat", f"{folder}/{STATUS}")))


async def answers(whole: Cluster, near: Computing, far: Computing) -> float:
    """Launch once near and once far away; return how many times the way there and back the one takes longer."""
    taken = {}
    for name, computing in ((NEAR, near), (FAR, far)):
        # So that it is connected already.
        await whole.hosts.host(name, ACCOUNT).run(["true"])
        began = monotonic()
        launch = echo_task(whole.image)
        handle = await computing.launch(launch, report=Reports(), budget=Budget(BUDGET, "The launch"))
        taken[name] = monotonic() - began
        await computing.remove(handle)
    return (taken[FAR] - taken[NEAR]) / (2 * WAY)


def report(found: Found) -> Iterator[str]:
    """Yield medians, and whether the targets are met."""
    middle = {name: statistics.median(values) for name, values in found.taken.items()}
    for name, value in middle.items():
        yield f"{name + ', s':44}{value:8.3f}"
    for code, taken in found.steps.taken.items():
        yield f"    launch, until {code:26}{statistics.median(taken):8.3f}"
    yield f"{'answers that a launch waits for':44}{statistics.median(found.answers):8.1f}"
    yield f"{'further connections, worst, s':44}{max(found.further):8.4f}"
    more = middle["the task, until it answers"] - middle["a plain job, until it runs"]
    yield Target("Slurm, task, more than a plain job, s", more, MORE, at_least=False).line()
    yield Target(
        "Slurm, further connections, median, s", statistics.median(found.further), FURTHER, at_least=False
    ).line()
    yield Target("Slurm, further connections, worst, s", max(found.further), FURTHER, at_least=False).line()


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.slurm_launch", description=__doc__)
    parser.add_argument("--ground", type=Path, default=GROUND, help=f"the lab's folder (default: {GROUND})")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    print(*asyncio.run(measure(chosen.ground, chosen.rounds)), sep="\n")


if __name__ == "__main__":
    main()
