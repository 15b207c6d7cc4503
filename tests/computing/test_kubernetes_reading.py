"""What a cluster's answers mean, and what a cluster is told: read and made without any cluster."""

import json
import re
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from specola.computing.kinds import KINDS
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.config import KubernetesSettings
from specola.computing.kubernetes.errors import ApiError, asking, refusal
from specola.computing.kubernetes.kubeconfig import KubeconfigError, inside, read
from specola.computing.kubernetes.logs import lines
from specola.computing.kubernetes.looking import measured
from specola.computing.kubernetes.names import STOPPED, Names, Place, label_of
from specola.computing.kubernetes.observing import observed
from specola.computing.kubernetes.pod import Plan, check, claim_body, pod_body, policy_body, secret_body
from specola.computing.kubernetes.probing import EVERYWHERE, RIGHTS, amount, amounts, version
from specola.computing.kubernetes.spdy import DATA, PING, Headers, Reader, data, ping
from specola.domain.computing import HomeMount, Launch, Phase
from specola.domain.errors import ComputingUnreachableError, LaunchError
from specola.domain.placement import Placement
from specola.domain.software import Resources, RunsAs
from tests.support.places import a_launch

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
BEGAN = "2026-11-27T11:00:00Z"
ROLE = Path(__file__).parents[2] / "docs/operator/kubernetes-role.json"
CLUSTER_ROLE = ROLE.with_name("kubernetes-cluster-role.json")
NAMES = Names("abcdefghjkmn", "specola")
KUBECONFIG = """\
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://cluster.test:6443/"}}]
users: [{name: u, user: {token: secret}}]
"""


def pod(
    status: dict[str, Any], *, node: str = "n1", notes: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": "specola-a-b", "namespace": "specola", "annotations": notes or {}},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 10, **spec},
        "status": {"startTime": BEGAN, **status},
    }


def container(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "task", "image": "example.test/a:1", "state": state}]


def ended(reason: str, code: int, message: str = "") -> dict[str, Any]:
    over = {"reason": reason, "exitCode": code, "message": message, "startedAt": BEGAN, "finishedAt": BEGAN}
    return {"phase": "Failed", "containerStatuses": container({"terminated": over})}


def waiting(reason: str, message: str) -> dict[str, Any]:
    return {"phase": "Pending", "containerStatuses": container({"waiting": {"reason": reason, "message": message}})}


def unscheduled(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


@pytest.mark.parametrize(
    ("status", "phase", "reason"),
    [
        ({"phase": "Running", "containerStatuses": container({"running": {"startedAt": BEGAN}})}, Phase.RUNNING, ""),
        ({"phase": "Pending"}, Phase.CREATED, "starting"),
        (ended("Completed", 0), Phase.ENDED, ""),
        (ended("Error", 3), Phase.ENDED, ""),
        (ended("Error", 137), Phase.ENDED, ""),
        (ended("OOMKilled", 137), Phase.ENDED, "out_of_memory"),
        (ended("StartError", 128, 'exec: "x": executable file not found in $PATH'), Phase.ENDED, "command_unknown"),
        (ended("StartError", 128, "no space left"), Phase.ENDED, "runtime_failed"),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, Phase.ENDED, "evicted"),
        ({"phase": "Failed", "reason": "NodeLost"}, Phase.ENDED, "node_failed"),
        ({"phase": "Failed", "reason": "DeadlineExceeded"}, Phase.ENDED, "time_limit"),
        ({"phase": "Failed", "reason": "OutOfcpu", "message": "no cpu"}, Phase.ENDED, "refused"),
        ({"phase": "Failed", "reason": "Preempting"}, Phase.ENDED, "preempted"),
        (waiting("ErrImagePull", "manifest unknown"), Phase.ENDED, "image_pull"),
        (waiting("ErrImagePull", "dial tcp: i/o timeout"), Phase.CREATED, "image_retried"),
        (waiting("ImagePullBackOff", "Back-off pulling image"), Phase.CREATED, "image_retried"),
        (waiting("InvalidImageName", "no"), Phase.ENDED, "image_pull"),
        (waiting("ContainerCreating", ""), Phase.CREATED, "starting"),
        (waiting("CreateContainerConfigError", "runAsNonRoot and image will run as root"), Phase.ENDED, "refused"),
        (unscheduled("0/2 nodes are available: 2 Insufficient memory."), Phase.CREATED, "resources"),
        (
            unscheduled("0/2 nodes are available: 2 node(s) didn't match node selector."),
            Phase.CREATED,
            "nodes_unavailable",
        ),
        (unscheduled("0/1 nodes are available: 1 node(s) had taint {a: b}."), Phase.CREATED, "nodes_unavailable"),
        (unscheduled("pod has unbound immediate PersistentVolumeClaims"), Phase.CREATED, "volume"),
    ],
)
def test_states_are_told_in_our_words(status: dict[str, Any], phase: Phase, reason: str) -> None:
    seen = observed(pod(status), now=NOW, direct=False)
    assert (seen.phase, seen.reason) == (phase, reason)
    assert seen.raw


