"""What a cluster is told to make for one task: pure functions from a launch to objects."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from specola.computing.inside.paths import CREDENTIAL, FILES, FOLDER, SCRIPTS
from specola.computing.kubernetes.config import PERSON, KubernetesSettings
from specola.computing.kubernetes.names import (
    ARCHITECTURE,
    CONTAINER,
    IMAGE,
    INSTALLATION,
    PORTS,
    PRE_STOP,
    Names,
    Place,
    label_of,
)
from specola.domain.computing import HomeMount, Launch
from specola.domain.errors import LaunchError
from specola.domain.software import RunsAs

__all__ = ["ALLOWED", "Plan", "check", "claim_body", "claim_name", "pod_body", "policy_body", "secret_body"]

# The restricted profile of Pod Security gives no other.
ALLOWED = frozenset({"NET_BIND_SERVICE"})
ROOT_ALLOWED = ALLOWED | {"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"}
RESERVED = ("/proc", "/sys", "/dev", f"/{FOLDER}", "/etc", "/run", "/var/run")
PROGRAMS = ("/", "/bin", "/sbin", "/lib", "/lib64", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local", "/var")
VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
VARIABLES_BYTES = 512 * 1024
# Since 1.22 a pod may have ports below 1024 for everybody.
SAFE_PORTS = (1, 22)
HANDED_IN = "/specola-secret"
SETUP = """\
set -e
mkdir -p /.specola/files
cp /bin/busybox /.specola/busybox
printf %s "$RUN" >/.specola/run
printf %s "$LOGIN" >/.specola/login
printf %s "$GUARD" >/.specola/guard
chmod 0755 /.specola/busybox /.specola/run /.specola/login /.specola/guard
printf %s "$ACCOUNTS" >/.specola/accounts
chmod 0444 /.specola/accounts
rm -f /.specola/credential
umask 0077
cat /specola-secret/credential >/.specola/credential
chmod "$MODE" /.specola/credential
"""
NOBODY = 65534


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was found out before a pod is made.

    Parameters
    ----------
    image
        What is pulled: by digest, where that is known.
    image_id, architecture
        The image that will run; None: nobody could be asked.
    user
        The number that it runs as; None: the image's own, which is not known.
    version
        The cluster's, as two numbers.
    """

    image: str
    image_id: str | None
    architecture: str | None
    user: int | None
    version: tuple[int, int]


def check(launch: Launch, settings: KubernetesSettings) -> None:
    """Refuse what no pod of ours may have, whoever allowed it before. Raises LaunchError."""
    allowed = ROOT_ALLOWED if settings.allow_root_images else ALLOWED
    beyond = sorted(set(launch.capabilities) - allowed)
    if beyond:
        raise LaunchError(
            f"The capabilities {', '.join(beyond)} are not given to tasks on this cluster.",
            hint="Pods get the restricted profile of Pod Security; start it on another computing.",
            code="capability_refused",
        )
    for name, value in launch.environment.items():
        if not VARIABLE.fullmatch(name) or "\0" in value:
            raise LaunchError(f"“{name[:80]}” cannot be a variable of a pod's environment.", code="environment_refused")
    if sum(len(name) + len(value) for name, value in launch.environment.items()) > VARIABLES_BYTES:
        raise LaunchError(
            "The variables are too large for a pod.",
            hint="Put large values into a file in the home.",
            code="environment_refused",
        )
    for path in [launch.home.path] if launch.home else []:
        _check_path(path, "home")
    if launch.scratch is not None:
        _check_path(launch.scratch, "scratch")
    partition = launch.placement.partition
    if partition and partition not in settings.partitions:
        raise LaunchError(
            f"This cluster has no partition “{partition}”.",
            hint=f"Choose one of: {', '.join(settings.partitions) or 'none is set up'}.",
            code="partition_unknown",
        )


def _check_path(path: str, what: str) -> None:
    plain = path.rstrip("/")
    if not plain.startswith("/") or any(part in {"", ".", ".."} for part in plain.split("/")[1:]):
        raise LaunchError(f"A {what} cannot be mounted at “{path}”.", code=f"{what}_refused")
    if plain in PROGRAMS or any(plain == one or plain.startswith(f"{one}/") for one in RESERVED):
        raise LaunchError(f"A {what} cannot be mounted over “{path}”.", code=f"{what}_refused")


