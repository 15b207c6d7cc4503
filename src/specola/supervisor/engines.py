"""Finding the container engine of this machine: as set, at the usual sockets, or started by ourselves."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
import structlog

from specola.computing.engine.config import EngineSettings, usual_sockets
from specola.computing.engine.firewall import forget
from specola.computing.engine.service import PodmanService, answering_socket, find_service
from specola.config import Settings
from specola.domain.computing import Computing
from specola.domain.errors import EngineMissingError
from specola.local_http import over_socket

__all__ = ["MEMORY", "Place", "find", "tidy"]

MEMORY = "memory"
PATIENCE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The computing `local`: its kind and settings, how it is told on the terminal, and what is started for it."""

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    words: str
    service: PodmanService | None = None


async def find(settings: Settings) -> Place:
    """Find the engine.

    What `settings.engine` names is taken even while it is down, since it is asked again by itself. The word `memory`
    stands for no engine at all: tasks are pretended inside the worker, for rehearsals and tests.

    Raises
    ------
    EngineMissingError
        Nothing answers, and there is no Podman to start.
    ComputingUnreachableError
        There is a Podman, and it runs no container.
    """
    if settings.engine == MEMORY:
        return Place(kind=MEMORY, settings=dict(settings.engine_settings), words="none: tasks are only pretended")
    if settings.engine:
        words = settings.engine if await _answers(settings.engine) else f"{settings.engine} (does not answer yet)"
        return _place(settings, settings.engine, words)
    socket = await answering_socket()
    if socket is not None:
        return _place(settings, f"unix://{socket}", str(socket))
    if shutil.which("podman") is None:
        raise EngineMissingError([str(one) for one in usual_sockets()])
    # A folder of its own that web and gateway cannot enter: whoever opens an engine's socket is root.
    folder = settings.data / "engine"
    folder.mkdir(mode=0o700, exist_ok=True)
    service = await find_service(socket=folder / "podman.sock", folder=folder)
    return _place(settings, f"unix://{service.socket}", "Podman, started with the platform", service=service)


async def tidy(installation: str, computings: Iterable[Computing]) -> None:
    """Remove the packet filter rules that stand for a pool of networks which no engine of ours has any more."""
    engines = [EngineSettings.model_validate(dict(one.settings)) for one in computings if one.kind == "engine"]
    if os.geteuid() != 0 or shutil.which("iptables") is None:
        return
    try:
        await forget(installation, keep=[one.networks for one in engines])
    except OSError as error:
        structlog.stdlib.get_logger("specola.up").warning("rules_not_tidied", error=str(error))


def _place(settings: Settings, url: str, words: str, *, service: PodmanService | None = None) -> Place:
    return Place(kind="engine", settings={**settings.engine_settings, "url": url}, words=words, service=service)


async def _answers(address: str) -> bool:
    path = address.removeprefix("unix://")
    if path.startswith("/"):
        transport, base = over_socket(path), "http://engine"
    else:
        transport, base = httpx.AsyncHTTPTransport(), address.replace("tcp://", "http://", 1)
    try:
        async with httpx.AsyncClient(transport=transport, base_url=base, timeout=PATIENCE) as client:
            return (await client.get("/_ping")).is_success
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        return False
