"""What all places of the lab have in common: their folder, their machines, their one link to this machine, their verbs."""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from lab.ground import GROUND, registry_port
from lab.machine import Machine
from lab.network import Link, Outlet, claim
from lab.processes import Process, spawn
from lab.root import alone
from scripts.machine import FailedError, say

__all__ = ["Condition", "Place", "Status", "Tells", "main"]

RELAY = Path(__file__).with_name("relay.py")


class Condition(StrEnum):
    """How a place is."""

    DOWN = "down"
    BROKEN = "broken"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Status:
    """How a place is, and each of its programs: whether it runs."""

    condition: Condition
    parts: Mapping[str, bool]

    @classmethod
    def of(cls, parts: Mapping[str, bool]) -> "Status":
        """Return the status of a place with these parts; none: it is down."""
        if not parts:
            return cls(Condition.DOWN, parts)
        return cls(Condition.UP if all(parts.values()) else Condition.BROKEN, parts)


@dataclass(frozen=True, slots=True)
class Place:
    """A place: lab machines, the first of which this machine reaches.

    Parameters
    ----------
    name
        What it is called.
    ground
        The lab that it belongs to.
    machines
        What its machines are called.
    """

    name: str
    ground: Path
    machines: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The folder of all it has."""
        return self.ground / self.name

    def machine(self, name: str) -> Machine:
        """Return one of its machines."""
        return Machine(name, self.folder / "machines" / name)

    @property
    def number(self) -> int:
        """The number of its networks."""
        return int((self.folder / "number").read_text(encoding="ascii"))

    @property
    def outlet(self) -> Outlet:
        """What connects this machine to it."""
        return Outlet(self.number, str(self.folder))

    def start_first(
        self, base: Path, *, binds: Mapping[Path, str], devices: Mapping[str, tuple[int, int]] | None = None
    ) -> tuple[Machine, bool]:
        """Start the machine that this one reaches, at 10.77.N.2; return it, and whether it had to be started."""
        first = self.machine(self.machines[0])
        # What is claimed is seen by others as soon as it is connected.
        with alone("network"):
            is_new = first.start(base, binds=binds, devices=devices)
            if is_new:
                if (self.folder / "number").exists():
                    self.outlet.remove()
                (self.folder / "number").write_text(str(claim()), encoding="ascii")
            if not self.outlet.exists():
                self.outlet.connect(Link(first.process, "outside", f"10.77.{self.number}.2/24"))
        return first, is_new

    def offer_registry(self) -> None:
        """Have the lab's registry answer on the loopback of all machines."""
        wanted = " ".join(str(self.machine(name).process) for name in self.machines)
        told, noted = self.folder / "relayed", Process.read(self.folder / "relay")
        if noted and noted.runs and told.exists() and told.read_text(encoding="ascii") == wanted:
            return
        if noted:
            noted.end()
        argv: list[str | Path] = [sys.executable, "-I", RELAY, str(registry_port(self.ground)), *wanted.split()]
        spawn(argv, self.folder / "relay.log").note(self.folder / "relay")
        told.write_text(wanted, encoding="ascii")

    def status(self) -> Status:
        """Return how it is."""
        if not self.folder.exists():
            return Status.of({})
        relay = Process.read(self.folder / "relay")
        return Status.of({**dict(self._parts()), "relay": relay is not None and relay.runs})

    def _parts(self) -> Iterator[tuple[str, bool]]:
        for name in self.machines:
            machine = self.machine(name)
            yield name, machine.runs
            for service, code in machine.services().items() if machine.runs else ():
                yield f"{name}/{service}", code is None

    def remove(self) -> None:
        """End all of it, and remove all that it had."""
        if relay := Process.read(self.folder / "relay"):
            relay.end()
        for name in reversed(self.machines):
            self.machine(name).remove()
        if (self.folder / "number").exists():
            self.outlet.remove()
        if self.folder.exists():
            shutil.rmtree(self.folder)
        if self.ground.exists() and not any(self.ground.iterdir()):
            self.ground.rmdir()


class Tells(Protocol):
    """A place that is up."""

    def lines(self) -> Iterable[str]:
        """Return how it is used, for people."""


class Trusts(Protocol):
    """How a place is told of one more authority."""

    def __call__(self, authority: str, ground: Path = ...) -> None:
        """Have its SSH servers accept certificates of an authority."""


def main(
    name: str,
    *,
    up: Callable[[Path], Tells],
    down: Callable[[Path], None],
    status: Callable[[Path], Status],
    trust: Trusts | None = None,
) -> int:
    """Do one verb from the command line; return an exit code: 0 is done (status: up), 3 is down or broken."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--ground", type=Path, default=GROUND, help=f"the lab's folder (default: {GROUND})")
    parser = argparse.ArgumentParser(prog=f"lab.{name}", description=f"The lab's {name}, on this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", parents=[common], help="bring it up, or mend what of it does not run")
    verbs.add_parser("down", parents=[common], help="end it, and remove all that it had")
    verbs.add_parser("status", parents=[common], help="tell how it is")
    if trust:
        trusting = verbs.add_parser("trust", parents=[common], help="accept SSH certificates of one more authority")
        trusting.add_argument("authority", type=Path, help="a file with its public key")
    given = parser.parse_args()
    ground, began = given.ground.absolute(), time.monotonic()
    try:
        if given.verb == "status":
            return _tell(status(ground))
        if given.verb == "up":
            print(*up(ground).lines(), sep="\n")
        elif given.verb == "down":
            down(ground)
        elif trust:
            trust(given.authority.read_text(encoding="utf-8"), ground)
    except (FailedError, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Interrupted; the same again goes on from here.")
        return 130
    say(f"{name}: {given.verb} is done ({time.monotonic() - began:.1f} s).")
    return 0


def _tell(found: Status) -> int:
    parts = (f"  {part}: {'runs' if runs else 'does not run'}" for part, runs in found.parts.items())
    print(found.condition, *parts, sep="\n")
    return 0 if found.condition is Condition.UP else 3
