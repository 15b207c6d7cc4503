"""`python -m lab build|up|down|status`: all places of the lab, or those that are named; `--join` adds them to a running platform."""

import argparse
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab import kubernetes, registry, slurm, sshhost
from lab.ground import GROUND
from lab.joining import JOINING, keep_images, leave, told
from lab.kubebuild import kubernetes as build_kubernetes
from lab.place import Condition, Status, Tells
from lab.root import debian, prepare
from lab.running import Platform, running
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


def join(names: Sequence[str], ground: Path) -> int:
    """Bring places up, and add each to the platform that runs, as soon as it is there; return an exit code.

    A place that this machine cannot have is named; the others are of use without it.
    """
    with running() as platform:
        if platform is None:
            say(
                "No platform runs here, so the places are brought up alone. `make run`, then `make lab` again, adds them."
            )
        keep_images()
        added: list[str] = []
        for name in names:
            try:
                bring_up([name], ground)
                if platform is not None and name in JOINING:
                    added += _joined(platform, name, ground)
            except FailedError as error:
                say(f"{name} cannot be had. {error}")
        if platform is not None:
            print(*told(platform, added), sep="\n")
    return 0 if added or platform is None else 1


def _joined(platform: Platform, name: str, ground: Path) -> list[str]:
    return list(JOINING[name](platform, ground))


def separate() -> None:
    """Remove the places from the platform that runs, if one does."""
    with running() as platform:
        if platform is not None:
            leave(platform)


def main() -> int:
    """Do one verb for several places; return an exit code."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("verb", choices=["build", "up", "down", "status"])
    parser.add_argument("places", nargs="*", metavar="PLACE", help=f"{', '.join(PLACES)} (default: all)")
    parser.add_argument("--ground", type=Path, default=GROUND, help=f"the lab's folder (default: {GROUND})")
    parser.add_argument("--join", action="store_true", help="add the places to the platform that runs, or remove them")
    given = parser.parse_args()
    names, ground = given.places or list(PLACES), given.ground.absolute()
    if unknown := sorted(set(names) - set(PLACES)):
        parser.error(f"there is no place {', '.join(unknown)}; there are {', '.join(PLACES)}")
    try:
        return done(given.verb, names, ground, joins=given.join)
    except FailedError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Interrupted; the same again goes on from here.")
        return 130


def done(verb: str, names: Sequence[str], ground: Path, *, joins: bool) -> int:
    """Do one verb; return an exit code: 0 is done (status: up), 3 is down or broken."""
    match verb:
        case "build":
            prepare()
            if set(names) - {"kubernetes"}:
                debian()
            if "kubernetes" in names:
                build_kubernetes()
        case "up" if joins:
            return join(names, ground)
        case "up":
            bring_up(names, ground)
        case "down":
            if joins:
                separate()
            for name in reversed(names):
                PLACES[name].down(ground)
        case _:
            found = {name: PLACES[name].status(ground).condition for name in names}
            print(*(f"{name}: {condition}" for name, condition in found.items()), sep="\n")
            return 0 if set(found.values()) == {Condition.UP} else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
