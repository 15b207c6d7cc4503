"""A Kubernetes cluster of one node, with an account that has what the platform needs in one namespace, and nothing else."""

import base64
import json
import secrets
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lab.ground import lay
from lab.kubebuild import kubernetes
from lab.kubenode import (
    CLASS,
    FOLDER,
    GPUS,
    NAMESPACE,
    NODE,
    PORT,
    SOCKET,
    STORAGE,
    USER,
    VOLUMES,
    Node,
    kubeconfig,
    objects,
    pause_image,
)
from lab.machine import Machine
from lab.place import Place, main
from lab.processes import wait_for
from lab.verbs import Verbs
from scripts.machine import ROOT, FailedError, answers, run

__all__ = ["Api", "Kubernetes", "down", "status", "up"]

NAME = "kubernetes"
MANIFEST = ROOT / "docs/operator/kubernetes-role.json"
READY_SECONDS = 90.0
# What the kubelet reads of the kernel.
DEVICES = {"kmsg": (1, 11)}
# Made once for a machine: who signs, and what signs the tokens of accounts.
AUTHORITY = """\
set -eu
cd {folder}
openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=lab -keyout ca.key -out ca.crt \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
openssl genrsa -out sa.key 2048
openssl rsa -in sa.key -pubout -out sa.pub
"""
# Made at each start, since it names an address that may be another one then.
SERVER = """\
set -eu
cd {folder}
openssl req -newkey rsa:2048 -nodes -subj /CN=kube-apiserver -keyout tls.key -out tls.csr
printf 'subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1,IP:{address}\\n' >names
openssl x509 -req -days 365 -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -out tls.crt
"""