def pod_body(launch: Launch, plan: Plan, names: Names, settings: KubernetesSettings) -> dict[str, Any]:
    """Return the pod of a task, which fits the restricted profile of Pod Security unless root was allowed.

    Everything dangerous is left out rather than filtered: there is no way to name a path or a namespace of the node, a
    device, another profile or another account.
    """
    place = names.place(launch.task, launch.owner)
    ports = sorted({interface.port for interface in launch.interfaces})
    notes = {PORTS: ",".join(map(str, ports)), IMAGE: plan.image_id or "", ARCHITECTURE: plan.architecture or ""}
    if launch.pre_stop is not None:
        notes[PRE_STOP] = json.dumps([launch.pre_stop.time.total_seconds(), *launch.pre_stop.command])
    partition = settings.partitions.get(launch.placement.partition or "")
    selector = {**settings.node_selector, **(partition.node_selector if partition else {})}
    if launch.resources.gpus and launch.resources.gpu_model:
        selector[settings.gpu_label] = launch.resources.gpu_model
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "hostname": launch.task,
        "serviceAccountName": settings.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": settings.grace,
        "securityContext": _pod_security(plan, settings),
        "initContainers": [_setup(launch, plan, settings)],
        "containers": [_task(launch, plan, settings, ports, secret=place.name)],
        "volumes": list(_volumes(launch, place, settings)),
        "imagePullSecrets": [{"name": one} for one in settings.pull_secrets],
        "nodeSelector": {"kubernetes.io/os": "linux", **selector},
        "tolerations": [dict(one) for one in (*settings.tolerations, *(partition.tolerations if partition else ()))],
    }
    if plan.architecture:
        spec["nodeSelector"]["kubernetes.io/arch"] = plan.architecture
    if launch.placement.time is not None:
        spec["activeDeadlineSeconds"] = max(1, int(launch.placement.time.total_seconds()))
    if priority := (partition.priority_class if partition else "") or settings.priority_class:
        spec["priorityClassName"] = priority
    metadata = {
        "name": place.name,
        "namespace": place.namespace,
        "labels": names.labels(launch.task),
        "annotations": {name: value for name, value in notes.items() if value},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def secret_body(launch: Launch, place: Place, names: Names, *, owner: str) -> dict[str, Any]:
    """Return the secret with the task's credential, and the variables that hold it, which goes with its pod, `owner`."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": place.name,
            "namespace": place.namespace,
            "labels": names.labels(launch.task),
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": place.name, "uid": owner}],
        },
        "immutable": True,
        "stringData": {
            "credential": launch.credential,
            **{_key(name): value for name, value in _environment(launch).items() if _is_secret(value, launch)},
        },
    }


def claim_name(home: HomeMount, settings: KubernetesSettings) -> str:
    """Return the name of the claim that a home is in."""
    return settings.home.claim.replace(PERSON, label_of(home.key))


def claim_body(home: HomeMount, namespace: str, settings: KubernetesSettings) -> dict[str, Any]:
    """Return a claim that is made for a home. It stays when everything else of the platform goes."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteMany" if settings.home.shared else "ReadWriteOnce"],
        "resources": {"requests": {"storage": settings.home.size}},
    }
    if settings.home.storage_class:
        spec["storageClassName"] = settings.home.storage_class
    metadata = {
        "name": claim_name(home, settings),
        "namespace": namespace,
        "labels": {"app.kubernetes.io/managed-by": "specola"},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def policy_body(installation: str, namespace: str, settings: KubernetesSettings) -> dict[str, Any]:
    """Return the policy by which nobody connects to the tasks of an installation, except those that are admitted."""
    admitted = [{"from": [{"ipBlock": {"cidr": str(one)}} for one in settings.admitted]}] if settings.admitted else []
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"specola-{installation}", "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": {INSTALLATION: installation}},
            "policyTypes": ["Ingress"],
            "ingress": admitted,
        },
    }


