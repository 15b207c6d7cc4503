"""Limits: what one task may be given, and how many one person may hold."""

import math
from dataclasses import replace
from typing import TypeVar

from specola.config import Limits
from specola.domain.computing import Computing
from specola.domain.errors import InvalidError, LimitError, NotOfferedError
from specola.domain.sizes import format_size
from specola.domain.software import Resources
from specola.domain.task import Wish
from specola.services.offered import Offered, offered

__all__ = ["check_live", "resources_for"]

T = TypeVar("T", int, float)
LEAST_CPUS = 0.01
LEAST_MEMORY = 16 * 1024**2
MOST_NAMED = 12


def check_live(live: int, limits: Limits) -> None:
    """Check that one more live task may be held beside `live` others. Raises LimitError."""
    if live >= limits.live_tasks:
        raise LimitError(
            "live tasks", str(live + 1), str(limits.live_tasks), hint="Stop a task you no longer need, then try again."
        )


def resources_for(
    wish: Wish, usual: Resources, *, computing: Computing, limits: Limits, partition: str | None = None
) -> Resources:
    """Return what a task is given.

    What the wish says itself is kept or refused. What it leaves to the release is lowered to what is allowed and to
    the size of the computing, so that an entry made for a large machine starts on a small one.

    Parameters
    ----------
    usual
        What its release, or the task that is run again, says.
    partition
        The partition of the computing in which it will run; None: its usual one.

    Raises
    ------
    LimitError
        More was asked for than is allowed, or than the computing has.
    NotOfferedError
        The computing has no GPU of that model.
    InvalidError
        Something is asked for that makes no sense: no CPU, hardly any memory, shared memory above all memory.
    """
    offer = offered(computing, limits=limits, partition=partition)
    resources = Resources(
        cpus=_usual(wish.cpus, usual.cpus, Resources().cpus, offer.usual.cpus, offer.most.cpus),
        memory=_usual(wish.memory, usual.memory, Resources().memory, offer.usual.memory, offer.most.memory),
        shm=usual.shm if wish.shm is None else wish.shm,
        gpus=(usual.gpus or offer.usual.gpus or 0) if wish.gpus is None else wish.gpus,
        gpu_model=usual.gpu_model if wish.gpu_model is None else wish.gpu_model,
    )
    _check(resources, offer)
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


def _usual(wished: T | None, release: T, unsaid: T, here: T | None, most: T | None) -> T:
    """Return what is wished for, else what the release says, else what is usual here; not more than allowed."""
    if wished is not None:
        return wished
    amount = here if release == unsaid and here is not None else release
    return amount if most is None else min(amount, most)


def _check(resources: Resources, offer: Offered) -> None:
    if not math.isfinite(resources.cpus) or resources.cpus < LEAST_CPUS:
        raise InvalidError(f"A task needs at least {LEAST_CPUS} CPUs.", hint="Ask for 1, or for 0.5.", field="cpus")
    if resources.memory < LEAST_MEMORY:
        raise InvalidError(
            f"A task needs at least {format_size(LEAST_MEMORY)} of memory.", hint="Ask for 1GiB.", field="memory"
        )
    if resources.shm < 0:
        raise InvalidError("Shared memory cannot be negative.", hint="Ask for 64MiB.", field="shm")
    most, where = offer.most, f" on one machine of “{offer.partition.name}”" if offer.partition else ""
    if most.cpus is not None and resources.cpus > most.cpus:
        raise LimitError(
            f"CPUs{where}",
            f"{resources.cpus:g}",
            f"{most.cpus:g}",
            hint=f"Ask for fewer CPUs{_larger(offer, 'cpus', resources.cpus)}.",
            field="cpus",
        )
    if most.memory is not None and resources.memory > most.memory:
        raise LimitError(
            f"of memory{where}",
            format_size(resources.memory),
            format_size(most.memory),
            hint=f"Ask for less memory{_larger(offer, 'memory', resources.memory)}.",
            field="memory",
        )
    _check_gpus(resources, offer)


def _check_gpus(resources: Resources, offer: Offered) -> None:
    if resources.gpus < 0:
        raise InvalidError("A number of GPUs cannot be negative.", hint="Ask for 1.", field="gpus")
    if not resources.gpus:
        return
    if resources.gpu_model and offer.gpus and resources.gpu_model not in offer.models:
        raise NotOfferedError(
            "GPU model", resources.gpu_model, offer.models, computing=offer.computing, field="gpu_model"
        )
    counts = [one.count for one in offer.gpus if resources.gpu_model in {"", one.model}]
    most = min(max(counts, default=offer.most.gpus or 0), offer.most.gpus or 0)
    if resources.gpus > most:
        hint = f"Ask for at most {most}." if most else ""
        raise LimitError(
            "GPUs",
            str(resources.gpus),
            str(most),
            hint=hint
            or f"The computing “{offer.computing}” offers no GPUs here; choose another release, partition or computing.",
            field="gpus",
        )


def _larger(offer: Offered, what: str, amount: float) -> str:
    """Say which other partitions have machines large enough."""
    names = [one.name for one in offer.partitions if one != offer.partition and getattr(one, what) >= amount]
    return f", or choose another partition: {', '.join(names[:MOST_NAMED])}" if names else ""
