"""What a computing is, from what its scheduler, its nodes and its file system say; what is missing, with the way to mend it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from specola.computing.batch.config import BatchSettings, RuntimeChoice, SchedulerKind
from specola.computing.batch.looks import runtimes_of
from specola.computing.batch.scheduling import Limits
from specola.domain.computing import Capability, Finding, Probe
from specola.domain.placement import GpuKind
from specola.domain.sizes import parse_size

__all__ = ["Facts", "described", "unseen"]

OLDEST_PYTHON = (3, 9)
SKEW = 5.0
LITTLE = 2 * 1024**3
ABILITIES = frozenset(
    {
        Capability.LOGS,
        Capability.EXECUTE,
        Capability.TERMINAL,
        Capability.FILES,
        Capability.USAGE,
        Capability.WATCH,
        Capability.IMAGES,
        Capability.PORTS,
        Capability.HOMES,
        Capability.ISOLATION,
        Capability.SCRATCH,
        Capability.TELL,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that was found.

    Parameters
    ----------
    node
        What a job saw on a compute node; None: none has run yet.
    machine
        The architecture of the host, in registries' words.
    writable
        Whether the folder could be written to; otherwise `complaint` says why not.
    free
        Bytes that are free there.
    skew
        By how many seconds the host's clock is ahead of ours.
    images
        How many converted images are there.
    forward
        Whether compute nodes let the owner of a job in by SSH; None: not tried yet.
    """

    limits: Limits
    machine: str
    node: Mapping[str, Any] | None = None
    writable: bool = True
    complaint: str = ""
    free: int | None = None
    skew: float | None = None
    images: int | None = None
    forward: bool | None = None
    findings: tuple[Finding, ...] = field(default=())


def described(facts: Facts, settings: BatchSettings) -> Probe:
    """Return what is told of a computing."""
    limits, node = facts.limits, facts.node or {}
    runtimes = runtimes_of(node)
    gpus: dict[str, int] = {}
    for partition in limits.partitions:
        for kind in partition.gpus:
            gpus[kind.model] = max(gpus.get(kind.model, 0), kind.count)
    slurm = settings.scheduler is SchedulerKind.SLURM
    product, version = (limits.product, limits.version) if slurm else _first(runtimes)
    # A job has what looks after the task beside it, which therefore cannot have all memory of a node.
    beside = parse_size(settings.overhead)
    partitions = tuple(replace(one, memory=max(one.memory - beside, 0)) for one in limits.partitions)
    largest = max((one.cpus for one in partitions), default=0)
    memory = max((one.memory for one in partitions), default=0)
    return Probe(
        product=product,
        version=version,
        architectures=(str(node.get("architecture") or facts.machine),),
        cpus=float(largest or node.get("cpus") or 0),
        memory=int(memory or node.get("memory") or 0),
        capabilities=ABILITIES,
        findings=(*facts.findings, *_findings(facts, settings)),
        scheduler=settings.scheduler.value,
        runtimes=tuple(f"{name} {version}".strip() for name, version in runtimes.items()),
        partitions=partitions,
        projects=limits.projects,
        gpus=tuple(GpuKind(model=model, count=count) for model, count in gpus.items()) or _own_gpus(node),
        images=facts.images,
        skew=facts.skew,
    )


def unseen(settings: BatchSettings) -> Probe:
    """Return what is told of a computing that nobody here has an account on yet: it can be asked nothing."""
    finding = Finding(
        code="no_account",
        sentence="Nobody has linked an account there yet, so it could not be asked.",
        hint="Link your own account there, then test again.",
    )
    return Probe(
        product=settings.scheduler.value,
        version="",
        architectures=(),
        cpus=0.0,
        memory=0,
        capabilities=ABILITIES,
        findings=(finding,),
        scheduler=settings.scheduler.value,
    )


def _first(runtimes: Mapping[str, str]) -> tuple[str, str]:
    return next(iter(runtimes.items()), ("host", ""))


