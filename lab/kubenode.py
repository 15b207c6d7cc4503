"""What the lab's Kubernetes node is told: the configuration of its programs, and the objects that it begins with."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.ground import REGISTRY_PORTS
from lab.images import one_program
from lab.machine import Service

__all__ = [
    "CLASS",
    "FOLDER",
    "GPUS",
    "NAMESPACE",
    "NODE",
    "PORT",
    "SOCKET",
    "STORAGE",
    "USER",
    "VOLUMES",
    "Node",
    "kubeconfig",
    "objects",
    "pause_image",
    "volume",
]

NODE = "node"
NAMESPACE = "specola"
USER = "specola"
"""The service account that has what the platform needs in that namespace, and nothing else."""
CLASS = "lab"
VOLUMES = 40
GPUS = 2
POLICY = "restricted"
PORT, ETCD, PEERS = 6443, 2379, 2380
FOLDER = "/etc/kubernetes"
SOCKET = "/run/containerd/containerd.sock"
STORAGE = "/scratch/volumes"
PAUSE = "localhost/pause:lab"
CONTAINERD = """\
version = 2
root = "/var/lib/containers/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:lab"
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    discard_unpacked_layers = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
"""
KUBELET = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: /etc/kubernetes/ca.crt}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
enforceNodeAllocatable: []
failSwapOn: false
resolvConf: ""
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%"}
maxOpenFiles: 20000
maxPods: 250
oomScoreAdj: 0
nodeStatusUpdateFrequency: 5s
"""


@dataclass(frozen=True, slots=True)
class Node:
    """The one node: which networks are its own."""

    number: int

    @property
    def address(self) -> str:
        """Where the API server answers, for this machine."""
        return f"10.77.{self.number}.2"

    @property
    def pods(self) -> str:
        """The network of the pods."""
        return f"10.78.{self.number}.0/24"

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield the configuration of its programs."""
        mirrors = (
            f'  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."127.0.0.1:{port}"]\n'
            f'    endpoint = ["http://127.0.0.1:{port}"]\n'
            for port in REGISTRY_PORTS
        )
        yield "/etc/containerd/lab.toml", CONTAINERD + "".join(mirrors)
        yield f"{FOLDER}/kubelet.yaml", KUBELET
        yield (
            "/etc/cni/net.d/10-lab.conflist",
            '{"cniVersion": "0.4.0", "name": "lab", "plugins": [{"type": "bridge", "bridge": "pods", "isGateway": true,'
            ' "ipam": {"type": "host-local", "ranges": [[{"subnet": "' + self.pods + '"}]],'
            ' "routes": [{"dst": "0.0.0.0/0"}]}}]}',
        )

    def services(self) -> Iterator[Service]:
        """Yield its programs, each after those that it needs."""
        local = f"http://127.0.0.1:{ETCD}"
        yield Service(
            "etcd",
            (
                "etcd",
                "--data-dir=/scratch/etcd",
                f"--listen-client-urls={local}",
                f"--advertise-client-urls={local}",
                f"--listen-peer-urls=http://127.0.0.1:{PEERS}",
                "--unsafe-no-fsync",
            ),
        )
        yield Service(
            "containerd",
            ("containerd", "--config=/etc/containerd/lab.toml"),
            answers=("ctr", f"--address={SOCKET}", "--namespace=k8s.io", "containers", "list"),
        )
        yield Service("kube-apiserver", tuple(self._api_server(local)))
        configured = f"--kubeconfig={FOLDER}/kubeconfig"
        yield Service(
            "kube-controller-manager",
            (
                "kube-controller-manager",
                configured,
                f"--service-account-private-key-file={FOLDER}/sa.key",
                f"--root-ca-file={FOLDER}/ca.crt",
                "--leader-elect=false",
                "--port=0",
                "--pvclaimbinder-sync-period=2s",
            ),
        )
        yield Service("kube-scheduler", ("kube-scheduler", configured, "--leader-elect=false", "--port=0"))
        yield Service(
            "kubelet",
            (
                "kubelet",
                f"--config={FOLDER}/kubelet.yaml",
                configured,
                "--container-runtime=remote",
                f"--container-runtime-endpoint=unix://{SOCKET}",
                f"--hostname-override={NODE}",
                f"--node-ip={self.address}",
            ),
        )

    def _api_server(self, store: str) -> Iterator[str]:
        yield "kube-apiserver"
        yield f"--etcd-servers={store}"
        yield f"--secure-port={PORT}"
        yield f"--advertise-address={self.address}"
        # The kubelet obeys whoever shows the certificate of the API server, and nobody else.
        for option, file in (
            ("tls-cert-file", "tls.crt"),
            ("tls-private-key-file", "tls.key"),
            ("kubelet-client-certificate", "tls.crt"),
            ("kubelet-client-key", "tls.key"),
        ):
            yield f"--{option}={FOLDER}/{file}"
        yield f"--service-account-key-file={FOLDER}/sa.pub"
        yield f"--service-account-signing-key-file={FOLDER}/sa.key"
        yield "--service-account-issuer=https://kubernetes.default.svc"
        yield f"--token-auth-file={FOLDER}/tokens.csv"
        yield "--authorization-mode=RBAC"
        yield "--kubelet-preferred-address-types=InternalIP"
        yield "--enable-admission-plugins=PodSecurityPolicy"
        yield "--service-cluster-ip-range=10.96.0.0/16"


def objects(manifest: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects that the cluster begins with: in which collection each is made, and what it says.

    Parameters
    ----------
    manifest
        What an operator applies to let the platform in: its account, role and binding, as a list.
    """
    yield "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}
    rights = "/apis/rbac.authorization.k8s.io/v1"
    for one in manifest["items"]:
        group = "/api/v1" if one["apiVersion"] == "v1" else f"/apis/{one['apiVersion']}"
        yield f"{group}/namespaces/{NAMESPACE}/{one['kind'].lower()}s", dict(one)
    subject = {"kind": "ServiceAccount", "name": USER, "namespace": NAMESPACE}
    yield from _policies(rights, subject)
    quota = {"pods": "240", "limits.cpu": "128", "limits.memory": "64Gi"}
    yield (
        f"/api/v1/namespaces/{NAMESPACE}/resourcequotas",
        {"metadata": {"name": NAMESPACE}, "spec": {"hard": quota}},
    )
    yield (
        "/apis/storage.k8s.io/v1/storageclasses",
        {
            "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "Immediate",
        },
    )
    for number in range(VOLUMES):
        yield "/api/v1/persistentvolumes", volume(number)


