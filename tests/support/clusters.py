"""A cluster to ask tasks of: what its probe says, what its record offers, and how both are put in place."""

from dataclasses import replace
from datetime import timedelta

from specola.clock import Clock
from specola.computing.memory.world import Cluster, Waiting
from specola.domain.computing import Capability, ComputingState, Probe
from specola.domain.offer import Offer
from specola.domain.placement import GpuKind, Partition
from specola.storage.store import Store
from tests.support.harness import Platform

__all__ = ["CLUSTER", "DAY", "FAT", "GPU", "OFFER", "becomes_a_cluster", "stands_for_a_cluster"]

GIB = 1024**3
HOUR = timedelta(hours=1)
DAY = Partition(name="day", is_default=True, nodes=2, cpus=4, memory=8 * GIB, idle=3, longest=24 * HOUR, usual=HOUR)
FAT = Partition(name="fat", nodes=1, cpus=64, memory=512 * GIB, longest=72 * HOUR)
GPU = Partition(
    name="gpu",
    nodes=1,
    cpus=16,
    memory=64 * GIB,
    gpus=(GpuKind(model="a100", count=4), GpuKind(model="l4", count=1)),
)
CLUSTER = Probe(
    product="memory",
    version="1",
    architectures=("amd64",),
    cpus=84,
    memory=584 * GIB,
    capabilities=frozenset({Capability.LOGS, Capability.IMAGES, Capability.TELL}),
    scheduler="slurm",
    partitions=(DAY, FAT, GPU),
    projects=("astro", "students"),
)
OFFER = Offer(options={"qos": ("short", "long"), "constraint": ()})


async def stands_for_a_cluster(
    store: Store, name: str, *, clock: Clock, probe: Probe | None = CLUSTER, offer: Offer = OFFER
) -> None:
    """Say what a computing is, as its last probe, and what its record offers."""
    async with store.write() as tx:
        await tx.computings.save(replace(await tx.computings.get(name), offer=offer))
        await tx.computings.save_state(name, ComputingState(asked=clock.now(), probe=probe))


async def becomes_a_cluster(platform: Platform, *, queue: Waiting | None = None) -> None:
    """Let a platform's computing be a cluster, in which new tasks stand in a queue if one is given."""
    world = platform.world
    world.clusters["local"] = Cluster(scheduler="slurm", partitions=CLUSTER.partitions, projects=CLUSTER.projects)
    world.queue = queue
    services = platform.services
    async with services.store.read() as tx:
        found = (await tx.computings.get("local")).state.probe
    probe = replace(found or CLUSTER, scheduler="slurm", partitions=CLUSTER.partitions, projects=CLUSTER.projects)
    await stands_for_a_cluster(services.store, "local", clock=services.clock, probe=probe)
