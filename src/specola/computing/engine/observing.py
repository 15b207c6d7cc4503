"""What an engine's answers say about a task: pure readers of its list, inspect and statistics."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from specola.computing.engine.names import ARCHITECTURE, PORTS
from specola.domain.computing import Observation, Phase, Usage
from specola.domain.reasons import EndReason

__all__ = ["Near", "Sample", "ended", "halted", "listed", "measured", "moment", "own_address", "published"]

# Podman says "configured" and "initialized" where Docker says "created"; both say "removing" and "dead" of remains.
BEFORE = frozenset({"created", "configured", "initialized", "restarting"})
LIVE = frozenset({"running", "paused", "stopping"})
KILLED = 137  # 128 + SIGKILL
NANO = 1e9
STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
# (moment on the engine's clock, nanoseconds of CPU time)
Sample = tuple[datetime, int]


class Near(Enum):
    """By which addresses gateways of this machine reach containers."""

    OWN = "the container's own"
    PUBLISHED = "this machine's loopback"
    NONE = "none"


def listed(told: Mapping[str, Any], *, near: Near) -> Observation:
    """Read one entry of a list: enough for a task that has not ended."""
    state = str(told.get("State") or "").lower()
    phase = Phase.CREATED if state in BEFORE else Phase.RUNNING if state in LIVE else Phase.ENDED
    labels = told.get("Labels") or {}
    return Observation(
        phase=phase,
        image_id=_image_id(told.get("ImageID")),
        architecture=labels.get(ARCHITECTURE) or None,
        addresses=_addresses(told, labels, near=near) if phase is Phase.RUNNING else {},
    )


def ended(told: Mapping[str, Any], *, out_of_memory: Callable[[str], bool]) -> Observation:
    """Read the inspection of a task that has ended.

    Parameters
    ----------
    out_of_memory
        Asked, with the engine's id of the container, about a forced end that the engine has no reason for.
    """
    state: Mapping[str, Any] = told.get("State") or {}
    labels = (told.get("Config") or {}).get("Labels") or {}
    code = int(state.get("ExitCode") or 0)
    forced = code == KILLED and not state.get("OOMKilled")
    starved = bool(state.get("OOMKilled")) or (forced and out_of_memory(str(told.get("Id") or "?")))
    reason, sentence = _reason(state, starved=starved)
    return Observation(
        phase=Phase.ENDED,
        exit_code=code,
        reason=reason,
        sentence=sentence,
        started=moment(state.get("StartedAt")),
        ended=moment(state.get("FinishedAt")),
        image_id=_image_id(told.get("Image")),
        architecture=labels.get(ARCHITECTURE) or None,
    )


def halted(told: Mapping[str, Any]) -> Observation | None:
    """Read the inspection of a container that is listed as made and not started; None if that is what it is.

    Podman says so too of a container that ran when its machine went off: what only lives until then, `/run`, is gone.
    The moment of the start is kept.
    """
    state: Mapping[str, Any] = told.get("State") or {}
    started = moment(state.get("StartedAt"))
    if started is None or str(state.get("Status") or "").lower() not in {"created", "configured"}:
        return None
    labels = (told.get("Config") or {}).get("Labels") or {}
    return Observation(
        phase=Phase.ENDED,
        reason=EndReason.NODE_FAILED.value,
        sentence="The machine it ran on was restarted.",
        started=started,
        ended=moment(state.get("FinishedAt")),
        image_id=_image_id(told.get("Image")),
        architecture=labels.get(ARCHITECTURE) or None,
    )


def measured(told: Mapping[str, Any], *, at: datetime, before: Sample | None) -> tuple[Usage, Sample]:
    """Read one answer of statistics; CPU use is the difference to the sample `before` (0 without one)."""
    spent = int(((told.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0)
    cpus = 0.0
    if before is not None and (seconds := (at - before[0]).total_seconds()) > 0:
        cpus = max(0.0, (spent - before[1]) / NANO / seconds)
    memory = told.get("memory_stats") or {}
    details = memory.get("stats") or {}
    # Pages of files that the kernel gives up at once are not what people mean by use; cgroup v1 and v2 name them so.
    cache = int(details.get("total_inactive_file") or details.get("inactive_file") or 0)
    networks = (told.get("networks") or {}).values()
    usage = Usage(
        at=at,
        cpus=cpus,
        memory=max(0, int(memory.get("usage") or 0) - cache),
        received=sum(int(one.get("rx_bytes") or 0) for one in networks),
        sent=sum(int(one.get("tx_bytes") or 0) for one in networks),
    )
    return usage, (at, spent)


def moment(text: str | None) -> datetime | None:
    """Read an engine's timestamp; the year 1 stands for never. Nanoseconds are more than a datetime holds."""
    found = STAMP.match(text or "")
    if found is None or found[1].startswith("0001-"):
        return None
    return datetime.fromisoformat(found[1] + (found[2] or ".0")[:7].ljust(7, "0") + found[3])


def _reason(state: Mapping[str, Any], *, starved: bool) -> tuple[str, str]:
    if starved:
        return "out_of_memory", "It used more memory than it was given."
    complaint = str(state.get("Error") or "")
    if complaint:
        return "engine_error", complaint
    return "", ""


def _image_id(text: object) -> str | None:
    if not text:
        return None
    return str(text) if str(text).startswith("sha256:") else f"sha256:{text}"


def _addresses(told: Mapping[str, Any], labels: Mapping[str, str], *, near: Near) -> Mapping[int, tuple[str, int]]:
    if near is Near.NONE:
        return {}
    if near is Near.PUBLISHED:
        return published(told)
    host = own_address(told)
    ports = [int(port) for port in labels.get(PORTS, "").split(",") if port]
    return {port: (host, port) for port in ports} if host else {}


def own_address(told: Mapping[str, Any]) -> str | None:
    """Return the address of a container in its own network, from an entry of a list; None: it has none."""
    networks = ((told.get("NetworkSettings") or {}).get("Networks") or {}).values()
    return next((str(one["IPAddress"]) for one in networks if one.get("IPAddress")), None)


def published(told: Mapping[str, Any]) -> Mapping[int, tuple[str, int]]:
    """Return where the ports of a container are published on its engine's host, from an entry of a list."""
    return {
        int(one["PrivatePort"]): (one.get("IP") or "127.0.0.1", int(one["PublicPort"]))
        for one in told.get("Ports") or []
        if one.get("PublicPort") and one.get("Type", "tcp") == "tcp"
    }
