"""`python -m lab build|up|down|status`: all places of the lab, or those that are named."""

import argparse
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab import kubernetes, registry, slurm, sshhost
from lab.ground import GROUND
from lab.kubebuild import kubernetes as build_kubernetes
from lab.place import Condition, Status, Tells
from lab.root import debian, prepare
from scripts.machine import FailedError, say


class Up(Protocol):
    """The verb that brings a place up."""

    def __call__(self, ground: Path = ...) -> Tells:
        """Bring it up, or mend it; return it."""


class Down(Protocol):
    """The verb that takes a place down."""

    def __call__(self, ground: Path = ...) -> None:
        """Remove it."""


class Asks(Protocol):
    """The verb that tells how a place is."""

    def __call__(self, ground: Path = ...) -> Status:
        """Return how it is."""


@dataclass(frozen=True, slots=True)
class Verbs:
    """What every place can be told."""

    up: Up
    down: Down
    status: Asks


PLACES: Mapping[str, Verbs] = {
    "registry": Verbs(registry.up, registry.down, registry.status),
    "sshhost": Verbs(sshhost.up, sshhost.down, sshhost.status),
    "slurm": Verbs(slurm.up, slurm.down, slurm.status),
    "kubernetes": Verbs(kubernetes.up, kubernetes.down, kubernetes.status),
}
"""In the order in which they are brought up."""


def bring_up(names: Iterable[str], ground: Path) -> None:
    """Bring places up, and tell how each is used."""
    for name in names:
        began = time.monotonic()
        lines = list(PLACES[name].up(ground).lines())
        print(f"\n{name} ({time.monotonic() - began:.1f} s)", *(f"  {line}" for line in lines), sep="\n", flush=True)


def main() -> int:
    """Do one verb for several places; return an exit code."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("verb", choices=["build", "up", "down", "status"])
    parser.add_argument("places", nargs="*", metavar="PLACE", help=f"{', '.join(PLACES)} (default: all)")
    parser.add_argument("--ground", type=Path, default=GROUND, help=f"the lab's folder (default: {GROUND})")
    given = parser.parse_args()
    names, ground = given.places or list(PLACES), given.ground.absolute()
    if unknown := sorted(set(names) - set(PLACES)):
        parser.error(f"there is no place {', '.join(unknown)}; there are {', '.join(PLACES)}")
    conditions = {Condition.UP}
    try:
        if given.verb == "build":
            prepare()
            if set(names) - {"kubernetes"}:
                debian()
            if "kubernetes" in names:
                build_kubernetes()
        elif given.verb == "up":
            bring_up(names, ground)
        elif given.verb == "down":
            for name in reversed(names):
                PLACES[name].down(ground)
        else:
            found = {name: PLACES[name].status(ground).condition for name in names}
            print(*(f"{name}: {condition}" for name, condition in found.items()), sep="\n")
            conditions = set(found.values())
    except FailedError as error:
        say(str(error))
        return 1
    return 0 if conditions == {Condition.UP} else 3


if __name__ == "__main__":
    sys.exit(main())