def test_raw_words_stand_beside_the_plain_ones() -> None:
    seen = observed(pod(unscheduled("0/3 nodes are available: 3 Insufficient cpu.")), now=NOW, direct=False)
    assert seen.sentence == (
        "No machine has enough free CPUs at the moment (0/3 nodes are available: 3 Insufficient cpu)."
    )
    assert seen.raw == "Pending/Unschedulable"


def test_end_that_an_old_cluster_never_tells_is_known_by_its_time() -> None:
    status = {
        "phase": "Failed",
        "reason": "DeadlineExceeded",
        "containerStatuses": container({"running": {"startedAt": BEGAN}}),
    }
    one = pod(status, activeDeadlineSeconds=3595)
    assert observed(one, now=NOW - timedelta(seconds=1), direct=False).phase is Phase.RUNNING
    late = observed(one, now=NOW + timedelta(seconds=8), direct=False)
    assert (late.phase, late.reason, late.exit_code) == (Phase.ENDED, "time_limit", None)
    one["metadata"]["annotations"][STOPPED] = BEGAN
    stopped = observed(one, now=NOW + timedelta(seconds=8), direct=False)
    assert (stopped.reason, stopped.exit_code) == ("", 137)


def a_plan(**changes: Any) -> Plan:
    return replace(
        Plan(image="example.test/a@sha256:1", image_id="sha256:2", architecture="amd64", user=4711, version=(1, 30)),
        **changes,
    )


def a_home_launch(**changes: Any) -> Launch:
    home = HomeMount(key="ann", number=4711, path="/home/ann")
    return replace(a_launch("example.test/a:1", "run"), user=RunsAs.HOME, home=home, scratch="/scratch", **changes)


def violations(body: dict[str, Any]) -> list[str]:
    """Return what of a pod the restricted profile of the Pod Security Standards forbids."""
    spec = body["spec"]
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    found += [f"volume {one['name']}" for one in spec["volumes"] if not (set(one) - {"name"}) <= allowed]
    of_pod = spec["securityContext"]
    safe = {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
    }
    found += [one["name"] for one in of_pod.get("sysctls", []) if one["name"] not in safe]
    for one in (*spec["initContainers"], *spec["containers"]):
        security = {**of_pod, **one["securityContext"]}
        capabilities = security.get("capabilities") or {}
        checks = {
            "privileged": not security.get("privileged"),
            "escalation": security.get("allowPrivilegeEscalation") is False,
            "root": security.get("runAsNonRoot") is True and security.get("runAsUser") != 0,
            "seccomp": security.get("seccompProfile", {}).get("type") in {"RuntimeDefault", "Localhost"},
            "drop": capabilities.get("drop") == ["ALL"],
            "add": set(capabilities.get("add") or []) <= {"NET_BIND_SERVICE"},
            "ports": not any("hostPort" in port for port in one.get("ports") or []),
            "procMount": "procMount" not in security,
        }
        found += [f"{one['name']}: {name}" for name, good in checks.items() if not good]
    return found


@pytest.mark.parametrize("user", [4711, None])
def test_every_pod_fits_the_restricted_profile(user: int | None) -> None:
    settings = KubernetesSettings(tolerations=({"key": "a", "operator": "Exists"},), priority_class="low")
    launch = a_home_launch(capabilities=("NET_BIND_SERVICE",), resources=Resources(gpus=1, gpu_model="A100"))
    body = pod_body(launch, a_plan(user=user), NAMES, settings)
    assert violations(body) == []
    assert body["spec"]["nodeSelector"]["nvidia.com/gpu.product"] == "A100"


def test_old_clusters_are_told_nothing_that_they_would_refuse() -> None:
    body = pod_body(a_home_launch(), a_plan(version=(1, 20)), NAMES, KubernetesSettings())
    assert "sysctls" not in body["spec"]["securityContext"]


