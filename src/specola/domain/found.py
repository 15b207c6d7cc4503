"""Ports found: what a running task listens on beyond what its release declares."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from specola.domain.software import Interface, Protocol

__all__ = ["MOST_FOUND", "FoundPort", "found_name", "found_number", "standing_for"]

MOST_FOUND = 32
"""How many ports of one task are kept."""

NAME = re.compile(r"port-([1-9][0-9]{0,4})")
HIGHEST = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPort:
    """A port at which something in a task listens; `loopback`: on the task's own loopback address alone."""

    port: int
    protocol: Protocol
    loopback: bool
    since: datetime | None = None

    @property
    def name(self) -> str:
        """The reserved name under which it is reached as if it were an interface."""
        return found_name(self.port)

    @property
    def interface(self) -> Interface:
        """Return it as the interface that it stands for."""
        return Interface(name=self.name, port=self.port, protocol=self.protocol)


def found_name(port: int) -> str:
    """Return the reserved name of a found port: `port-8000`."""
    return f"port-{port}"


def standing_for(name: str, found: Iterable[FoundPort]) -> Interface | None:
    """Return the interface that a reserved name stands for; None: it is no such name.

    What nobody listens on (yet, or any more) is taken for a web server, for which one waits.
    """
    port = found_number(name)
    if port is None:
        return None
    there = next((one.interface for one in found if one.port == port), None)
    return there or Interface(name=name, port=port)


def found_number(name: str) -> int | None:
    """Return the port that a reserved name stands for; None: it is no such name."""
    found = NAME.fullmatch(name)
    return int(found[1]) if found and int(found[1]) <= HIGHEST else None
