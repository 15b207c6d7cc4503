"""What is in a cluster, as far as the platform's account may look, and which rights it lacks."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specola.computing.inside.fileserver import FileServer
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.config import KubernetesSettings
from specola.computing.kubernetes.errors import ApiError
from specola.computing.kubernetes.names import Names
from specola.computing.kubernetes.rehearsing import refused
from specola.domain.computing import Capability, Finding, Probe
from specola.domain.placement import GpuKind, Partition

__all__ = ["EVERYWHERE", "RIGHTS", "Amounts", "amount", "amounts", "probed", "version"]

RIGHTS: tuple[tuple[str, str, str, str], ...] = (
    *(("", "pods", verb, "starts and follows tasks") for verb in ("create", "delete", "get", "list", "patch", "watch")),
    ("", "pods/exec", "create", "reaches ports, terminals and files of tasks"),
    ("", "pods/log", "get", "reads what tasks write"),
    ("", "secrets", "create", "hands each task its credential"),
    ("", "secrets", "delete", "takes credentials back"),
)
HOMES = (
    ("", "persistentvolumeclaims", "get", "finds homes"),
    ("", "persistentvolumeclaims", "create", "makes homes"),
)
# What nobody but a cluster role gives.
EVERYWHERE = frozenset({("pods", "list"), ("pods", "watch")})
POLICY = (("networking.k8s.io", "networkpolicies", "create", "keeps other pods from tasks"),)
OLDEST = (1, 20)
AMOUNT = re.compile(r"([0-9.]+(?:e[0-9]+)?)(m|[kKMGTP]i?)?")
UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
UNITS |= {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTP", start=1)}
CAPABILITIES = frozenset(
    {
        Capability.LOGS,
        Capability.EXECUTE,
        Capability.TERMINAL,
        Capability.TELL,
        Capability.USAGE,
        Capability.WATCH,
        Capability.IMAGES,
        Capability.PORTS,
        Capability.HOMES,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What a cluster has, or what it grants the platform."""

    cpus: float = 0.0
    memory: int = 0
    gpus: tuple[GpuKind, ...] = ()
    architectures: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()


def version(told: Mapping[str, Any]) -> tuple[int, int]:
    """Read a cluster's version: two numbers, behind which some put a plus."""
    return int(re.sub(r"\D", "", str(told.get("major") or "1"))), int(re.sub(r"\D", "", str(told.get("minor") or "0")))


def amount(text: object) -> float:
    """Read an amount as clusters write it: `1500m`, `16Gi`."""
    found = AMOUNT.fullmatch(str(text))
    return float(found[1]) * UNITS[found[2] or ""] if found else 0.0


async def missing_rights(api: Api, names: Names, settings: KubernetesSettings) -> list[Finding]:
    """Ask which of the rights that are needed the platform's account lacks, all at the same time.

    Where everybody has a namespace of their own, only what is needed in all of them can be asked: not even their names
    are known.
    """
    wanted = [*RIGHTS, *(HOMES if settings.home.create else ()), *(POLICY if settings.network_policy else ())]
    if settings.is_spread:
        wanted = [one for one in RIGHTS if one[1:3] in EVERYWHERE]
    namespace = "" if settings.is_spread else names.namespace
    missing = await asyncio.gather(*(_lacks(api, namespace, one) for one in wanted))
    where = f"in the namespace {namespace}" if namespace else "in all namespaces"
    at = "" if namespace else f" {where}"
    hint = f"Give it the role of the page on Kubernetes {where}."
    if namespace and all(lacks for one, lacks in zip(wanted, missing, strict=True) if one[1:3] not in EVERYWHERE):
        hint = (
            f"See that there is a namespace {namespace}, and give the account the role of the page on Kubernetes in it."
        )
    return [
        Finding(
            code="right_missing",
            sentence=f"The platform's account may not {verb} {kind}{at}, which {purpose}.",
            hint=hint,
            serious=True,
        )
        for (_, kind, verb, purpose), lacks in zip(wanted, missing, strict=True)
        if lacks
    ]


async def _lacks(api: Api, namespace: str, right: tuple[str, str, str, str]) -> bool:
    group, kind, verb, _ = right
    resource, _, part = kind.partition("/")
    asked = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": part}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in asked.items() if value}},
    }
    told = await api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return not (told.get("status") or {}).get("allowed")