def volume(number: int) -> dict[str, Any]:
    """Return one of the volumes that claims are bound to."""
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "metadata": {"name": f"volume{number}"},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "local": {"path": f"{STORAGE}/{number}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}},
        },
    }


def _policies(rights: str, subject: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what an administrator's pods may be, which is anything, and what the platform's may be: the restricted profile."""
    anything = {"rule": "RunAsAny"}
    groups = {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 2**31 - 1}]}
    restricted = {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "requiredDropCapabilities": ["ALL"],
        "allowedCapabilities": ["NET_BIND_SERVICE"],
        "volumes": ["configMap", "emptyDir", "projected", "secret", "downwardAPI", "persistentVolumeClaim"],
        "runAsUser": {"rule": "MustRunAsNonRoot"},
        "seLinux": anything,
        "supplementalGroups": groups,
        "fsGroup": groups,
    }
    # No profile is set where none is asked for, so that a pod without one is refused.
    profile = {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "runtime/default"}
    yield (
        "/apis/policy/v1beta1/podsecuritypolicies",
        {"metadata": {"name": POLICY, "annotations": profile}, "spec": restricted},
    )
    everything = {"rule": "RunAsAny"}
    open_policy = {
        "privileged": True,
        "allowPrivilegeEscalation": True,
        "allowedCapabilities": ["*"],
        "volumes": ["*"],
        **dict.fromkeys(("runAsUser", "seLinux", "supplementalGroups", "fsGroup"), everything),
    }
    any_profile = {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "*"}
    yield (
        "/apis/policy/v1beta1/podsecuritypolicies",
        {"metadata": {"name": "anything", "annotations": any_profile}, "spec": open_policy},
    )
    use = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"], "resourceNames": [POLICY]}
    yield f"{rights}/namespaces/{NAMESPACE}/roles", {"metadata": {"name": POLICY}, "rules": [use]}
    yield f"{rights}/namespaces/{NAMESPACE}/rolebindings", _binding(POLICY, "Role", POLICY, subject)


def _binding(name: str, kind: str, role: str, subject: Mapping[str, Any]) -> dict[str, Any]:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": [dict(subject)]}


def kubeconfig(server: str, authority: str, token: str, *, namespace: str = "default") -> str:
    """Return a kubeconfig with all in it.

    Parameters
    ----------
    authority
        The certificate of who signed the server's, in PEM.
    """
    data = base64.b64encode(authority.encode()).decode()
    return f"""\
apiVersion: v1
kind: Config
clusters: [{{name: lab, cluster: {{server: "{server}", certificate-authority-data: {data}}}}}]
users: [{{name: lab, user: {{token: "{token}"}}}}]
contexts: [{{name: lab, context: {{cluster: lab, user: lab, namespace: {namespace}}}}}]
current-context: lab
"""


def pause_image(program: bytes) -> bytes:
    """Return the image of each pod's first container, which is one program."""
    return one_program("pause", program, PAUSE, user="65535:65535")
