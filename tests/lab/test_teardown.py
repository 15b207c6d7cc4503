"""Every place of the lab: up twice is up once, what was killed is mended, and after down nothing of it is left."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import slurm, sshhost
from lab.place import Condition
from lab.slurm import Slurm
from lab.sshhost import SshHosts
from tests.support.lab import Login, Traces, own_ground, take_down, until

pytestmark = pytest.mark.containers

# Each with a program to kill, and the machine to pull the plug of.
PLACES = {"sshhost": ("sshd", "inner"), "slurm": ("slurmctld", "n2")}


@pytest.fixture
def ground() -> Iterator[Path]:
    """A ground of this test alone."""
    with own_ground() as folder:
        yield folder


def bring_up(name: str, ground: Path) -> Slurm | SshHosts:
    return slurm.up(ground) if name == "slurm" else sshhost.up(ground)


def condition(name: str, ground: Path) -> Condition:
    return (slurm.status(ground) if name == "slurm" else sshhost.status(ground)).condition


@pytest.mark.parametrize("name", PLACES)
def test_a_place_is_brought_up_once_mended_and_removed_whole(name: str, ground: Path) -> None:
    program, machine = PLACES[name]
    assert condition(name, ground) is Condition.DOWN
    before = bring_up(name, ground)
    place = before.place
    first = place.machine(place.machines[0])
    processes = [place.machine(one).process for one in place.machines]
    assert bring_up(name, ground) == before
    assert [place.machine(one).process for one in place.machines] == processes

    first.signal(program, signal.SIGKILL)
    until("The end of a program", lambda: condition(name, ground) is Condition.BROKEN)
    place.machine(machine).put("/srv/kept", "kept")
    place.machine(machine).halt()
    assert condition(name, ground) is Condition.BROKEN
    assert bring_up(name, ground) == before
    assert condition(name, ground) is Condition.UP
    assert place.machine(machine).run("cat", "/srv/kept") == "kept"
    assert Login(before.keys, "ann", first.name).run("id -un") == "ann"

    outlet, traces = place.outlet, Traces.of(place)
    assert len(traces.processes) > len(place.machines)
    take_down(ground)
    assert traces.left() == []
    assert not outlet.exists()
    assert condition(name, ground) is Condition.DOWN


def test_what_was_killed_half_way_is_removed_too(ground: Path) -> None:
    place = sshhost.up(ground).place
    traces = Traces.of(place)
    for name in place.machines:
        place.machine(name).halt()
    with contextlib.suppress(FileNotFoundError):
        (place.folder / "number").unlink()
    take_down(ground)
    assert traces.left() == []


def test_what_was_interrupted_half_way_is_removed_too(ground: Path) -> None:
    argv = [sys.executable, "-m", "lab.sshhost", "up", "--ground", str(ground)]
    traces = Traces(ground)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bringing:
        until("A first process", (ground / "sshhost/machines/front/outer").exists)
        bringing.kill()
    assert traces.left()
    take_down(ground)
    assert traces.left() == []
