"""The networks of the lab: pairs of virtual interfaces, whose ends vanish with the machine they lead to."""

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

from scripts.machine import FailedError, answers, run

__all__ = ["Link", "claim", "connect", "entered", "join", "link_exists", "remove"]

NUMBERS = range(100)
NAME = "specola-lab{}"


@dataclass(frozen=True, slots=True)
class Link:
    """One end of a pair of interfaces: in which machine (by a process in it), what it is called, its address."""

    process: int
    name: str
    address: str


def claim() -> int:
    """Return the lowest number whose networks, 10.77.N.0/24 and 10.78.N.0/24, lead nowhere on this machine.

    Raises
    ------
    FailedError
        None is free.
    """
    routes = [one["dst"] for one in _ask("-4", "route", "show", "table", "all") if one.get("type") != "broadcast"]
    taken = [
        ipaddress.ip_network(route, strict=False) for route in routes if route[0].isdigit() and route != "0.0.0.0/0"
    ]
    for number in NUMBERS:
        wanted = [ipaddress.ip_network(f"{net}.{number}.0/24") for net in ("10.77", "10.78")]
        if not any(one.overlaps(other) for one in wanted for other in taken):
            return number
    raise FailedError("There is no free network for a lab: 10.77.0.0/16 and 10.78.0.0/16 are all in use.")


def host_end(number: int) -> str:
    """Return what the interface on this machine is called that leads to a lab."""
    return NAME.format(number)


def link_exists(number: int) -> bool:
    """Tell whether this machine is connected to a lab."""
    return answers(["ip", "link", "show", "dev", host_end(number)]) is not None


def connect(number: int, far: Link) -> None:
    """Connect this machine, which becomes 10.77.N.1, to a lab machine."""
    name = host_end(number)
    run(["ip", "link", "add", "name", name, "type", "veth", "peer", "name", far.name, "netns", str(far.process)])
    run(["ip", "address", "add", f"10.77.{number}.1/24", "dev", name])
    run(["ip", "link", "set", name, "up"])
    raise_end(far)


def join(near: Link, far: Link) -> None:
    """Connect two lab machines, in place of what connected one of them to a machine that has ended.

    The kernel removes such interfaces, but later.
    """
    for end in (near, far):
        answers([*entered(end.process), "ip", "link", "delete", "dev", end.name])
    words = ["name", near.name, "type", "veth", "peer", "name", far.name, "netns", str(far.process)]
    run([*entered(near.process), "ip", "link", "add", *words])
    for end in (near, far):
        raise_end(end)


def raise_end(end: Link) -> None:
    """Give one end its address, if it has one, and let it carry."""
    if end.address:
        run([*entered(end.process), "ip", "address", "add", end.address, "dev", end.name])
    run([*entered(end.process), "ip", "link", "set", end.name, "up"])


def entered(process: int) -> list[str]:
    """Return the words before a command that is to see the network of a process."""
    return ["nsenter", f"--net=/proc/{process}/ns/net", "--"]


def remove(number: int) -> None:
    """Remove this machine's end, if the kernel has not done so with the other."""
    answers(["ip", "link", "delete", "dev", host_end(number)])


def _ask(*words: str) -> list[dict[str, Any]]:
    text = answers(["ip", "-json", *words])
    return list(json.loads(text)) if text else []
