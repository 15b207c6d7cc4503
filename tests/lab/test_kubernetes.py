"""The lab's Kubernetes: what its accounts may do, what its pods reach, and that it comes back."""

import signal
import urllib.error
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lab import kubernetes
from lab.kubenode import NODE
from lab.kubernetes import Api
from lab.place import Condition
from tests.support.images import TEST_IMAGE
from tests.support.kubernetes import Cluster, kubernetes_cluster  # noqa: F401 -- a fixture is found by its name
from tests.support.lab import LAB, Traces, own_ground, until

pytestmark = [pytest.mark.containers, pytest.mark.lab, pytest.mark.kubernetes]

PODS = "/api/v1/namespaces/specola/pods"


@pytest.fixture
def account(kubernetes_cluster: Cluster) -> Api:  # noqa: F811 -- see above
    """The platform's account."""
    lab = kubernetes_cluster.lab
    token = lab.account.read_text(encoding="ascii").partition('token: "')[2].partition('"')[0]
    return Api(lab.server, lab.administrator.authority, token)


@pytest.fixture
def pod(kubernetes_cluster: Cluster) -> Iterator[dict[str, Any]]:  # noqa: F811 -- see above
    """A pod that runs a web server, made by an administrator."""
    api = kubernetes_cluster.lab.administrator
    image = kubernetes_cluster.name(TEST_IMAGE.reference)
    container = {"name": "web", "image": image, "resources": {"limits": {"cpu": "1", "memory": "64Mi"}}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    api.ask("POST", PODS, {"metadata": {"name": "lab-test"}, "spec": spec})
    until("The pod", lambda: phase(api) == "Running")
    try:
        yield dict(api.ask("GET", f"{PODS}/lab-test"))
    finally:
        api.ask("DELETE", f"{PODS}/lab-test", {"gracePeriodSeconds": 0})


def phase(api: Api) -> str:
    return str(api.ask("GET", f"{PODS}/lab-test")["status"].get("phase"))


def refusal(api: Api, method: str, path: str, body: Mapping[str, Any] | None = None) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        api.ask(method, path, body)
    caught.value.close()
    return caught.value.code


def test_pods_pull_from_the_labs_registry_and_are_reached_from_here(
    kubernetes_cluster: Cluster,  # noqa: F811 -- see above
    pod: dict[str, Any],
) -> None:
    address = pod["status"]["podIP"]
    assert address.rpartition(".")[0] == kubernetes_cluster.lab.pods.rpartition(".")[0]
    assert (
        Api(f"http://{address}:8000", kubernetes_cluster.lab.administrator.authority, "").ask("GET", "/") == "hello\n"
    )


def test_platforms_account_has_its_rights_in_its_namespace_and_nowhere_else(account: Api) -> None:
    assert account.ask("GET", PODS)["kind"] == "PodList"
    for path in ("/api/v1/namespaces/default/pods", "/api/v1/nodes", "/api/v1/namespaces/specola/secrets"):
        assert refusal(account, "GET", path) == 403


def test_platforms_account_makes_restricted_pods_alone(account: Api) -> None:
    container = {"name": "a", "image": "a", "resources": {"limits": {"cpu": "1", "memory": "64Mi"}}}
    for spec in ({}, {"hostNetwork": True}, {"securityContext": {"runAsUser": 0}}):
        body = {"metadata": {"name": "refused"}, "spec": {"containers": [container], **spec}}
        assert refusal(account, "POST", PODS, body) == 403


def test_it_is_mended_where_it_stands(kubernetes_cluster: Cluster, pod: dict[str, Any]) -> None:  # noqa: F811 -- see above
    assert kubernetes.status(LAB).condition is Condition.UP
    kubernetes_cluster.lab.node.signal("kube-apiserver", signal.SIGKILL)
    until("Its end", lambda: kubernetes.status(LAB).condition is not Condition.UP)
    assert kubernetes.status(LAB).condition is Condition.BROKEN
    again = kubernetes.up(LAB)
    assert again == kubernetes_cluster.lab
    assert again.administrator.ask("GET", f"{PODS}/lab-test")["metadata"]["uid"] == pod["metadata"]["uid"]
    assert again.place.machines == (NODE,)


def test_it_comes_back_after_its_power_failed_and_leaves_nothing_when_removed(
    kubernetes_cluster: Cluster,  # noqa: F811 -- only where it is built
) -> None:
    with own_ground() as ground:
        before = kubernetes.up(ground)
        assert before.server != kubernetes_cluster.lab.server
        before.administrator.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "kept"}})
        before.node.halt()
        assert kubernetes.status(ground).condition is Condition.BROKEN
        again = kubernetes.up(ground)
        assert again.administrator.ask("GET", "/api/v1/namespaces/kept")["metadata"]["name"] == "kept"
        traces = Traces.of(again.place)
        kubernetes.down(ground)
        until("Its traces", lambda: not traces.left())
        assert kubernetes.status(ground).condition is Condition.DOWN
