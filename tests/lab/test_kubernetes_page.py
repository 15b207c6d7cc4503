"""The page on Kubernetes, followed word by word on a real cluster."""

import contextlib
import os
import re
import shutil
import subprocess
import urllib.error
from pathlib import Path

import pytest
import yaml

from lab.kubernetes import Api
from scripts.machine import ROOT
from specola.computing.kinds import open_computing
from tests.support.kubernetes import Cluster, kubernetes_cluster  # noqa: F401 -- a fixture is found by its name
from tests.support.places import budget, context

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.containers,
    pytest.mark.lab,
    pytest.mark.kubernetes,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="this machine has no kubectl"),
]

FOLDER = ROOT / "docs/operator"
NAMESPACE = "observatory"
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Return what an operator pastes, block by block, up to what needs a platform; the namespace is another one."""
    page = (FOLDER / "kubernetes.md").read_text(encoding="utf-8")
    blocks = [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in BLOCK.findall(page)]
    told = [text.partition("specola computings")[0] for text in blocks]
    return [text.replace("NAMESPACE=specola", f"NAMESPACE={NAMESPACE}").replace("lab-ID", "lab-ann") for text in told]


async def test_page_leads_to_a_cluster_that_lacks_nothing(
    kubernetes_cluster: Cluster,  # noqa: F811 -- see above
    tmp_path: Path,
) -> None:
    for manifest in FOLDER.glob("kubernetes*.json"):
        shutil.copy(manifest, tmp_path)
    environment = {**os.environ, "KUBECONFIG": str(kubernetes_cluster.lab.kubeconfig)}
    script = "\n".join(commands())
    try:
        done = subprocess.run(
            ["bash", "-eu", "-c", script], check=False, cwd=tmp_path, env=environment, capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr.decode()
        definition = yaml.safe_load((tmp_path / "cluster.yaml").read_text(encoding="utf-8"))
        assert definition["settings"]["namespace"] == NAMESPACE
        for namespace in (NAMESPACE, "lab-{person}"):
            settings = {**definition["settings"], "namespace": namespace}
            computing = open_computing(definition["kind"], name="cluster", settings=settings, context=context(tmp_path))
            probe = await computing.probe(budget())
            await computing.close()
            assert probe.findings == ()
            assert probe.runtimes
    finally:
        remove(kubernetes_cluster.lab.administrator)


def remove(api: Api) -> None:
    """Remove what the page made, so that the cluster is to others what it was."""
    for namespace in (NAMESPACE, "lab-ann"):
        with contextlib.suppress(urllib.error.HTTPError):
            api.ask("DELETE", f"/api/v1/namespaces/{namespace}")
    rights = "/apis/rbac.authorization.k8s.io/v1"
    for path in (
        "clusterroles/specola-tasks",
        *(
            f"{kind}/specola-{name}"
            for kind in ("clusterroles", "clusterrolebindings")
            for name in ("nodes", "everywhere")
        ),
    ):
        with contextlib.suppress(urllib.error.HTTPError):
            api.ask("DELETE", f"{rights}/{path}")
