"""Slurm's states and reasons, as the platform tells them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from specola.computing.batch.scheduling import JobState
from specola.domain.reasons import EndReason, WaitReason

__all__ = ["Meaning", "meaning"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """Where a job is, with the code of why and, where the code's own sentence says too little, a better one."""

    state: JobState
    reason: str = ""
    sentence: str = ""


# squeue(1), JOB STATE CODES.
WAITING = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "POWER_UP_NODE"}
)
RUNNING = frozenset({"RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "RECONFIG_FAIL"})
ENDING = frozenset({"COMPLETING", "STAGE_OUT"})
ENDED: Mapping[str, str] = {
    "COMPLETED": "",
    "FAILED": "",
    "CANCELLED": EndReason.CANCELLED_OUTSIDE,
    "TIMEOUT": EndReason.TIME_LIMIT,
    "DEADLINE": EndReason.TIME_LIMIT,
    "OUT_OF_MEMORY": EndReason.OUT_OF_MEMORY,
    "NODE_FAIL": EndReason.NODE_FAILED,
    "PREEMPTED": EndReason.PREEMPTED,
    "BOOT_FAIL": EndReason.BOOT_FAILED,
    "LAUNCH_FAILED": EndReason.RUNTIME_FAILED,
    "REVOKED": EndReason.CANCELLED_OUTSIDE,
}
# squeue(1), JOB REASON CODES; the first one that fits.
WAITS: tuple[tuple[re.Pattern[str], WaitReason, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), reason, sentence)
    for pattern, reason, sentence in (
        (r"|None|Null", WaitReason.SCHEDULING, ""),
        (r"Resources|Burst.*|FrontEndDown|NoReason.*", WaitReason.RESOURCES, ""),
        (r"Priority", WaitReason.PRIORITY, ""),
        (r"JobHeldUser", WaitReason.HELD, ""),
        (r"JobHeldAdmin", WaitReason.HELD_BY_ADMINISTRATOR, ""),
        (
            r"(?:launch[ _]failed|job[ _]requeued).*held|JobHoldMaxRequeue|MaxRequeue",
            WaitReason.HELD_BY_ADMINISTRATOR,
            "Its start failed on the machine that was chosen for it, and the scheduler holds it back.",
        ),
        (r"BeginTime", WaitReason.BEGIN_TIME, ""),
        (r"DependencyNeverSatisfied", WaitReason.UNSATISFIABLE, "What it waits for has failed."),
        (r"Dependency", WaitReason.DEPENDENCY, ""),
        (r"Reservation", WaitReason.RESERVATION, ""),
        (r"ReservationDeleted", WaitReason.UNSATISFIABLE, "Its reservation is no longer there."),
        (r"Licenses", WaitReason.LICENSES, ""),
        (r"ReqNodeNotAvail.*|NodeDown|Nodes[ _]required.*|ReservedForMaint.*", WaitReason.NODES_UNAVAILABLE, ""),
        (r"PartitionDown|PartitionInactive|SchedDefer", WaitReason.PARTITION_CLOSED, ""),
        (
            r"PartitionTimeLimit|TimeLimit",
            WaitReason.UNSATISFIABLE,
            "It asks for more time than its partition ever gives.",
        ),
        (
            r"PartitionNodeLimit|PartitionConfig|BadConstraints|.*MinGRES|.*MinCpus.*|.*MinMemory|.*Min.*NotSatisfied|FedJobLock",
            WaitReason.UNSATISFIABLE,
            "",
        ),
        (r"(?:QOS|Assoc)Grp.*(?:Minutes|Mins).*", WaitReason.QUOTA, ""),
        (r"Invalid(?:Account|QOS)|(?:Account|QOS)NotAllowed|QOSUsageThreshold", WaitReason.ACCOUNT_REFUSED, ""),
        (r"QOS.*|Assoc.*|.*Max.*Limit|JobArrayTaskLimit|.*Limit", WaitReason.LIMIT, ""),
        (r"Prolog|Cleaning|NodeReady|WaitingForScheduling", WaitReason.STARTING, ""),
    )
)


def meaning(state: str, reason: str) -> Meaning:
    """Return what a state and a reason mean.

    Parameters
    ----------
    state
        As `squeue` and `sacct` print it: `RUNNING`, `CANCELLED by 5001`.
    reason
        As they print it: `Resources`, `(null)`.

    Returns
    -------
    Meaning
        A state that this table does not know counts as running: what is not understood has not ended.
    """
    word = state.split(" ", 1)[0].rstrip("+").upper()
    if word in ENDED:
        return _ended(word, reason)
    if word in ENDING:
        return Meaning(JobState.ENDING)
    if word in WAITING:
        return _waiting(word, reason)
    if word == "SUSPENDED":
        return Meaning(JobState.RUNNING, "suspended", "The scheduler has suspended it; it goes on later by itself.")
    return Meaning(JobState.RUNNING)


def _ended(word: str, reason: str) -> Meaning:
    if word == "CANCELLED" and reason == "DependencyNeverSatisfied":
        return Meaning(JobState.ENDED, EndReason.IMAGE_PULL)
    if word == "DEADLINE":
        return Meaning(JobState.ENDED, EndReason.TIME_LIMIT, "Its deadline passed before it could be done.")
    # sbatch(1): an unwritable folder ends a job so, without a word.
    if word == "FAILED" and reason in {"RaisedSignal:53(Real-time_signal_19)", "RaisedSignal:53"}:
        return Meaning(
            JobState.ENDED, EndReason.STORAGE_FULL, "Its folder there could not be written to: it may be full."
        )
    return Meaning(JobState.ENDED, ENDED[word])


def _waiting(word: str, reason: str) -> Meaning:
    if word in {"CONFIGURING", "POWER_UP_NODE"}:
        return Meaning(JobState.WAITING, WaitReason.STARTING)
    if word in {"REQUEUED", "REQUEUE_FED"}:
        return Meaning(JobState.WAITING, WaitReason.REQUEUED)
    if word in {"REQUEUE_HOLD", "SPECIAL_EXIT"}:
        return Meaning(JobState.WAITING, WaitReason.HELD_BY_ADMINISTRATOR)
    plain = reason.strip("()")
    for pattern, code, sentence in WAITS:
        if pattern.fullmatch(plain):
            return Meaning(JobState.WAITING, code, sentence)
    return Meaning(JobState.WAITING, WaitReason.SCHEDULING, f"It waits in the queue; the scheduler says “{plain}”.")
