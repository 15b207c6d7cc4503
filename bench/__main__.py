"""`python -m bench`: measure the gateway, tunnels, desktops, SSH, and tasks here and elsewhere beside their peers; print medians and ratios."""

import asyncio
import shutil
from collections.abc import Iterator

from bench import (
    desktops,
    gateway,
    kubernetes_launch,
    lab_places,
    remote_launch,
    slurm_launch,
    slurm_ways,
    ssh,
    start,
    tunnels,
)
from lab import kubernetes, sshhost
from lab.kubebuild import is_built

ROUNDS = 9
TUNNEL_SECONDS = 2.0
TUNNELS = 1000
PICTURES = 2000
SSH_BYTES, SSH_ROUNDS = 512 * 1024**2, 3
LAB_ROUNDS = 5


def elsewhere() -> Iterator[str]:
    """Measure tasks on SSH hosts, Slurm and Kubernetes, as far as this machine can have them; yield the lines of the report."""
    if reason := lab_places.refusal():
        yield f"left out: SSH hosts, Slurm, Kubernetes. {reason}"
        return
    with lab_places.own_ground() as ground:
        with start.running_platform() as platform:
            yield "SSH hosts"
            yield from asyncio.run(remote_launch.measure(f"unix://{platform.engine}", sshhost.up(ground), LAB_ROUNDS))
        yield "Slurm"
        yield from asyncio.run(slurm_launch.measure(ground, LAB_ROUNDS))
        yield from asyncio.run(slurm_ways.measure(ground, LAB_ROUNDS))
        if not is_built() or shutil.which("kubectl") is None:
            yield "left out: Kubernetes. It needs kubectl, and `python3 -m lab build kubernetes`, once."
            return
        yield "Kubernetes"
        cluster, (_, image) = kubernetes.up(ground), lab_places.box(ground)
        settings = kubernetes_launch.settings_of(str(cluster.account), cluster.namespace, image)
        yield from asyncio.run(kubernetes_launch.measure(settings, image, LAB_ROUNDS))


if __name__ == "__main__":
    gateway.main()
    print(*tunnels.measure(ROUNDS, TUNNEL_SECONDS, TUNNELS), sep="\n")
    print(*desktops.measure(ROUNDS, PICTURES), sep="\n")
    print(*ssh.report(ssh.measure(SSH_BYTES, SSH_ROUNDS)), sep="\n")
    print(*start.measure(ROUNDS), sep="\n")
    for line in elsewhere():
        print(line, flush=True)
