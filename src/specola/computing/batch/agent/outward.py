"""The way out of a task's network, by pasta or slirp4netns: it leads out, nothing comes in, and not to this node's own loopback."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from .children import Child, Children
from .network import Network
from .places import Place
from .runtime import lookup, ours

__all__ = ["NAMES", "Outward", "argv"]

NAMES = ("pasta", "slirp4netns")
READY_SECONDS, PAUSE = 5.0, 0.02


class Outward:
    """A program that carries what a task sends out."""

    def __init__(self, child: Child | None) -> None:
        self._child = child

    @classmethod
    async def open(cls, children: Children, network: Network, place: Place) -> Outward:
        """Give a network a way out, if this node has what that needs; else it has none."""
        program = lookup(*NAMES)
        if program is None:
            return cls(None)
        with open(os.devnull, "r+b") as nothing, (place.disk / "outward.log").open("wb") as log:
            streams = (nothing.fileno(), log.fileno(), log.fileno())
            child = children.start(argv(program, network.keeper.pid), ours(os.environ, place), streams=streams)
        await _until_it_leads_out(network, child)
        return cls(child)

    def close(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.signal(9)


def argv(program: str, process: int) -> list[str]:
    """Return the command that gives the network of a process a way out."""
    if Path(program).name == "slirp4netns":
        return [program, "--configure", "--disable-host-loopback", "--mtu=65520", str(process), "tap0"]
    closed = [word for option in ("-t", "-u", "-T", "-U") for word in (option, "none")]
    return [program, "--quiet", "--foreground", "--config-net", "--no-map-gw", *closed, str(process)]


async def _until_it_leads_out(network: Network, child: Child) -> None:
    """Return once the network has a device beside its loopback, or will have none."""
    devices = Path(f"/proc/{network.keeper.pid}/net/dev")
    for _ in range(int(READY_SECONDS / PAUSE)):
        if child.exited.done() or len(devices.read_text(encoding="ascii").splitlines()) > 3:
            return
        await asyncio.sleep(PAUSE)