def test_pod_has_limits_time_and_read_only_homes() -> None:
    launch = a_home_launch(
        placement=Placement(time=timedelta(minutes=2)), resources=Resources(cpus=1.5, memory=2**30, gpus=2)
    )
    assert launch.home is not None
    launch = replace(launch, home=replace(launch.home, read_only=True))
    spec = pod_body(launch, a_plan(), NAMES, KubernetesSettings(cpu_share=0.5))["spec"]
    assert spec["activeDeadlineSeconds"] == 120
    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": "750m", "memory": str(2**30), "nvidia.com/gpu": "2"},
        "limits": {"cpu": "1500m", "memory": str(2**30), "nvidia.com/gpu": "2"},
    }
    home = next(one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "home")
    assert home["readOnly"] is True
    assert spec["restartPolicy"] == "Never"


def test_credential_is_not_in_the_pod() -> None:
    launch = a_home_launch()
    assert launch.credential not in json.dumps(pod_body(launch, a_plan(), NAMES, KubernetesSettings()))


def test_variable_with_the_credential_comes_from_the_secret() -> None:
    launch = a_home_launch()
    launch = replace(launch, environment={"COLOUR": "blue", "TOKEN": f"pass-{launch.credential}"})
    body = pod_body(launch, a_plan(), NAMES, KubernetesSettings())
    assert launch.credential not in json.dumps(body)
    told = {one["name"]: one for one in body["spec"]["containers"][0]["env"]}
    assert told["COLOUR"]["value"] == "blue"
    wanted = told["TOKEN"]["valueFrom"]["secretKeyRef"]
    place = NAMES.place(launch.task, launch.owner)
    secret = secret_body(launch, place, NAMES, owner="uid")
    assert secret["metadata"]["name"] == wanted["name"] == place.name
    assert secret["stringData"][wanted["key"]] == f"pass-{launch.credential}"


@pytest.mark.parametrize(
    "changes",
    [
        {"capabilities": ("SYS_ADMIN",)},
        {"capabilities": ("CHOWN",)},
        {"environment": {"a b": "c"}},
        {"environment": {"A": "x" * 2**20}},
        {"scratch": "/etc/scratch"},
        {"scratch": "relative"},
        {"home": HomeMount(key="a", number=1, path="/usr")},
        {"placement": Placement(partition="nowhere")},
    ],
)
def test_what_no_pod_may_have_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(LaunchError):
        check(replace(a_home_launch(), **changes), KubernetesSettings())


def test_claims_policies_and_names() -> None:
    home = HomeMount(key="Ann Lee", number=1, path="/home/ann")
    claim = claim_body(
        home, "specola", KubernetesSettings.model_validate({"home": {"storage_class": "fast", "size": "5Gi"}})
    )
    assert re.fullmatch(r"home-ann-lee-[0-9a-f]{8}", claim["metadata"]["name"])
    assert claim["spec"]["storageClassName"] == "fast"
    policy = policy_body("abc", "specola", KubernetesSettings())
    assert policy["spec"]["ingress"] == []
    assert label_of("ann") == "ann"
    assert label_of("Ann") != label_of("ann")
    assert Place.of("nobody") is None
    assert Names("abc", "lab-{person}").place("t1", "ann") == Place("lab-ann", "specola-abc-t1")


def test_kubeconfigs_are_read_and_dangerous_ones_refused(tmp_path: Path) -> None:
    access = read(KUBECONFIG, inline=True)
    assert (access.server, access.headers()) == ("https://cluster.test:6443", {"Authorization": "Bearer secret"})
    assert "secret" not in repr(access)
    for old, new in (
        ("https://", "http://"),
        ("token: secret", "exec: {command: touch}"),
        ("user: {token: secret}", "user: {tokenFile: /etc/passwd}"),
        ('server: "https://cluster.test:6443/"', 'server: "https://cluster.test", insecure-skip-tls-verify: true'),
        ('server: "https://cluster.test:6443/"', 'certificate-authority: /etc/passwd, server: "https://cluster.test"'),
        ("current-context: a", "current-context: b"),
        ("token: secret", "username: ann, password: secret"),
        ('server: "https://cluster.test:6443/"', 'server: "https://cluster.test", certificate-authority-data: LS0t…'),
        ('server: "https://cluster.test:6443/"', 'server: "https://cluster.test", certificate-authority-data: LS0t'),
    ):
        told = KUBECONFIG.replace(old, new)
        assert told != KUBECONFIG
        with pytest.raises(KubeconfigError):
            read(told, inline=True)
    by_proxy = KUBECONFIG.replace("https://cluster.test", "http://127.0.0.1").replace("{token: secret}", "{}")
    assert read(by_proxy, inline=True).headers() == {}
    with pytest.raises(KubeconfigError):
        inside(tmp_path)
    (tmp_path / "token").write_text("t1\n")
    assert inside(tmp_path).headers() == {"Authorization": "Bearer t1"}
    (tmp_path / "token").write_text("t2\n")
    assert inside(tmp_path).headers() == {"Authorization": "Bearer t2"}
    for host, server in {
        "": "kubernetes.default.svc:443",
        "10.96.0.1": "10.96.0.1:443",
        "fd00::1": "[fd00::1]:443",
    }.items():
        assert inside(tmp_path, {"KUBERNETES_SERVICE_HOST": host}).server == f"https://{server}"
    said = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    assert inside(tmp_path, said).server == "https://10.96.0.1:6443"


