"""What is had of one SSH connection: sessions on the machine, and streams beyond it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import asyncssh

from specola.hosts.channel import Channel
from specola.hosts.dialling import Dialled

__all__ = ["BRIEF", "SWEEP_SECONDS", "Line", "Slot", "Use"]

BRIEF = 5
"""How many sessions that end by themselves go on at once; the others wait. OpenSSH allows 10 (MaxSessions), and counts
one that has just ended until it has swept."""
SWEEP_SECONDS = 0.02
"""For so long a machine usually counts a session that has ended."""


class Use(Enum):
    """What somebody has of a connection."""

    BRIEF = "a session that ends soon"
    LASTING = "a session that may go on for ever"
    STREAM = "a stream, of which a connection carries any number"


@dataclass(eq=False, slots=True)
class Line:
    """One connection, and what goes on over it."""

    dialled: Dialled
    slots: "set[Slot]" = field(default_factory=set)
    idle: asyncio.TimerHandle | None = None

    def count(self, *uses: Use) -> int:
        """Return how many there are of some uses."""
        return sum(slot.use in uses for slot in self.slots)

    @property
    def sessions(self) -> int:
        """How many sessions are wanted or had."""
        return self.count(Use.BRIEF, Use.LASTING)

    @property
    def granted(self) -> int:
        """How many of these the machine has granted."""
        return sum(slot.granted for slot in self.slots if slot.use is not Use.STREAM)


@dataclass(eq=False, slots=True)
class Slot:
    """The right to one session or stream of a connection, until it is given back."""

    connection: asyncssh.SSHClientConnection
    use: Use
    _granted: "Callable[[Slot], None]"
    _give_back: "Callable[[Slot], None]"
    granted: bool = False
    """Whether the machine has granted it."""
    channel: Channel | None = None

    def grant(self) -> None:
        """Note that the machine has granted it."""
        self.granted = True
        self._granted(self)

    def release(self) -> None:
        """Give it back; silent if that was done."""
        self._give_back(self)
