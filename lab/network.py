"""The networks of the lab: pairs of virtual interfaces, whose ends vanish with the machine they lead to."""

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

from scripts.machine import FailedError, answers, run

__all__ = ["Link", "Outlet", "claim", "join"]

NUMBERS = range(100)
NARROW = 16


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
    # A wide route, as of a private network that a company has, still leads to all of it but these.
    routes = [one["dst"] for one in _ask("-4", "route", "show", "table", "all") if one.get("type") != "broadcast"]
    known = [ipaddress.ip_network(route, strict=False) for route in routes if route[0].isdigit()]
    taken = [one for one in known if one.prefixlen >= NARROW]
    for number in NUMBERS:
        wanted = [ipaddress.ip_network(f"{net}.{number}.0/24") for net in ("10.77", "10.78")]
        if not any(one.overlaps(other) for one in wanted for other in taken):
            return number
    raise FailedError("There is no free network for a lab: 10.77.0.0/16 and 10.78.0.0/16 are all in use.")


@dataclass(frozen=True, slots=True)
class Outlet:
    """The interface on this machine that leads to a place.

    Parameters
    ----------
    number
        The number of the place's networks.
    owner
        Whose it is, which stands at the interface: numbers are used again.
    """

    number: int
    owner: str

    @property
    def name(self) -> str:
        """What the interface is called."""
        return f"specola-lab{self.number}"

    def exists(self) -> bool:
        """Tell whether it is there."""
        return any(one.get("ifalias") == self.owner for one in _ask("link", "show", "dev", self.name))

    def connect(self, far: Link) -> None:
        """Connect this machine, which becomes 10.77.N.1, to a lab machine."""
        ends = ["name", self.name, "type", "veth", "peer", "name", far.name, "netns", str(far.process)]
        run(["ip", "link", "add", *ends])
        run(["ip", "link", "set", "dev", self.name, "alias", self.owner])
        run(["ip", "address", "add", f"10.77.{self.number}.1/24", "dev", self.name])
        run(["ip", "link", "set", "dev", self.name, "up"])
        raise_end(far)

    def remove(self) -> None:
        """Remove it, if the kernel has not done so with the other end."""
        if self.exists():
            answers(["ip", "link", "delete", "dev", self.name])


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


def _ask(*words: str) -> list[dict[str, Any]]:
    text = answers(["ip", "-json", *words])
    return list(json.loads(text)) if text else []