def test_settings_keep_the_kubeconfig_secret_and_refuse_what_is_wrong() -> None:
    settings = KubernetesSettings.model_validate({"kubeconfig": KUBECONFIG})
    assert "token: secret" not in settings.model_dump_json()
    for wrong in ({"namespace": "No"}, {"kubeconfig": "a: b"}, {"home": {"folder": "../x"}}, {"unknown": 1}):
        with pytest.raises(ValueError, match=r"."):
            KubernetesSettings.model_validate(wrong)


def test_what_is_wrong_with_a_kubeconfig_is_told_of_the_kubeconfig() -> None:
    other = KUBECONFIG.replace("current-context: a", "current-context: b")
    assert KubernetesSettings.model_validate({"kubeconfig": other, "context": "a"}).context == "a"
    with pytest.raises(ValidationError) as caught:
        KubernetesSettings.model_validate({"kubeconfig": KUBECONFIG.replace("token: secret", "exec: {command: x}")})
    assert [one["loc"] for one in caught.value.errors()] == [("kubeconfig",)]


def test_person_may_not_lead_the_platform_to_itself() -> None:
    own = KINDS["kubernetes"].own
    assert own is not None
    good = {"kubeconfig": KUBECONFIG, "local": False}
    assert own(KubernetesSettings.model_validate(good)) == ""
    for more in ({"local": True}, {"reach": "direct"}, {"kubeconfig": ""}, {"insecure_registries": ["127.0.0.1:5000"]}):
        assert own(KubernetesSettings.model_validate(good | more))


@pytest.mark.anyio
async def test_server_on_this_host_is_not_asked_unless_it_may_be() -> None:
    access = read(KUBECONFIG.replace("cluster.test", "127.0.0.1"))
    api = Api(lambda: access, local=False)
    with pytest.raises(KubeconfigError, match="on this machine"):
        await api.get("/version")
    await api.close()