@dataclass(frozen=True, slots=True)
class Api:
    """The API of a cluster, asked with somebody's token: enough to make what a place begins with, and for tests."""

    server: str
    authority: str
    token: str

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, kind: str = "json") -> Any:
        """Return what is answered to one question, as JSON.

        Raises
        ------
        urllib.error.HTTPError
            It was refused.
        """
        request = urllib.request.Request(self.server + path, method=method)  # noqa: S310 -- the address is made here
        request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", f"application/{kind}")
        context = ssl.create_default_context(cadata=self.authority)
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310 -- see above
            data = answer.read()
        return json.loads(data) if data.startswith(b"{") else data.decode()

    def make(self, path: str, body: Mapping[str, Any]) -> None:
        """Make an object, unless it is there."""
        try:
            self.ask("POST", path, body)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code != 409:
                raise FailedError(f"The cluster does not make {path}: {text[:500]}") from error

    def answers(self, path: str) -> bool:
        """Tell whether it answers a question well."""
        try:
            self.ask("GET", path)
        except (OSError, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """A cluster that is up.

    Parameters
    ----------
    server
        Its address, for this machine.
    administrator
        Asks with every right.
    kubeconfig
        The kubeconfig of that administrator.
    account
        The kubeconfig of the account that the platform uses.
    namespace
        Where that account has its rights.
    pods
        The network of the pods, which this machine reaches.
    """

    server: str
    administrator: Api
    kubeconfig: Path
    account: Path
    namespace: str
    pods: str
    place: Place

    @property
    def node(self) -> Machine:
        """The machine that it all runs on."""
        return self.place.machine(NODE)

    def lines(self) -> Iterator[str]:
        """Yield how it is used."""
        yield f"Administrator: kubectl --kubeconfig {self.kubeconfig} get pods --all-namespaces    ({self.server})"
        yield f"Platform:      {self.account}    (the namespace {self.namespace}, the restricted profile, nothing else)"
        yield f"Storage:       {VOLUMES} volumes of the class {CLASS}; {GPUS} GPUs (nvidia.com/gpu) with nothing behind them"


def _up(place: Place, base: Path) -> Kubernetes:
    folder = lay(place.ground, NAME)
    machine, is_new = place.start_first(base, binds={}, devices=DEVICES)
    node = Node(place.number)
    # The way to the pods goes with the interface.
    if not (answers(["ip", "route", "show", node.pods]) or "").strip():
        run(["ip", "route", "add", node.pods, "via", node.address])
    if is_new:
        _configure(machine, node)
    authority = machine.run("cat", f"{FOLDER}/ca.crt")
    token = machine.run("cat", f"{FOLDER}/tokens.csv").partition(",")[0]
    api = Api(f"https://{node.address}:{PORT}", authority, token)
    place.offer_registry()
    _serve(machine, node, api, base)
    _furnish(api)
    files = {"kubeconfig": ("default", token), "account": (NAMESPACE, _token(api))}
    for name, (namespace, secret) in files.items():
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(kubeconfig(api.server, authority, secret, namespace=namespace), encoding="ascii")
    return Kubernetes(api.server, api, folder / "kubeconfig", folder / "account", NAMESPACE, node.pods, place)


def _configure(machine: Machine, node: Node) -> None:
    machine.put("/etc/machine-id", f"{secrets.token_hex(16)}\n")
    for path, text in node.files():
        machine.put(path, text)
    if not machine.succeeds("test", "-e", f"{FOLDER}/sa.pub"):
        machine.run("sh", "-c", AUTHORITY.format(folder=FOLDER))
        token = secrets.token_hex(16)
        machine.put(f"{FOLDER}/tokens.csv", f"{token},admin,1,system:masters\n", mode="0600")
        local = kubeconfig(f"https://127.0.0.1:{PORT}", machine.run("cat", f"{FOLDER}/ca.crt"), token)
        machine.put(f"{FOLDER}/kubeconfig", local, mode="0600")
    machine.run("sh", "-c", SERVER.format(folder=FOLDER, address=node.address))
    machine.run("mkdir", "--parents", *(f"{STORAGE}/{number}" for number in range(VOLUMES)))
    machine.run("sh", "-c", f"chmod 0777 {STORAGE}/*")


def _serve(machine: Machine, node: Node, api: Api, base: Path) -> None:
    """Run all programs, each after those that it needs."""
    for service in node.services():
        is_new = machine.serve(service)
        if service.name == "containerd" and is_new:
            image = pause_image((base / "usr/local/bin/pause").read_bytes())
            machine.run("ctr", f"--address={SOCKET}", "--namespace=k8s.io", "images", "import", "-", given=image)
        if service.name == "kube-apiserver":
            log = machine.folder / "logs/kube-apiserver.log"
            ready = partial(api.answers, "/readyz")
            wait_for("The API server", seconds=READY_SECONDS, is_there=ready, log=log)
    log = machine.folder / "logs/kubelet.log"
    wait_for("The node", seconds=READY_SECONDS, is_there=partial(_is_ready, machine, api), log=log)


def _furnish(api: Api) -> None:
    """Make the objects that it begins with."""
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    for path, body in objects(manifest):
        api.make(path, body)
    if f"{GPUS}" != api.ask("GET", f"/api/v1/nodes/{NODE}")["status"]["capacity"].get("nvidia.com/gpu"):
        # The node itself says what of that may be given out, and some seconds later.
        has = {"nvidia.com/gpu": f"{GPUS}"}
        patch = {"status": {"capacity": has, "allocatable": has}}
        api.ask("PATCH", f"/api/v1/nodes/{NODE}/status", patch, kind="merge-patch+json")


def _is_ready(machine: Machine, api: Api) -> bool:
    if ended := [name for name, code in machine.services().items() if code is not None]:
        raise FailedError(f"On {machine.name}, {', '.join(ended)} ended; see {machine.folder / 'logs'}.")
    try:
        conditions = api.ask("GET", f"/api/v1/nodes/{NODE}")["status"].get("conditions") or []
    except OSError:
        return False
    return {"type": "Ready", "status": "True"} in [
        {name: one[name] for name in ("type", "status")} for one in conditions
    ]


def _token(api: Api) -> str:
    """Return the token of the platform's account, once the cluster has made one."""
    path = f"/api/v1/namespaces/{NAMESPACE}"

    def found() -> str:
        named = api.ask("GET", f"{path}/serviceaccounts/{USER}").get("secrets") or []
        if not named:
            return ""
        secret = api.ask("GET", f"{path}/secrets/{named[0]['name']}")
        return base64.b64decode(secret["data"]["token"]).decode()

    wait_for("The account's token", seconds=READY_SECONDS, is_there=lambda: bool(found()))
    return found()


VERBS = Verbs(NAME, (NODE,), kubernetes, _up)
up, down, status = VERBS.up, VERBS.down, VERBS.status

if __name__ == "__main__":
    sys.exit(main(NAME, up=up, down=down, status=status))
