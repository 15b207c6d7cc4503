"""Limits: what one task may be given, and how many one person may hold."""

import math
from dataclasses import replace

from specola.config import Limits
from specola.domain.computing import Computing
from specola.domain.errors import InvalidError, LimitError
from specola.domain.sizes import format_size
from specola.domain.software import Resources
from specola.domain.task import Wish

__all__ = ["check_live", "resources_for"]

LEAST_CPUS = 0.01
LEAST_MEMORY = 16 * 1024**2


def check_live(live: int, limits: Limits) -> None:
    """Check that one more live task may be held beside `live` others. Raises LimitError."""
    if live >= limits.live_tasks:
        raise LimitError(
            "live tasks", str(live + 1), str(limits.live_tasks), hint="Stop a task you no longer need, then try again."
        )


def resources_for(wish: Wish, usual: Resources, *, computing: Computing, limits: Limits) -> Resources:
    """Return what a task is given.

    What the wish says itself is kept or refused. What it leaves to the release is lowered to what is allowed and to
    the size of the computing, so that an entry made for a large machine starts on a small one.

    Raises
    ------
    LimitError
        More was asked for than is allowed, or than the computing has.
    InvalidError
        Something is asked for that makes no sense: no CPU, hardly any memory, shared memory above all memory.
    """
    cpus, memory = _most(computing, limits)
    resources = Resources(
        cpus=min(usual.cpus, cpus) if wish.cpus is None else wish.cpus,
        memory=min(usual.memory, memory) if wish.memory is None else wish.memory,
        shm=usual.shm if wish.shm is None else wish.shm,
        gpus=usual.gpus,
    )
    _check(resources, computing=computing, limits=limits)
    if resources.shm > resources.memory:
        if wish.shm is not None:
            raise InvalidError(
                f"Shared memory ({format_size(wish.shm)}) counts as memory, and the task has"
                f" {format_size(resources.memory)}.",
                hint="Ask for less shared memory, or for more memory.",
                field="shm",
            )
        resources = replace(resources, shm=resources.memory)
    return resources


def _most(computing: Computing, limits: Limits) -> tuple[float, int]:
    probe = computing.state.probe
    if probe is None:
        return limits.cpus, limits.memory
    return min(limits.cpus, probe.cpus or limits.cpus), min(limits.memory, probe.memory or limits.memory)


def _check(resources: Resources, *, computing: Computing, limits: Limits) -> None:
    cpus, memory = _most(computing, limits)
    if resources.gpus > 0:
        raise LimitError(
            "GPUs",
            str(resources.gpus),
            "0",
            hint=f"The computing “{computing.name}” offers no GPUs; choose another release, or another computing.",
        )
    if not math.isfinite(resources.cpus) or resources.cpus < LEAST_CPUS:
        raise InvalidError(f"A task needs at least {LEAST_CPUS} CPUs.", hint="Ask for 1, or for 0.5.", field="cpus")
    if resources.memory < LEAST_MEMORY:
        raise InvalidError(
            f"A task needs at least {format_size(LEAST_MEMORY)} of memory.", hint="Ask for 1GiB.", field="memory"
        )
    if resources.shm < 0:
        raise InvalidError("Shared memory cannot be negative.", hint="Ask for 64MiB.", field="shm")
    if resources.cpus > cpus:
        raise LimitError("CPUs", f"{resources.cpus:g}", f"{cpus:g}", hint="Ask for fewer CPUs.")
    if resources.memory > memory:
        raise LimitError("of memory", format_size(resources.memory), format_size(memory), hint="Ask for less memory.")
