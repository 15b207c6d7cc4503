"""Endpoints: what an origin's name stands for in a task, who may enter it, and where it is reached."""

import re
from collections.abc import Sequence
from pathlib import Path

from specola.domain.computing import Capability
from specola.domain.errors import MissingError
from specola.domain.found import FoundPort, standing_for
from specola.domain.person import Actor
from specola.domain.software import TERMINAL, Interface
from specola.domain.task import Desired, Endpoint, Task, TaskState
from specola.storage.store import Transaction

__all__ = ["Endpoints", "enterable"]

TASK = re.compile(r"[0-9a-z]{8,12}")


async def enterable(transaction: Transaction, actor: Actor, task: str, interface: str) -> tuple[Task, Interface]:
    """Return a task that the actor may enter, and the interface. Only the owner may: an administrator just sees it.

    Raises
    ------
    MissingError
        There is no such task or interface, or the task is another's.
    """
    found = (await transaction.tasks.known([task])).get(task) if TASK.fullmatch(task) else None
    which = await _named(transaction, found, interface) if found else None
    if found is None or which is None or found.owner != actor.person.id or found.desired is Desired.DELETED:
        raise MissingError("task", task)
    return found, which


async def _named(transaction: Transaction, task: Task, name: str) -> Interface | None:
    """Return what a name stands for: a declared interface, the terminal, or a port that was found.

    The name of a port stands for it in a live task whether something listens there by now or not.
    """
    if name == TERMINAL.name:
        return TERMINAL
    declared = task.release.interface(name)
    if declared is not None or not task.is_live:
        return declared
    return standing_for(name, await _found(transaction, task))


class Endpoints:
    """Where interfaces are reached: as the worker wrote it down, or by a socket of the connector.

    Parameters
    ----------
    terminals
        The socket behind which terminals are.
    streams
        The folder of the sockets of single ports.
    """

    def __init__(self, *, terminals: Path, streams: Path) -> None:
        self._terminals = Endpoint(path=str(terminals))
        self._streams = streams

    async def of(self, transaction: Transaction, task: Task, interface: Interface) -> Endpoint | None:
        """Return where an interface is reached; None while it cannot be."""
        if task.state is not TaskState.RUNNING or task.desired is not Desired.RUNNING:
            return None
        if interface is TERMINAL:
            return self._terminals if await _has_terminal(transaction, task) else None
        if task.release.interface(interface.name) is None:
            there = any(one.port == interface.port for one in await _found(transaction, task))
            return Endpoint(path=str(self._streams / f"{task.id}.{interface.port}.sock")) if there else None
        state = task.interface(interface.name)
        return state.endpoint if state is not None and state.ready else None


async def _has_terminal(transaction: Transaction, task: Task) -> bool:
    """Tell whether the computing of a task can run commands inside it."""
    try:
        computing = await transaction.computings.get(task.computing)
    except MissingError:
        return False
    probe = computing.state.probe
    return probe is not None and Capability.EXECUTE in probe.capabilities


async def _found(transaction: Transaction, task: Task) -> Sequence[FoundPort]:
    return (await transaction.found.of([task.id])).get(task.id, ())
