"""Which interface of which task is meant, and whether it can be reached now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from specola.cli.client import Client, part
from specola.cli.failures import AnsweredError
from specola.cli.tasks import FINAL, FOUND
from specola.domain.errors import InvalidError, MissingError, NotReadyError, ScopeError, TaskEndedError

__all__ = ["Target", "Wanted", "credential_of", "reach"]

CONNECT = "connect"
HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One interface of a task, as tunnels reach it."""

    task: str
    """The task's id."""
    task_name: str
    interface: str
    protocol: str
    port: int
    origin: str
    token: str = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """The task's own variables."""

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.interface} of {self.task_name}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """INTERFACE[:LOCALPORT], as it stands on the command line."""

    interface: str
    port: int | None

    @classmethod
    def read(cls, text: str) -> "Wanted":
        """Read one; raises InvalidError."""
        name, colon, port = text.partition(":")
        if not name or (colon and not (port.isdecimal() and int(port) <= HIGHEST_PORT)):
            raise InvalidError(
                f"“{text}” is not INTERFACE or INTERFACE:LOCALPORT.", hint="For example: db, 5432 or db:15432."
            )
        return cls(name, int(port) if colon else None)


def reach(client: Client, task: str, interfaces: Sequence[str]) -> list[Target]:
    """Find interfaces by name, or by the number of their port.

    Raises
    ------
    MissingError, AnsweredError
        There is no such task or interface.
    TaskEndedError, NotReadyError
        It cannot be reached, for good or for now.
    ScopeError
        This machine's token opens no tasks.
    """
    found = client.get(f"/tasks/{part(task)}")
    if found["state"] in FINAL or found["state"] == "stopping" or found["desired"] != "running":
        raise TaskEndedError(found["name"], "stopping" if found["state"] == "running" else found["state"])
    there = [*found["interfaces"], *found_ports(client, found, interfaces)]
    chosen = [_interface(found["name"], there, name) for name in interfaces]
    if CONNECT not in client.get("/whoami")["scopes"]:
        raise ScopeError(CONNECT)
    for one in chosen:
        if not one["ready"]:
            raise NotReadyError(one["name"], found["name"], found["state"])
    return [
        Target(
            task=found["id"],
            task_name=found["name"],
            interface=one["name"],
            protocol=one["protocol"],
            port=one["port"],
            origin=one["origin"],
            token=client.token,
            environment=found["environment"],
        )
        for one in chosen
    ]


def found_ports(client: Client, task: Mapping[str, Any], wanted: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the ports found in a task as interfaces, if one is wanted that is not declared."""
    declared = {word for one in task["interfaces"] for word in (one["name"], str(one["port"]))}
    if declared.issuperset(wanted):
        return []
    return [{**one, "ready": True} for one in client.get(f"/tasks/{part(task['id'])}/ports")]


def _interface(task: str, there: Sequence[Mapping[str, Any]], wanted: str) -> Mapping[str, Any]:
    # A name comes first: an interface may be called 8080.
    for one in (
        *(one for one in there if one["name"] == wanted),
        *(one for one in there if str(one["port"]) == wanted),
    ):
        return one
    names = ", ".join(f"{one['name']} ({one['port']})" for one in there) or "none"
    raise MissingError("interface", wanted, hint=f"Interfaces of {task}: {names}.")


def credential_of(client: Client, target: Target) -> str | None:
    """Return what the interface's client has to be told; None if it has to be told nothing."""
    # The software knows nothing of a port that it does not declare, so no credential of ours is meant for it.
    if target.protocol in {"http", "https"} or target.interface.startswith(FOUND):
        return None
    try:
        answer = client.get(f"/tasks/{part(target.task)}/interfaces/{part(target.interface)}/credential")
    except AnsweredError as error:
        if error.status == 403:
            return None
        raise
    return str(answer["credential"])