async def look_at_nodes(api: Api, settings: KubernetesSettings) -> Amounts | None:
    """Return what all nodes have together; None: the account may not look at them."""
    try:
        nodes, _ = await api.pages("/api/v1/nodes", [])
    except ApiError as error:
        if error.status == 403:
            return None
        raise
    usable = [one for one in nodes if not (one.get("spec") or {}).get("unschedulable")]
    return amounts(usable, settings)


def amounts(nodes: Iterable[Mapping[str, Any]], settings: KubernetesSettings) -> Amounts:
    """Add up what nodes have."""
    cpus = memory = 0.0
    gpus: dict[str, int] = {}
    architectures, runtimes = set(), set()
    for node in nodes:
        status = node.get("status") or {}
        has = status.get("allocatable") or {}
        cpus, memory = cpus + amount(has.get("cpu", 0)), memory + amount(has.get("memory", 0))
        if count := int(amount(has.get(settings.gpu_resource, 0))):
            model = str((node["metadata"].get("labels") or {}).get(settings.gpu_label) or "")
            gpus[model] = gpus.get(model, 0) + count
        info = status.get("nodeInfo") or {}
        architectures.add(str(info.get("architecture") or "amd64"))
        runtimes.add(str(info.get("containerRuntimeVersion") or "").replace("://", " "))
    return Amounts(
        cpus=cpus,
        memory=int(memory),
        gpus=tuple(GpuKind(model=model, count=count) for model, count in sorted(gpus.items())),
        architectures=tuple(sorted(architectures)),
        runtimes=tuple(sorted(one for one in runtimes if one)),
    )


async def look_at_quota(api: Api, namespace: str) -> Amounts:
    """Return what the namespace's quotas grant; nothing where there are none, or the account may not look."""
    try:
        quotas, _ = await api.pages(f"/api/v1/namespaces/{namespace}/resourcequotas", [])
    except ApiError as error:
        if error.status in {403, 404}:
            return Amounts()
        raise
    hard: dict[str, float] = {}
    for one in quotas:
        for name, value in ((one.get("spec") or {}).get("hard") or {}).items():
            hard[name] = min(hard.get(name, float("inf")), amount(value))
    cpus = hard.get("limits.cpu", hard.get("requests.cpu", hard.get("cpu", 0.0)))
    return Amounts(cpus=cpus, memory=int(hard.get("limits.memory", hard.get("requests.memory", 0.0))))


async def probed(api: Api, names: Names, settings: KubernetesSettings) -> Probe:
    """Return what is here, what can be done, and what is missing."""
    about, findings, nodes = await asyncio.gather(
        api.get("/version"), missing_rights(api, names, settings), look_at_nodes(api, settings)
    )
    granted = Amounts() if settings.is_spread else await look_at_quota(api, names.namespace)
    has = nodes or granted
    if nodes is None:
        findings.append(
            Finding(
                code="nodes_unseen",
                sentence="The platform's account may not look at the cluster's nodes, so their size and GPUs are not known.",
                hint="It works without. To have them shown, give it the right to list nodes.",
            )
        )
    number = version(about)
    if number < OLDEST:
        findings.append(
            Finding(
                code="version_old",
                sentence=f"This is Kubernetes {number[0]}.{number[1]}; the platform is made for {OLDEST[0]}.{OLDEST[1]} and later.",
                hint="Have the cluster brought up to date.",
            )
        )
    if not settings.is_spread and not any(one.serious for one in findings):
        findings += await refused(api, names, settings, version=number)
    return Probe(
        product="kubernetes",
        version=str(about.get("gitVersion") or "").removeprefix("v"),
        architectures=has.architectures or settings.architectures,
        cpus=has.cpus,
        memory=has.memory,
        capabilities=CAPABILITIES | ({Capability.FILES} if FileServer(Path(settings.file_server)).is_there else set()),
        findings=tuple(findings),
        scheduler="kubernetes",
        runtimes=has.runtimes,
        partitions=tuple(Partition(name=name) for name in settings.partitions),
        gpus=has.gpus,
    )
