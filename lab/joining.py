"""Adds the lab's places to a running platform, and removes them from it again."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lab import kubernetes, registry, slurm, sshhost
from lab.records import ACCOUNT, Records, authorise
from lab.running import Platform
from scripts.engines import find_engine
from scripts.images import images, keep_archive, stale
from scripts.machine import FailedError, say

__all__ = ["JOINING", "keep_images", "leave", "told"]

PREFIX = "lab-"


def keep_images() -> None:
    """Keep the demonstration images that this machine's engine has, for the registry; those that it has not are left out."""
    wanted = [image for image in images() if not image.archive.exists()]
    engine = find_engine(os.environ.get("SPECOLA_ENGINE", "")) if wanted else None
    if engine is None:
        return
    missing = stale(engine, wanted)
    for image in wanted:
        if image not in missing:
            say(f"Keeping {image.reference} for the lab's registry, once.")
            keep_archive(engine, image)


def ssh_hosts(platform: Platform, ground: Path) -> Iterator[str]:
    """Add the two SSH hosts as three computings: two engines, and the second host without one; yield their names."""
    lab, records = sshhost.up(ground), _records(ground)
    for record, machines in (
        (records.ssh_engine(lab), [lab.front]),
        (records.jump_engine(lab, lab.serve_own_engine()), [lab.front, lab.inner]),
    ):
        platform.put(record)
        line = platform.ask("GET", f"/computings/{record['computing']}/accounts")["line"]
        for machine in machines:
            authorise(lab.place, machine.name, line)
        yield record["computing"]
    sshhost.trust(_authority(platform), ground)
    yield _with_account(platform, records.without_engine(lab))


def cluster(platform: Platform, ground: Path) -> Iterator[str]:
    """Add the Slurm cluster; yield its name."""
    lab = slurm.up(ground)
    slurm.trust(_authority(platform), ground)
    yield _with_account(platform, _records(ground).slurm(lab))


def pods(platform: Platform, ground: Path) -> Iterator[str]:
    """Add the Kubernetes cluster; yield its name."""
    record = _records(ground).kubernetes(kubernetes.up(ground))
    platform.put(record)
    yield record["computing"]


JOINING: Mapping[str, Callable[[Platform, Path], Iterator[str]]] = {
    "sshhost": ssh_hosts,
    "slurm": cluster,
    "kubernetes": pods,
}
"""How each place is added; what none of it says is none that runs tasks."""


def leave(platform: Platform) -> None:
    """Remove the lab's computings from the platform, but for those where tasks are live."""
    for one in platform.ask("GET", "/overseen-computings"):
        if not one["name"].startswith(PREFIX):
            continue
        try:
            platform.ask("DELETE", f"/computings/{one['name']}")
            say(f"{one['name']}: removed from {platform.url}.")
        except FailedError as error:
            say(f"{one['name']} stays on the platform. {error}")


def told(platform: Platform, names: list[str]) -> Iterator[str]:
    """Yield what was added, and what to click."""
    yield f"\nOn {platform.url}, for everybody; tasks run there as the account {ACCOUNT}:"
    for name in names:
        title = (platform.ask("GET", f"/computings/{name}") or {}).get("title", "")
        yield f"  {name:<16} {title:<36} {platform.answered(name) or 'answers'}".rstrip()
    if names:
        usual = "lab-slurm" if "lab-slurm" in names else names[-1]
        yield f"\nNow open {platform.url}, press “Start with…” beside JupyterLab or Sum, choose where, and press Start."
        yield f"Or: specola run sum --on {usual} --wait 60"


def _records(ground: Path) -> Records:
    return Records(registry.up(ground).port)


def _authority(platform: Platform) -> str:
    line: str = platform.ask("GET", "/accounts/authority")["line"]
    return line


def _with_account(platform: Platform, record: Mapping[str, str]) -> str:
    """Add a computing where tasks run with people's own accounts, and enter the account of who adds it."""
    name = record["computing"]
    platform.put(record)
    person = platform.ask("GET", "/whoami")["person"]["name"]
    platform.ask("PUT", f"/computings/{name}/accounts/{person}", {"account": ACCOUNT})
    return name
