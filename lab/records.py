"""What a platform is told of the lab's places: the definition of a computing for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.keys import HOSTS, Host, Keys
from lab.kubernetes import Kubernetes
from lab.place import Place
from lab.registry import HELPER
from lab.slurm import Slurm
from lab.sshhost import SshHosts

__all__ = ["ACCOUNT", "Records", "authorise"]

ACCOUNT = "ann"
"""The account that tasks on SSH hosts and the cluster run with."""
DEMONSTRATIONS = "localhost/specola"


def authorise(place: Place, machine: str, line: str) -> None:
    """Have the account let in who has a key, as its owner does; again is nothing new.

    Parameters
    ----------
    line
        A line of `authorized_keys`.
    """
    file = f"/home/{ACCOUNT}/.ssh/authorized_keys"
    if line not in place.machine(machine).run("cat", file, user=ACCOUNT).splitlines():
        place.machine(machine).run("tee", "--append", file, given=f"{line}\n".encode(), user=ACCOUNT)


@dataclass(frozen=True, slots=True)
class Records:
    """Definitions, all of which have images from one registry.

    Parameters
    ----------
    registry
        The port of the lab's registry on the loopback of each machine.
    """

    registry: int

    def ssh_engine(self, lab: SshHosts) -> Mapping[str, Any]:
        """Return the first SSH host: Podman of root, one shared account."""
        host = {**reached(lab.keys, lab.front), "identity": "shared", "account": ACCOUNT}
        return self._record("ssh", "SSH host", "engine", {"socket": lab.socket, "host": host})

    def jump_engine(self, lab: SshHosts, socket: str) -> Mapping[str, Any]:
        """Return the host behind it: Podman without root.

        Parameters
        ----------
        socket
            Where its engine answers, as `serve_own_engine` returns it.
        """
        host = {**reached(lab.keys, lab.inner, lab.front), "identity": "shared", "account": ACCOUNT}
        return self._record("jump", "SSH host behind a jump host", "engine", {"socket": socket, "host": host})

    def without_engine(self, lab: SshHosts) -> Mapping[str, Any]:
        """Return the host behind it, used without an engine: Apptainer, the account that is linked."""
        host = {**reached(lab.keys, lab.inner, lab.front), "identity": "certificate"}
        settings = {"scheduler": "none", "runtime": "apptainer", "host": host, "question_interval": 1}
        return self._record("host", "Host without an engine", "batch", settings)

    def slurm(self, lab: Slurm, runtime: str = "apptainer") -> Mapping[str, Any]:
        """Return the cluster: jobs of the account that is linked."""
        authorities = [lab.keys.public(HOSTS).strip()]
        host = {**reached(lab.keys, lab.login), "identity": "certificate", "authorities": authorities}
        settings = {"scheduler": "slurm", "runtime": runtime, "host": host, "question_interval": 1}
        return self._record("slurm", "Slurm cluster", "batch", settings)

    def kubernetes(self, lab: Kubernetes, helper: str = HELPER) -> Mapping[str, Any]:
        """Return the Kubernetes cluster: one namespace, the documented rights.

        Parameters
        ----------
        helper
            The image in the registry with what looks into pods.
        """
        settings = {
            "kubeconfig": lab.account.read_text(encoding="utf-8"),
            "namespace": lab.namespace,
            "helper_image": f"{self._address}/{helper}",
        }
        return self._record("kubernetes", "Kubernetes cluster", "kubernetes", settings)

    @property
    def _address(self) -> str:
        return f"127.0.0.1:{self.registry}"

    def _record(self, name: str, title: str, kind: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "computing": f"lab-{name}",
            "title": f"Lab: {title}",
            "kind": kind,
            "settings": {**settings, "insecure_registries": [self._address]},
            "offer": {"mirrors": {DEMONSTRATIONS: f"{self._address}/specola"}},
        }


def reached(keys: Keys, host: Host, through: Host | None = None) -> dict[str, Any]:
    """Return how a host is reached, by the host keys that the lab gave it."""
    told: dict[str, Any] = {"address": host.address, "keys": [keys.public(f"host-{host.name}").strip()]}
    return told | ({} if through is None else {"jump": reached(keys, through)})
