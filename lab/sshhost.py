"""Two SSH hosts: one that this machine reaches, with an engine, and one behind it, with nothing that runs as root."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.ground import lay
from lab.keys import Host, Keys
from lab.machine import Machine, Service
from lab.network import Link, join
from lab.place import Place, main
from lab.root import PEOPLE, debian
from lab.ssh import SSHD, make_homes, prepare_ssh
from lab.verbs import Verbs

__all__ = ["SshHosts", "down", "status", "trust", "up"]

NAME = "sshhost"
FRONT, INNER = "front", "inner"
SOCKET, GROUP = "/run/podman/podman.sock", "podman"
MEMBER = "ann"
"""Who may use the engine of the first host; the others may not."""
ENGINE = Service(
    "podman",
    ("podman", "system", "service", "--time=0", f"unix://{SOCKET}"),
    answers=("curl", "--silent", "--fail", "--unix-socket", SOCKET, "http://engine/_ping"),
)


@dataclass(frozen=True, slots=True)
class SshHosts:
    """Two hosts that are up.

    Parameters
    ----------
    front
        Reached directly; an engine answers at `socket`, to `member` alone.
    inner
        Reached from `front` alone; Podman without root, and Apptainer.
    people
        The accounts on both, each with a home of its own.
    keys
        How to log in: `ssh -F` with the configuration in there knows both by name.
    """

    front: Host
    inner: Host
    people: Mapping[str, int]
    member: str
    socket: str
    keys: Keys
    place: Place

    def serve_own_engine(self) -> str:
        """Have the second host's Podman serve its API to `member`, without root; return its socket there."""
        number = self.people[self.member]
        folder, name = f"/run/user/{number}", f"podman-{self.member}"
        socket = f"{folder}/podman/podman.sock"
        machine = self.place.machine(INNER)
        machine.run("mkdir", "--parents", str(Path(socket).parent), user=self.member)
        home = {"HOME": f"/home/{self.member}", "XDG_RUNTIME_DIR": folder, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
        argv = ("podman", "system", "service", "--time=0", f"unix://{socket}")
        answers = ("curl", "--silent", "--fail", "--unix-socket", socket, "http://engine/_ping")
        machine.serve(Service(name, argv, user=self.member, answers=answers, environment=home))
        return socket

    def lines(self) -> Iterator[str]:
        """Yield how they are used."""
        ssh = f"ssh -F {self.keys.configuration}"
        engine = f"ssh://{self.member}@{self.front.address}:22{self.socket}"
        yield f"Direct:    {ssh} {self.front.name}    ({self.front.address}; accounts {', '.join(self.people)})"
        yield f"  engine:  {self.socket}, for {self.member}: podman --url {engine} --identity {self.keys.key(self.member)} ps"
        yield f"Jump:      {ssh} {self.inner.name}    ({self.inner.address}, from {self.front.name} alone)"
        yield f"Authority: {self.keys.authority} signs certificates that both accept"


def _up(place: Place, base: Path) -> SshHosts:
    folder = lay(place.ground, NAME)
    homes, keys = folder / "home", Keys(folder / "keys")
    for name in place.machines:
        (homes / name).mkdir(parents=True, exist_ok=True)
    front, is_new = place.start_first(base, binds={homes / FRONT: "/home"})
    addresses = {FRONT: f"10.78.{place.number}.1", INNER: f"10.78.{place.number}.11"}
    hosts = Host(FRONT, f"10.77.{place.number}.2"), Host(INNER, addresses[INNER], through=FRONT)
    keys.make(hosts)
    names = "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in addresses.items())
    inner = place.machine(INNER)
    inner_is_new = inner.start(base, binds={homes / INNER: "/home"})
    for machine, started in ((front, is_new), (inner, inner_is_new)):
        make_homes(homes / machine.name, keys)
        if started:
            machine.put("/etc/hosts", names)
            prepare_ssh(machine, keys)
    if is_new:
        front.run("groupadd", "--force", "--system", GROUP)
        front.run("usermod", "--append", "--groups", GROUP, MEMBER)
        front.run("mkdir", "--parents", str(Path(SOCKET).parent))
    if is_new or inner_is_new or not inner.succeeds("ip", "link", "show", "dev", "outside"):
        near, far = ("inside", f"{addresses[FRONT]}/24"), ("outside", f"{addresses[INNER]}/24")
        join(Link(front.process, *near), Link(inner.process, *far))
    _serve(front, inner)
    place.offer_registry()
    return SshHosts(*hosts, PEOPLE, MEMBER, SOCKET, keys, place)


def _serve(front: Machine, inner: Machine) -> None:
    if front.serve(ENGINE):
        front.run("chgrp", GROUP, SOCKET)
        front.run("chmod", "0660", SOCKET)
    for machine in (front, inner):
        machine.serve(SSHD)


VERBS = Verbs(NAME, (FRONT, INNER), debian, _up)
up, down, status, trust = VERBS.up, VERBS.down, VERBS.status, VERBS.trust

if __name__ == "__main__":
    sys.exit(main(NAME, up=up, down=down, status=status, trust=trust))
