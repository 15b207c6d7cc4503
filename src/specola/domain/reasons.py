"""Reasons: why a task waits or how it was ended, as stable codes with a sentence and a hint for people.

A computing tells a code of these in `Observation.reason`, and its own word in `raw`. With an `Observation.sentence` it
says more than stands here; left empty, the sentence of the code is shown.
"""

from collections.abc import Mapping
from enum import StrEnum

from specola.domain.task import Reason

__all__ = ["ENDS", "WAITS", "EndReason", "WaitReason", "told"]


class EndReason(StrEnum):
    """Why a task was ended, other than by its own command."""

    TIME_LIMIT = "time_limit"
    OUT_OF_MEMORY = "out_of_memory"
    NODE_FAILED = "node_failed"
    PREEMPTED = "preempted"
    CANCELLED_OUTSIDE = "cancelled_outside"
    EVICTED = "evicted"
    BOOT_FAILED = "boot_failed"
    REFUSED = "refused"
    UNSCHEDULABLE = "unschedulable"
    IMAGE_PULL = "image_pull"
    IMAGE_FORMAT = "image_format"
    RUNTIME_MISSING = "runtime_missing"
    RUNTIME_FAILED = "runtime_failed"
    STORAGE_FULL = "storage_full"
    AGENT_LOST = "agent_lost"


class WaitReason(StrEnum):
    """What a task that was handed to a computing waits for."""

    SCHEDULING = "scheduling"
    RESOURCES = "resources"
    PRIORITY = "priority"
    LIMIT = "limit"
    HELD = "held"
    HELD_BY_ADMINISTRATOR = "held_by_administrator"
    REQUEUED = "requeued"
    BEGIN_TIME = "begin_time"
    DEPENDENCY = "dependency"
    RESERVATION = "reservation"
    LICENSES = "licenses"
    NODES_UNAVAILABLE = "nodes_unavailable"
    PARTITION_CLOSED = "partition_closed"
    ACCOUNT_REFUSED = "account_refused"
    UNSATISFIABLE = "unsatisfiable"
    QUOTA = "quota"
    VOLUME = "volume"
    IMAGE = "image"
    IMAGE_RETRIED = "image_retried"
    STARTING = "starting"


def _ends(code: EndReason, sentence: str, hint: str) -> tuple[str, Reason]:
    return code.value, Reason(code=code.value, sentence=sentence, hint=hint)


def _waits(code: WaitReason, sentence: str, hint: str = "") -> tuple[str, Reason]:
    return code.value, Reason(code=code.value, sentence=sentence, hint=hint)


ENDS: Mapping[str, Reason] = dict(
    (
        _ends(
            EndReason.TIME_LIMIT, "It was ended at its time limit.", "Run it again with more time; your home is kept."
        ),
        _ends(
            EndReason.OUT_OF_MEMORY,
            "It needed more memory than it was given, and was ended.",
            "Run it again with more memory.",
        ),
        _ends(EndReason.NODE_FAILED, "The machine it ran on failed.", "Run it again; your home is kept."),
        _ends(
            EndReason.PREEMPTED,
            "It had to make room for others with a higher priority.",
            "Run it again, or in a partition whose tasks are not ended for others.",
        ),
        _ends(
            EndReason.CANCELLED_OUTSIDE,
            "It was cancelled on its computing, outside the platform.",
            "Ask who runs the computing why; or run it again.",
        ),
        _ends(
            EndReason.EVICTED,
            "Its machine ran short of room, and put it out.",
            "Run it again; asking for the memory and disk it really needs makes this rarer.",
        ),
        _ends(EndReason.BOOT_FAILED, "The machine chosen for it did not come up.", "Run it again."),
        _ends(
            EndReason.REFUSED,
            "The scheduler refused it.",
            "Change what the message names: partition, account, time or size; then run it again.",
        ),
        _ends(
            EndReason.UNSCHEDULABLE,
            "No machine of the computing can ever run this.",
            "Ask for less, or for another partition or GPU.",
        ),
        _ends(
            EndReason.IMAGE_PULL,
            "Its image could not be fetched by the machine that was to run it.",
            "Check that the image can be had from there; a private one needs the computing's pull secret.",
        ),
        _ends(
            EndReason.IMAGE_FORMAT, "Its image could not be unpacked.", "Check the image: another tool should open it."
        ),
        _ends(
            EndReason.RUNTIME_MISSING,
            "The machine has nothing that runs containers.",
            "The computing's page names what is missing; an administrator can mend it.",
        ),
        _ends(
            EndReason.RUNTIME_FAILED,
            "The container could not be started on the machine.",
            "Read the log; an administrator of the computing may have to help.",
        ),
        _ends(
            EndReason.STORAGE_FULL,
            "There was no room left on the disk it uses there.",
            "Remove what you no longer need from your home there, then run it again.",
        ),
        _ends(
            EndReason.AGENT_LOST,
            "What looks after it on its machine was ended, and the task with it.",
            "Run it again; if it stays, tell an administrator.",
        ),
    )
)
"""How each end is told."""

