"""A Slurm cluster: a login node that this machine reaches, two compute nodes that it does not."""

import base64
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab.cgroups import is_unified
from lab.cluster import ACCESS, ACCOUNT, GPU_NODE, GPUS, LOGIN, NODES, TABLES, Cluster
from lab.ground import lay
from lab.keys import Host, Keys
from lab.machine import Machine, Service
from lab.network import Link, join
from lab.place import Place, main
from lab.processes import wait_for
from lab.root import PEOPLE, debian
from lab.ssh import SSHD, make_homes, prepare_ssh
from lab.verbs import Verbs
from scripts.machine import FailedError

__all__ = ["Slurm", "down", "status", "trust", "up"]

NAME = "slurm"
MUNGE = Service("munged", ("munged", "--foreground"), "munge", ("munge", "--no-input", "--output=/dev/null"))
SERVER = Service("mariadbd", ("mariadbd",), "mysql", ("mariadb-admin", "--silent", "ping"))
ACCOUNTING = Service("slurmdbd", ("slurmdbd", "-D"), "slurm", ("sacctmgr", "--noheader", "show", "cluster"))
CONTROLLER = Service("slurmctld", ("slurmctld", "-D"), "slurm", ("scontrol", "ping"))
NODE = Service("slurmd", ("slurmd", "-D"))
READY_SECONDS = 60.0
FOLDERS = {
    "/run/munge": "munge",
    "/run/mysqld": "mysql",
    "/run/slurmdbd": "slurm",
    "/var/lib/slurm/slurmctld": "slurm",
    "/var/lib/slurm/slurmd": "root",
}


@dataclass(frozen=True, slots=True)
class Slurm:
    """A cluster that is up.

    Parameters
    ----------
    login
        The login node, which this machine reaches.
    nodes
        The compute nodes, which only the login node reaches.
    people
        The accounts, with the same home and number on all of them.
    account
        What they book their use on.
    keys
        How to log in: `ssh -F` with the configuration in there knows all three by name.
    """

    login: Host
    nodes: tuple[Host, ...]
    people: Mapping[str, int]
    account: str
    keys: Keys
    place: Place

    def lines(self) -> Iterator[str]:
        """Yield how it is used."""
        ssh, names = f"ssh -F {self.keys.configuration}", ", ".join(node.name for node in self.nodes)
        yield f"Login:     {ssh} {self.login.name}    ({self.login.address}; accounts {', '.join(self.people)})"
        yield f"Nodes:     {names}, from {self.login.name} alone, and only for who has a job there"
        yield f"Submit:    {ssh} {self.login.name} sbatch --wrap hostname    (booked on {self.account})"
        yield f"Authority: {self.keys.authority} signs certificates that all accept"


def _up(place: Place, base: Path) -> Slurm:
    folder = lay(place.ground, NAME)
    homes, keys = folder / "home", Keys(folder / "keys")
    homes.mkdir(exist_ok=True)
    login, is_new = place.start_first(base, binds={homes: "/home"})
    cluster = Cluster(place.number, is_unified())
    hosts = (
        Host(LOGIN, f"10.77.{place.number}.2"),
        *(Host(name, cluster.address(name), through=LOGIN) for name in NODES),
    )
    keys.make(hosts)
    make_homes(homes, keys)
    secret = folder / "munge"
    if not secret.exists():
        secret.write_bytes(base64.b64encode(secrets.token_bytes(96)))
    if is_new:
        login.run("ip", "link", "add", "name", "nodes", "type", "bridge")
        login.run("ip", "address", "add", f"{cluster.address(LOGIN)}/24", "dev", "nodes")
        login.run("ip", "link", "set", "nodes", "up")
        _configure(login, cluster, keys, secret)
        login.put("/etc/slurm/slurmdbd.conf", cluster.database(), owner="slurm", mode="0600")
    for name in NODES:
        node = place.machine(name)
        node_is_new = node.start(base, binds={homes: "/home"}, devices=GPUS if name == GPU_NODE else {})
        if node_is_new:
            _configure(node, cluster, keys, secret, UsePAM="yes")
            node.put("/etc/pam.d/sshd", ACCESS)
        if is_new or node_is_new or not node.succeeds("ip", "link", "show", "dev", "nodes"):
            join(Link(node.process, "nodes", f"{cluster.address(name)}/24"), Link(login.process, name, ""))
            login.run("ip", "link", "set", name, "master", "nodes")
    _serve(place)
    place.offer_registry()
    return Slurm(hosts[0], hosts[1:], PEOPLE, ACCOUNT, keys, place)


def _configure(machine: Machine, cluster: Cluster, keys: Keys, secret: Path, **ssh: str) -> None:
    for folder, owner in FOLDERS.items():
        machine.run("install", "--directory", f"--owner={owner}", f"--group={owner}", folder)
    machine.put("/etc/hosts", cluster.hosts())
    machine.put("/etc/munge/munge.key", secret.read_text(encoding="ascii"), owner="munge", mode="0400")
    files = {"slurm": cluster.slurm(), "gres": cluster.gres(), "cgroup": cluster.groups()}
    for name, text in files.items():
        machine.put(f"/etc/slurm/{name}.conf", text)
    prepare_ssh(machine, keys, **ssh)


def _serve(place: Place) -> None:
    """Run all programs, each after those that it needs."""
    login, nodes = place.machine(LOGIN), [place.machine(name) for name in NODES]
    for machine in (login, *nodes):
        machine.serve(MUNGE)
    if login.serve(SERVER):
        login.run("mariadb", given=TABLES.encode())
    login.serve(ACCOUNTING)
    if not login.run("sacctmgr", "--noheader", "show", "account", ACCOUNT).strip():
        login.run("sacctmgr", "--immediate", "add", "cluster", "lab")
        login.run("sacctmgr", "--immediate", "add", "account", ACCOUNT, "cluster=lab")
        login.run("sacctmgr", "--immediate", "add", "user", ",".join(PEOPLE), f"account={ACCOUNT}")
    login.serve(CONTROLLER)
    for machine in nodes:
        machine.serve(NODE)
    for machine in (login, *nodes):
        machine.serve(SSHD)
    for name in NODES:
        wait_for(f"The node {name}", seconds=READY_SECONDS, is_there=partial(_is_ready, login, name))


def _is_ready(login: Machine, node: str) -> bool:
    try:
        state = login.run("sinfo", "--noheader", f"--nodes={node}", "--format=%t").split()
    except FailedError:  # a controller that is busy is asked again
        return False
    return bool(state) and state[0] in {"idle", "mix", "alloc"}


VERBS = Verbs(NAME, (LOGIN, *NODES), debian, _up)
up, down, status, trust = VERBS.up, VERBS.down, VERBS.status, VERBS.trust

if __name__ == "__main__":
    sys.exit(main(NAME, up=up, down=down, status=status, trust=trust))