def _pod_security(plan: Plan, settings: KubernetesSettings) -> dict[str, Any]:
    user = plan.user
    security: dict[str, Any] = {"seccompProfile": {"type": "RuntimeDefault"}, "fsGroupChangePolicy": "OnRootMismatch"}
    security["runAsNonRoot"] = not settings.allow_root_images or bool(user)
    # What is given to a pod belongs to root; its group is what lets the user in.
    security["fsGroup"] = user or NOBODY
    if user is not None:
        security |= {"runAsUser": user, "runAsGroup": user}
    if plan.version >= SAFE_PORTS:
        security["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    return security


def _container_security(launch: Launch | None) -> dict[str, Any]:
    added = sorted(launch.capabilities) if launch is not None else []
    return {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "capabilities": {"drop": ["ALL"], **({"add": added} if added else {})},
    }


def _setup(launch: Launch, plan: Plan, settings: KubernetesSettings) -> dict[str, Any]:
    """Return the container that places helper, scripts and credential before the task begins, as the same user."""
    scripts = {path.rpartition("/")[2].upper(): file.read_text(encoding="utf-8") for path, file in SCRIPTS.items()}
    values = {**scripts, "ACCOUNTS": _accounts(launch, plan), "MODE": "0400" if plan.user is not None else "0440"}
    security = _container_security(None)
    if plan.user is None:
        security["runAsUser"] = NOBODY
    return {
        "name": "setup",
        "image": settings.helper_image,
        "command": ["/bin/busybox", "sh", "-c", SETUP],
        "env": [{"name": name, "value": _literal(value)} for name, value in values.items()],
        "securityContext": security,
        "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "10m", "memory": "16Mi"}},
        "volumeMounts": [
            {"name": "placed", "mountPath": f"/{FOLDER}"},
            {"name": "credential", "mountPath": HANDED_IN, "readOnly": True},
        ],
    }


def _accounts(launch: Launch, plan: Plan) -> str:
    """Return the list of users of a task that runs as a home's owner, whom its image does not know."""
    home = home_of(launch)
    lines = ["root:x:0:0:root:/root:/bin/sh", f"nobody:x:{NOBODY}:{NOBODY}:nobody:/:/bin/false"]
    if plan.user is not None:
        lines.append(f"{launch.owner}:x:{plan.user}:{plan.user}:{launch.owner}:{home}:")
    return "".join(f"{line}\n" for line in lines)


def _task(launch: Launch, plan: Plan, settings: KubernetesSettings, ports: list[int], *, secret: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": CONTAINER,
        "image": plan.image,
        "env": _variables(_environment(launch), launch, secret=secret),
        "ports": [{"containerPort": port, "protocol": "TCP"} for port in ports],
        "securityContext": _container_security(launch),
        "resources": _resources(launch, settings),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": list(_mounts(launch, settings)),
    }
    if launch.command:
        body["args"] = [_literal(one) for one in launch.command]
    return body


def _resources(launch: Launch, settings: KubernetesSettings) -> dict[str, Any]:
    wanted = launch.resources
    amounts = {"cpu": f"{max(1, round(wanted.cpus * 1000))}m", "memory": str(wanted.memory)}
    if wanted.gpus:
        amounts[settings.gpu_resource] = str(wanted.gpus)
    aside = f"{max(1, round(wanted.cpus * settings.cpu_share * 1000))}m"
    return {"requests": amounts | {"cpu": aside}, "limits": amounts}


def _environment(launch: Launch) -> Mapping[str, str]:
    person: dict[str, str] = {}
    if launch.user is RunsAs.HOME:
        person = {"HOME": home_of(launch), "USER": launch.owner, "LOGNAME": launch.owner}
    ours = {"SPECOLA_TASK": launch.task, "SPECOLA_CREDENTIAL_FILE": CREDENTIAL}
    return person | dict(launch.environment) | ours


def home_of(launch: Launch) -> str:
    """Return the folder that is the home of a task."""
    return launch.home.path if launch.home is not None else "/tmp"  # noqa: S108 -- in the container


def _variables(values: Mapping[str, str], launch: Launch, *, secret: str) -> list[dict[str, Any]]:
    """Return variables as a pod has them: whoever may look at pods must not see the credential in one."""
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": _key(name)}}}
        if _is_secret(value, launch)
        else {"name": name, "value": _literal(value)}
        for name, value in values.items()
    ]


def _is_secret(value: str, launch: Launch) -> bool:
    return bool(launch.credential) and launch.credential in value


def _key(name: str) -> str:
    return f"variable.{name}"


def _literal(text: str) -> str:
    """Return a text as a pod has to have it written: a dollar sign would begin a variable of the cluster's own."""
    return text.replace("$", "$$")


def _volumes(launch: Launch, place: Place, settings: KubernetesSettings) -> Iterator[dict[str, Any]]:
    yield {"name": "placed", "emptyDir": {"sizeLimit": "16Mi"}}
    yield {"name": "files", "emptyDir": {"sizeLimit": "64Mi"}}
    yield {"name": "credential", "secret": {"secretName": place.name, "defaultMode": 0o400}}
    yield {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(launch.resources.shm)}}
    if launch.scratch is not None:
        yield {"name": "scratch", "emptyDir": {"sizeLimit": settings.scratch_size}}
    if launch.home is not None:
        claim = {"claimName": claim_name(launch.home, settings), "readOnly": launch.home.read_only}
        yield {"name": "home", "persistentVolumeClaim": claim}


def _mounts(launch: Launch, settings: KubernetesSettings) -> Iterator[dict[str, Any]]:
    yield {"name": "placed", "mountPath": f"/{FOLDER}", "readOnly": True}
    yield {"name": "files", "mountPath": FILES}
    yield {"name": "shm", "mountPath": "/dev/shm"}  # noqa: S108 -- in the container
    if launch.user is RunsAs.HOME:
        yield {"name": "placed", "mountPath": "/etc/passwd", "subPath": "accounts", "readOnly": True}
    if launch.scratch is not None:
        yield {"name": "scratch", "mountPath": launch.scratch}
    if launch.home is not None:
        folder = settings.home.folder.replace(PERSON, label_of(launch.home.key))
        mount: dict[str, Any] = {"name": "home", "mountPath": launch.home.path, "readOnly": launch.home.read_only}
        yield {**mount, **({"subPath": folder} if folder else {})}