def _own_gpus(node: Mapping[str, Any]) -> tuple[GpuKind, ...]:
    count = node.get("gpus")
    return (GpuKind(count=count),) if isinstance(count, int) and count else ()


def _findings(facts: Facts, settings: BatchSettings) -> Iterator[Finding]:
    if not facts.writable:
        yield Finding(
            code="folder_not_writable",
            sentence=f"The folder {settings.folder} cannot be written to: {facts.complaint or 'no reason is told'}.",
            hint="Name a folder on a file system that login and compute nodes share, with room in it.",
            serious=True,
        )
    elif facts.free is not None and facts.free < LITTLE:
        yield Finding(
            code="folder_full",
            sentence=f"There are only {facts.free / 1024**3:.1f} GiB free where {settings.folder} is.",
            hint="Name another folder, and one for images, where there is more room.",
        )
    if facts.skew is not None and abs(facts.skew) > SKEW:
        yield Finding(
            code="clock_skew",
            sentence=f"Its clock is {abs(facts.skew):.0f} s {'ahead of' if facts.skew > 0 else 'behind'} the platform's.",
            hint="Have both keep time by NTP; certificates that are good for minutes need it.",
            serious=abs(facts.skew) > 60,
        )
    if settings.scheduler is SchedulerKind.SLURM and not facts.limits.partitions:
        yield Finding(
            code="no_partitions",
            sentence="Slurm shows this account no partition.",
            hint="Ask its operators to let the account use one.",
            serious=True,
        )
    if facts.node is None:
        yield Finding(
            code="node_not_seen",
            sentence="The small job that looks at a compute node has not run yet.",
            hint="Test again later; it waits in the queue like every job.",
        )
    else:
        yield from _on_node(facts.node, settings)
    if facts.forward is False:
        yield Finding(
            code="nodes_closed",
            sentence="Compute nodes do not let the owner of a job in by SSH; tasks are reached by steps of their jobs alone.",
            hint="With pam_slurm_adopt on the nodes, tasks would be reached while the controller is away as well.",
        )


def _on_node(node: Mapping[str, Any], settings: BatchSettings) -> Iterator[Finding]:
    runtimes = runtimes_of(node)
    wanted = settings.runtime.value
    if not runtimes or (settings.runtime is not RuntimeChoice.AUTO and wanted not in runtimes):
        missing = "nothing that runs containers" if settings.runtime is RuntimeChoice.AUTO else f"no {wanted}"
        yield Finding(
            code="runtime_missing",
            sentence=f"The node {node.get('node') or ''} has {missing}.".replace("  ", " "),
            hint="Its operators can install Apptainer (no root, no setuid needed) or Podman; or name its folder in path.",
            serious=True,
        )
    python = str(node.get("python") or "")
    parts = tuple(int(one) for one in python.split(".")[:2] if one.isdecimal())
    if parts and parts < OLDEST_PYTHON:
        yield Finding(
            code="python_old",
            sentence=f"Python {python} on the nodes is too old; 3.9 is needed.",
            hint="Name a newer one in the setting python.",
            serious=True,
        )
    if node.get("user_namespaces") is False:
        yield Finding(
            code="no_namespaces",
            sentence="Its nodes give accounts no user namespaces, so tasks cannot have a network of their own.",
            hint="Ask its operators to set user.max_user_namespaces above 0.",
            serious=True,
        )
    if node.get("outward") in (None, "", [], False) and "outward" in node:
        yield Finding(
            code="no_outward",
            sentence="Its nodes have neither pasta nor slirp4netns, so tasks do not reach out.",
            hint="Its operators can install the package passt or slirp4netns.",
        )
    if wanted == RuntimeChoice.PODMAN and node.get("subuid") is False:
        yield Finding(
            code="no_subuid",
            sentence="The account has no range of subordinate numbers, which Podman without root needs.",
            hint="Ask its operators for a line in /etc/subuid and /etc/subgid on every node.",
            serious=True,
        )
