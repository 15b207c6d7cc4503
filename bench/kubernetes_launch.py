"""A launch by the Kubernetes adapter beside the same pod made by hand with kubectl, both until they run."""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from bench.gateway import Target
from specola.clock import Clock
from specola.computing.kinds import Context, open_computing
from specola.domain.budget import Budget
from specola.domain.computing import Launch, Phase, Progress
from specola.domain.software import Resources, RunsAs
from specola.ports.computing import Computing

__all__ = ["main", "measure", "settings_of"]

LIMIT = 1.5
BUDGET = 120.0
NUMBER = 4711


async def silent(_: Progress) -> None:
    """Pass over what a launch tells."""


def by_hand(kubeconfig: str, namespace: str, image: str) -> float:
    """Make a pod with kubectl, and wait until it runs; return the seconds."""
    name = f"bench-{Clock().new_id()}"
    limits = {"cpu": "100m", "memory": "64Mi"}
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container: dict[str, Any] = {"name": "task", "image": image, "securityContext": security}
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NUMBER,
            "fsGroup": NUMBER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{**container, "resources": {"limits": limits}}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    kubectl = ["kubectl", "--kubeconfig", kubeconfig, "--namespace", namespace]
    begin = monotonic()
    subprocess.run(
        [*kubectl, "create", "--filename=-"], input=json.dumps(pod).encode(), check=True, capture_output=True
    )
    subprocess.run(
        [*kubectl, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s"], check=True, capture_output=True
    )
    seconds = monotonic() - begin
    subprocess.run([*kubectl, "delete", f"pod/{name}", "--wait=false"], check=True, capture_output=True)
    return seconds


async def by_adapter(computing: Computing, image: str) -> float:
    """Launch a task, and wait until it runs; return the seconds."""
    clock = Clock()
    launch = Launch(
        task=clock.new_id(),
        title="A benchmark",
        owner="bench",
        reference=image,
        digest=None,
        image_id=None,
        command=(),
        environment={},
        resources=Resources(cpus=0.1, memory=64 * 1024**2),
        user=RunsAs.HOME,
        home=None,
        number=NUMBER,
        capabilities=(),
        interfaces=(),
        credential=clock.new_secret(),
    )
    begin = monotonic()
    handle = await computing.launch(launch, report=silent, budget=Budget(BUDGET, "The launch"))
    while (await computing.observe([handle]))[handle].phase is Phase.CREATED:  # noqa: ASYNC110 -- it is elsewhere
        await asyncio.sleep(0.02)
    seconds = monotonic() - begin
    await computing.remove(handle)
    return seconds


async def measure(settings: dict[str, Any], image: str, rounds: int) -> list[str]:
    """Measure both in turn, after one round that is not counted; return the lines of the report."""
    ours, hand = [], []
    with tempfile.TemporaryDirectory(prefix="specola-bench-") as folder:
        context = Context(installation=Clock().new_id(12), data=Path(folder), clock=Clock())
        computing = open_computing("kubernetes", name="bench", settings=settings, context=context)
        try:
            for _ in range(rounds + 1):
                made = asyncio.to_thread(by_hand, settings["kubeconfig_file"], settings["namespace"], image)
                hand.append(await made)
                ours.append(await by_adapter(computing, image))
        finally:
            await computing.close()
    return list(report(hand[1:], ours[1:]))


def settings_of(kubeconfig: str, namespace: str, image: str, *, helper: str | None = None) -> dict[str, Any]:
    """Return the settings of a computing whose images come from a registry without TLS."""
    return {
        "kubeconfig_file": kubeconfig,
        "namespace": namespace,
        "helper_image": helper or image,
        "insecure_registries": [image.partition("/")[0]],
    }


def report(hand: list[float], ours: list[float]) -> Iterator[str]:
    """Yield medians, and whether the target is met."""
    yield f"{'pod by kubectl until ready, s':32}{statistics.median(hand):8.3f}"
    yield f"{'task by the adapter until it runs, s':32}{statistics.median(ours):8.3f}"
    more = statistics.median(ours) - statistics.median(hand)
    yield Target("Kubernetes, ready, more than by hand, s", more, LIMIT, at_least=False).line()


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.kubernetes_launch", description=__doc__)
    parser.add_argument("--kubeconfig", default=os.environ.get("KUBECONFIG"), required="KUBECONFIG" not in os.environ)
    parser.add_argument("--namespace", default="specola")
    parser.add_argument("--image", required=True, help="an image whose command goes on, in a registry without TLS")
    parser.add_argument("--helper", help="an image with a static busybox (default: the same)")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    settings = settings_of(chosen.kubeconfig, chosen.namespace, chosen.image, helper=chosen.helper)
    print(*asyncio.run(measure(settings, chosen.image, chosen.rounds)), sep="\n")


if __name__ == "__main__":
    main()