def test_role_of_the_page_is_what_is_asked_for() -> None:
    role = next(one for one in json.loads(ROLE.read_text(encoding="utf-8"))["items"] if one["kind"] == "Role")
    granted = {
        (group, kind, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for kind in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {right[:3] for right in RIGHTS} <= granted
    assert not {kind for _, kind, verb in granted if verb == "*" or kind == "*"}


def test_role_for_namespaces_of_everybody_is_the_role_of_one() -> None:
    everywhere = json.loads(CLUSTER_ROLE.read_text(encoding="utf-8"))["items"]
    rules = {one["metadata"]["name"]: one["rules"] for one in everywhere if one["kind"] == "ClusterRole"}
    one = json.loads(ROLE.read_text(encoding="utf-8"))["items"]
    assert rules.pop("specola-tasks") == next(each["rules"] for each in one if each["kind"] == "Role")
    granted = {(kind, verb) for [rule] in rules.values() for kind in rule["resources"] for verb in rule["verbs"]}
    assert granted == EVERYWHERE


def test_refusals_are_told_with_the_way_to_mend_them() -> None:
    for status, message, code, word in (
        (403, 'pods "a" is forbidden: PodSecurityPolicy: unable to admit pod: []', "rights", "PodSecurityPolicy"),
        (403, 'pods "a" is forbidden: violates PodSecurity "restricted:latest"', "refused", "user: home"),
        (403, 'pods is forbidden: User "b" cannot create resource "pods"', "rights", "role"),
        (404, 'namespaces "b" not found', "namespace_missing", "administrator"),
    ):
        told = refusal(ApiError(status, "Forbidden", message))
        assert isinstance(told, LaunchError)
        assert told.reason_code == code
        assert word in told.hint


@pytest.mark.anyio
async def test_ways_to_a_cluster_that_lead_nowhere_are_told_with_what_to_look_at() -> None:
    unknown = ssl.SSLCertVerificationError(1, "certificate verify failed")
    unknown.verify_message = "unable to get local issuer certificate"
    for cause, sentence, hint in (
        (unknown, "its certificate is not believed (unable to get local issuer certificate)", "authority"),
        (ConnectionRefusedError(111, "Connection refused"), "no connection to its API server (Connection", "address"),
    ):
        with pytest.raises(ComputingUnreachableError) as caught:
            async with asking("cluster"):
                raise httpx.ConnectError("no") from cause
        assert sentence in caught.value.sentence
        assert hint in caught.value.hint
    with pytest.raises(ComputingUnreachableError, match="does not accept") as caught:
        async with asking("cluster"):
            raise ApiError(401, "Unauthorized")
    assert "token" in caught.value.hint


def test_helper_image_that_cannot_be_fetched_is_not_taken_for_the_task_s() -> None:
    state = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    status = {
        "phase": "Pending",
        "initContainerStatuses": [{"name": "setup", "image": "example.test/box:1", "state": state}],
    }
    seen = observed(pod(status), now=NOW, direct=False)
    assert (seen.phase, seen.reason) == (Phase.ENDED, "image_pull")
    assert seen.sentence == "Its machine could not fetch the computing's helper image “example.test/box:1”: not found."


def test_long_complaint_keeps_what_went_wrong_in_the_end() -> None:
    told = f"failed to pull: {'failed to resolve: ' * 30}no such host"
    seen = observed(pod(waiting("ErrImagePull", told)), now=NOW, direct=False)
    assert "failed to pull" in seen.sentence
    assert seen.sentence.endswith("no such host).")
    assert len(seen.sentence) < 400


def test_frames_are_read_in_whatever_pieces_they_come() -> None:
    reader, whole = Reader(), data(3, b"abc") + ping(2) + data(5, b"", last=True)
    frames = [frame for at in range(len(whole)) for frame in reader.take(whole[at : at + 1])]
    assert [(one.kind, one.number, one.payload, one.is_last) for one in frames] == [
        (DATA, 3, b"abc", False),
        (PING, 2, b"\0\0\0\2", False),
        (DATA, 5, b"", True),
    ]
    headers = Headers()
    first, second = headers.open(1, {"streamType": "error"}), headers.open(3, {"streamType": "stdin"})
    assert first[:4] == second[:4] == bytes.fromhex("80030001")


def test_use_is_read_in_both_versions_of_control_groups() -> None:
    network = ["== /proc/net/dev", "  lo: 9 0 0 0 0 0 0 0 9 0", "eth0: 100 1 0 0 0 0 0 0 200 2"]
    second = ["== cpu.stat", "usage_usec 2000000", "== memory.current", "5000", "== memory.stat", "inactive_file 1000"]
    first = ["== cpuacct/cpuacct.usage", "3000000000", "== memory/memory.usage_in_bytes", "7000"]
    found = measured([*network, *second], at=NOW, before=(NOW - timedelta(seconds=2), 1.0))
    assert found is not None
    assert (found[0].cpus, found[0].memory, found[0].received, found[0].sent) == (0.5, 4000, 100, 200)
    old = measured([*network, *first], at=NOW, before=None)
    assert old is not None
    assert (old[0].memory, old[1]) == (7000, (NOW, 3.0))
    assert measured(network, at=NOW, before=None) is None


def test_amounts_versions_and_nodes() -> None:
    assert [amount(one) for one in ("1500m", "2", "1Gi", "1k", "1e3", "?")] == [1.5, 2, 2**30, 1000, 1000, 0]
    assert version({"major": "1", "minor": "30+"}) == (1, 30)
    node = {
        "metadata": {"labels": {"nvidia.com/gpu.product": "A100"}},
        "status": {
            "allocatable": {"cpu": "4", "memory": "1Gi", "nvidia.com/gpu": "2"},
            "nodeInfo": {"architecture": "arm64", "containerRuntimeVersion": "containerd://1.7"},
        },
    }
    found = amounts([node, node], KubernetesSettings())
    assert (found.cpus, found.memory, found.architectures) == (8, 2**31, ("arm64",))
    assert (found.gpus[0].model, found.gpus[0].count) == ("A100", 4)


@pytest.mark.anyio
async def test_lines_have_their_moments_and_end_somewhere() -> None:
    async def pieces() -> Any:
        yield b"2026-11-27T11:00:00.123456789Z one\n2026-11-27T11:00:01Z t"
        yield b"wo\n" + b"x" * 200_000

    found = [line async for line in lines(pieces())]
    assert [one.text for one in found[:2]] == ["one", "two"]
    assert found[0].at == datetime(2026, 11, 27, 11, 0, 0, 123456, tzinfo=UTC)
    assert sum(len(one.text) for one in found[2:]) == 200_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
