"""What a cluster's answers say about a task: pure readers of a pod's state."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from specola.computing.kubernetes.names import ARCHITECTURE, CONTAINER, IMAGE, PORTS, REMOVED, STOPPED
from specola.domain.computing import Observation, Phase
from specola.domain.reasons import EndReason, WaitReason

__all__ = ["is_removed", "moment", "observed"]

LONGEST = 300
FORCED = 137  # 128 + SIGKILL
NEVER = re.compile(
    r"not found|manifest unknown|name unknown|repository does not exist|invalid reference|unauthorized|authorization failed"
    r"|denied|no match for platform",
    re.IGNORECASE,
)
NO_PROGRAM = ("executable file not found", "no such file or directory", "not a directory", "no command specified")
SHORT = re.compile(r"\d+ (Insufficient [\w./-]+|Too many pods)")
WORDS = {"cpu": "CPUs", "memory": "memory", "ephemeral-storage": "disk", "nvidia.com/gpu": "GPUs"}
# Old clusters never say how the containers of a pod ended that they ended themselves: what they need for it, with this to spare.
SPARE = timedelta(seconds=2)


def is_removed(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod was removed by the platform, and is there only until its node is done with it."""
    return REMOVED in _notes(pod) and bool(pod["metadata"].get("deletionTimestamp"))


def observed(pod: Mapping[str, Any], *, now: datetime, direct: bool) -> Observation:
    """Read one pod.

    Parameters
    ----------
    direct
        Whether the platform connects to the pod's own address.
    """
    metadata, status = pod["metadata"], pod.get("status") or {}
    notes = metadata.get("annotations") or {}
    task = _container(status.get("containerStatuses"), CONTAINER)
    started = moment(((task.get("state") or {}).get("running") or {}).get("startedAt"))
    phase, code, reason, sentence, ended = _state(pod, task, now=now)
    if over := (task.get("state") or {}).get("terminated"):
        started = moment(over.get("startedAt"))
    return Observation(
        phase=phase,
        exit_code=code,
        reason=reason,
        sentence=sentence,
        started=started,
        ended=ended,
        image_id=notes.get(IMAGE) or None,
        architecture=notes.get(ARCHITECTURE) or None,
        addresses=_addresses(status, notes) if direct and phase is Phase.RUNNING else {},
        raw=_raw(status, task),
        deadline=_deadline(pod) if phase in {Phase.CREATED, Phase.RUNNING} else None,
        node=str((pod.get("spec") or {}).get("nodeName") or ""),
    )


State = tuple[Phase, int | None, str, str, datetime | None]


def _state(pod: Mapping[str, Any], task: Mapping[str, Any], *, now: datetime) -> State:
    status = pod.get("status") or {}
    state = task.get("state") or {}
    phase, word = str(status.get("phase") or ""), str(status.get("reason") or "")
    if over := state.get("terminated"):
        reason, sentence = _end(over, status, pod)
        code = over.get("exitCode")
        return Phase.ENDED, None if code is None else int(code), reason, sentence, moment(over.get("finishedAt"))
    if phase in {"Failed", "Succeeded"}:
        if word == "DeadlineExceeded" and state.get("running") and (last := _last(pod)) is not None:
            if now < last:
                return Phase.RUNNING, None, "", "", None
            return Phase.ENDED, FORCED if _was_stopped(pod) else None, *_end({}, status, pod), last
        setup = _container(status.get("initContainerStatuses"), "setup")
        over = (setup.get("state") or {}).get("terminated") or {}
        if not word and over.get("exitCode"):
            told = str(over.get("message") or over.get("reason") or "")
            return Phase.ENDED, None, EndReason.RUNTIME_FAILED, f"What prepares it failed: {told[:300]}", None
        return Phase.ENDED, None, *_end({}, status, pod), moment(over.get("finishedAt"))
    if state.get("running"):
        return Phase.RUNNING, None, "", "", None
    return _waiting(pod, task)


def _end(over: Mapping[str, Any], status: Mapping[str, Any], pod: Mapping[str, Any]) -> tuple[str, str]:
    """Say why a task ended, where its own command is not all there is to say."""
    word, message = str(status.get("reason") or ""), str(status.get("message") or "")
    if over.get("reason") == "OOMKilled":
        return EndReason.OUT_OF_MEMORY, ""
    if word == "DeadlineExceeded":
        return ("", "") if _was_stopped(pod) else (EndReason.TIME_LIMIT, "")
    if word == "Evicted":
        return EndReason.EVICTED, f"Its machine put it out: {_line(message)}." if message else ""
    if word in {"NodeLost", "NodeShutdown", "Terminated", "NodeAffinity", "Shutdown"}:
        return EndReason.NODE_FAILED, ""
    if word == "Preempting" or _condition(status, "DisruptionTarget").get("reason") == "PreemptionByScheduler":
        return EndReason.PREEMPTED, ""
    if word.startswith(("OutOf", "Unexpected")):
        return EndReason.REFUSED, f"The machine chosen for it had no room after all: {_line(message)}."
    if over.get("exitCode") == FORCED and not _was_stopped(pod):
        return "", "It was killed from outside; most often that is for using more memory than it was given."
    complaint = str(over.get("message") or "")
    if over.get("reason") in {"StartError", "ContainerCannotRun"}:
        if any(one in complaint for one in NO_PROGRAM):
            return "command_unknown", f"The container could not run its command: {_line(complaint)}."
        return EndReason.RUNTIME_FAILED, f"The container could not be started: {_line(complaint)}."
    return "", ""