WAITS: Mapping[str, Reason] = dict(
    (
        _waits(WaitReason.SCHEDULING, "It is in the queue; the scheduler has not looked at it yet."),
        _waits(
            WaitReason.RESOURCES,
            "It waits for enough free CPUs, memory or GPUs.",
            "A smaller or shorter task often starts earlier.",
        ),
        _waits(
            WaitReason.PRIORITY,
            "Others in the queue come first.",
            "A shorter time often lets it slip in between.",
        ),
        _waits(
            WaitReason.LIMIT,
            "You, or your account, already use as much there as is allowed at once.",
            "It starts when one of those tasks ends; stop one that is no longer needed.",
        ),
        _waits(WaitReason.HELD, "It is held back in the queue.", "Somebody has to release it on its computing."),
        _waits(
            WaitReason.HELD_BY_ADMINISTRATOR,
            "An administrator of the computing holds it back.",
            "Ask who runs the computing.",
        ),
        _waits(
            WaitReason.REQUEUED,
            "It had started and was put back into the queue.",
            "It starts again by itself; what was not in your home is lost.",
        ),
        _waits(WaitReason.BEGIN_TIME, "It is not to start before a later time."),
        _waits(WaitReason.DEPENDENCY, "It waits for another task in the queue to end."),
        _waits(WaitReason.RESERVATION, "It waits for its reservation to begin."),
        _waits(WaitReason.LICENSES, "It waits for a free licence."),
        _waits(
            WaitReason.NODES_UNAVAILABLE,
            "The machines that could run it are down or kept for something else.",
            "Ask who runs the computing, or choose another partition.",
        ),
        _waits(
            WaitReason.PARTITION_CLOSED,
            "Its partition starts nothing at the moment.",
            "Choose another partition, or wait.",
        ),
        _waits(
            WaitReason.ACCOUNT_REFUSED,
            "The account it is booked on may not run this.",
            "Choose another account or quality of service.",
        ),
        _waits(
            WaitReason.UNSATISFIABLE,
            "As asked for, it can never start.",
            "Stop it, and ask for less or for another partition.",
        ),
        _waits(
            WaitReason.QUOTA,
            "It would pass what its project may use in all.",
            "Stop what is no longer needed there, or ask for less.",
        ),
        _waits(WaitReason.VOLUME, "It waits for its storage.", "If it stays, tell an administrator."),
        _waits(WaitReason.IMAGE, "Its image is being fetched there."),
        _waits(
            WaitReason.IMAGE_RETRIED,
            "Its image could not be fetched; this is tried again.",
            "Check the image's name, and that the computing reaches its registry.",
        ),
        _waits(WaitReason.STARTING, "A machine has been found; it is being made ready."),
    )
)
"""How each cause of waiting is told."""


def told(table: Mapping[str, Reason], code: str, sentence: str = "") -> Reason:
    """Return the reason of a code of `table`, with the computing's own sentence where it gave one."""
    known = table.get(code)
    if known is None:
        return Reason(code=code or "unknown", sentence=sentence or "Its computing does not say why.")
    return Reason(code=known.code, sentence=sentence or known.sentence, hint=known.hint)
