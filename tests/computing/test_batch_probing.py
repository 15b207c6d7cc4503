"""What a probe tells of a batch computing: what is there, and what is missing with the way to mend it."""

from datetime import timedelta
from typing import Any

from specola.computing.batch import BatchSettings
from specola.computing.batch.probing import Facts, described, unseen
from specola.computing.batch.scheduling import Limits
from specola.domain.placement import GpuKind, Partition

NODE = {
    "node": "n1",
    "python": "3.13.5",
    "architecture": "amd64",
    "cpus": 4,
    "memory": 4 * 1024**3,
    "runtimes": {"apptainer": "1.4.5", "podman": "5.4.2"},
    "user_namespaces": True,
    "outward": "pasta",
    "subuid": True,
}
MAIN = Partition(
    name="main", cpus=4, memory=4 * 1024**3, gpus=(GpuKind(model="fake", count=2),), longest=timedelta(hours=1)
)
LIMITS = Limits(product="slurm", version="24.11.5", partitions=(MAIN,), projects=("science",))


def settings(**more: Any) -> BatchSettings:
    return BatchSettings.model_validate({"host": {"address": "login"}, **more})


def codes(facts: Facts, **more: Any) -> set[str]:
    return {one.code for one in described(facts, settings(**more)).findings}


def test_good_cluster_is_told_without_findings() -> None:
    probe = described(Facts(limits=LIMITS, machine="amd64", node=NODE, skew=0.1, images=3), settings())
    assert (probe.product, probe.version, probe.scheduler) == ("slurm", "24.11.5", "slurm")
    assert probe.runtimes == ("apptainer 1.4.5", "podman 5.4.2")
    assert (probe.cpus, probe.projects, probe.images) == (4.0, ("science",), 3)
    assert probe.gpus == (GpuKind(model="fake", count=2),)
    assert probe.findings == ()


def test_a_task_may_have_what_its_overhead_leaves_of_a_node() -> None:
    probe = described(Facts(limits=LIMITS, machine="amd64", node=NODE), settings(overhead="1GiB"))
    assert probe.memory == probe.partitions[0].memory == 3 * 1024**3


def test_what_is_missing_is_named_with_a_way_to_mend_it() -> None:
    poor = {**NODE, "runtimes": {}, "python": "3.6.8", "user_namespaces": False, "outward": None, "subuid": False}
    facts = Facts(
        limits=Limits(product="slurm", version="22.05.8"),
        machine="amd64",
        node=poor,
        writable=False,
        complaint="Permission denied",
        skew=90.0,
        forward=False,
    )
    found = codes(facts, runtime="podman")
    assert found == {
        "folder_not_writable",
        "clock_skew",
        "no_partitions",
        "runtime_missing",
        "python_old",
        "no_namespaces",
        "no_outward",
        "no_subuid",
        "nodes_closed",
    }
    assert all(one.hint for one in described(facts, settings()).findings)


def test_node_that_was_not_seen_yet_is_said_so() -> None:
    assert codes(Facts(limits=LIMITS, machine="amd64", free=1024)) == {"node_not_seen", "folder_full"}


def test_computing_without_accounts_tells_that_alone() -> None:
    assert [one.code for one in unseen(settings()).findings] == ["no_account"]