def _waiting(pod: Mapping[str, Any], task: Mapping[str, Any]) -> State:
    """Say what a pod that does not run waits for, or that it never will."""
    status = pod.get("status") or {}
    if (pod.get("metadata") or {}).get("deletionTimestamp") and not (pod.get("spec") or {}).get("nodeName"):
        return Phase.ENDED, None, "", "", None
    setup = _container(status.get("initContainerStatuses"), "setup")
    for one in (setup, task):
        waiting = (one.get("state") or {}).get("waiting") or {}
        word, message = str(waiting.get("reason") or ""), _line(str(waiting.get("message") or ""))
        if word in {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}:
            never = word == "InvalidImageName" or (word == "ErrImagePull" and NEVER.search(message))
            image = str(one.get("image") or "its image")
            what = f"the computing's helper image “{image}”" if one is setup else f"“{image}”"
            if never:
                sentence = f"Its machine could not fetch {what}: {message}."
                return Phase.ENDED, None, EndReason.IMAGE_PULL, sentence, None
            sentence = f"{what[:1].upper()}{what[1:]} could not be fetched; this is tried again ({message})."
            return Phase.CREATED, None, WaitReason.IMAGE_RETRIED, sentence, None
        if word in {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}:
            if "non-root" in message or "runAsNonRoot" in message:
                sentence = "Its image runs as root, or as a user that is only named, which this cluster does not allow."
                return Phase.ENDED, None, EndReason.REFUSED, sentence, None
            return Phase.CREATED, None, WaitReason.STARTING, f"Its container is not made yet: {message}.", None
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return Phase.CREATED, None, *_unscheduled(str(scheduled.get("message") or "")), None
    if not (pod.get("spec") or {}).get("nodeName"):
        return Phase.CREATED, None, WaitReason.SCHEDULING, "It waits for the cluster to choose a machine.", None
    return Phase.CREATED, None, WaitReason.STARTING, "", None


def _unscheduled(message: str) -> tuple[str, str]:
    """Say in plain words why the scheduler has found no node, with its own words behind."""
    raw = _line(message)
    if "persistentvolumeclaim" in raw.lower() or "volume" in raw.lower():
        return WaitReason.VOLUME, f"It waits for its storage ({raw})."
    if "didn't match" in raw or "did not match" in raw:
        sentence = "No machine of the cluster is of the kind it asks for"
        if not SHORT.search(raw):
            return WaitReason.NODES_UNAVAILABLE, f"{sentence} ({raw})."
    short = sorted({WORDS.get(one.removeprefix("Insufficient "), one) for one in SHORT.findall(raw)})
    if short:
        return WaitReason.RESOURCES, f"No machine has enough free {' and '.join(short)} at the moment ({raw})."
    if "taint" in raw or "unschedulable" in raw or "not ready" in raw:
        return WaitReason.NODES_UNAVAILABLE, f"The machines that could run it take nothing at the moment ({raw})."
    return WaitReason.SCHEDULING, f"The cluster has not found a machine for it ({raw})."


def _raw(status: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """Return the cluster's own words for how it is."""
    state: Mapping[str, Any] = task.get("state") or {}
    words = [status.get("phase"), status.get("reason")]
    words += [(one or {}).get("reason") for one in state.values()]
    if _condition(status, "PodScheduled").get("status") == "False":
        words.append(_condition(status, "PodScheduled").get("reason"))
    return "/".join(dict.fromkeys(str(one) for one in words if one))


def _deadline(pod: Mapping[str, Any]) -> datetime | None:
    seconds = (pod.get("spec") or {}).get("activeDeadlineSeconds")
    began = moment((pod.get("status") or {}).get("startTime"))
    if seconds is None or began is None or _was_stopped(pod):
        return None
    return began + timedelta(seconds=int(seconds))


def _last(pod: Mapping[str, Any]) -> datetime | None:
    """Return by when a pod that is past its deadline has surely ended."""
    spec = pod.get("spec") or {}
    began = moment((pod.get("status") or {}).get("startTime"))
    if began is None:
        return None
    asked = moment(_notes(pod).get(STOPPED)) or began
    end = max(began + timedelta(seconds=int(spec.get("activeDeadlineSeconds") or 0)), asked)
    return end + timedelta(seconds=int(spec.get("terminationGracePeriodSeconds") or 0)) + SPARE


def _was_stopped(pod: Mapping[str, Any]) -> bool:
    return STOPPED in _notes(pod)


def _notes(pod: Mapping[str, Any]) -> Mapping[str, str]:
    return (pod.get("metadata") or {}).get("annotations") or {}


def _addresses(status: Mapping[str, Any], notes: Mapping[str, str]) -> Mapping[int, tuple[str, int]]:
    host = str(status.get("podIP") or "")
    return {int(port): (host, int(port)) for port in notes.get(PORTS, "").split(",") if port} if host else {}


def _container(found: Any, name: str) -> Mapping[str, Any]:
    return next((one for one in found or [] if one.get("name") == name), {})


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next(_conditions(status, kind), {})


def _conditions(status: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    return (one for one in status.get("conditions") or [] if one.get("type") == kind)


def moment(text: str | None) -> datetime | None:
    """Read one of a cluster's timestamps; the year 1970 stands for never."""
    return datetime.fromisoformat(text) if text and not text.startswith("1970-") else None


def _line(message: str) -> str:
    line = " ".join(message.split()).rstrip(".")
    # What went wrong in the end stands last.
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
