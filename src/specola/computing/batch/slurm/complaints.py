"""What Slurm's tools complain of: whether they could ask at all, and what a refusal means.

Exit codes decide nothing here: some versions end with 0 although the controller did not answer, and `scancel` of a job
that is not there ends with 0 as well.
"""

import re

from specola.computing.batch.errors import AmbiguousError
from specola.computing.border import in_one_line
from specola.domain.errors import ComputingUnreachableError, LaunchError
from specola.domain.reasons import EndReason
from specola.ports.hosts import Finished

__all__ = ["answered", "cancelled", "submitted"]

# The controller, the database or the way to them is in trouble; nothing was learned.
SILENT = re.compile(
    r"unable to contact|timed out|time[- ]?out|connection (?:refused|reset|closed|timed)|connection failure"
    r"|communication|send/recv|zero bytes were transmitted|backup controller|standby mode|in standby"
    r"|unable to connect|failed to open persistent connection|slurm_persist_conn|slurmdbd.*(?:error|down|gone)"
    r"|rate limit|temporarily (?:unable|unavailable)|try again|resource temporarily|cannot resolve|no route to host"
    r"|munge|credential|protocol authentication|bad file descriptor|transport endpoint|insane message|shutting down",
    re.IGNORECASE,
)
UNKNOWN_JOB = re.compile(
    r"invalid job id|already completing or completed|not (?:yet )?running|already finished", re.IGNORECASE
)
MISSING = 127
REFUSAL = re.compile(r"(?:error|fatal): (?:Batch job submission failed: )?(.+)", re.IGNORECASE)
# slurm_errno.h, by their sentences.
REFUSALS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), sentence, hint)
    for pattern, sentence, hint in (
        (
            r"accounting/qos policy|job submit limit|violates|max.*submit",
            "You, or your account, have reached what may be in the queue at once.",
            "Wait until one of your tasks there has ended, then run it again.",
        ),
        (
            r"invalid account|account/partition",
            "The account it was to be booked on may not be used there.",
            "Choose another account; an administrator of the cluster can add you to it.",
        ),
        (r"invalid partition", "There is no such partition.", "Choose one that the start page offers."),
        (
            r"(?:access|permission) denied.*|user's group not permitted",
            "You may not use this partition.",
            "Choose another partition.",
        ),
        (r"invalid qos|qos.*permission", "The quality of service may not be used there.", "Choose another, or none."),
        (
            r"time limit",
            "It asks for more time than may be had there.",
            "Ask for less time, or for a partition that gives more.",
        ),
        (
            r"memory specification|requested memory",
            "It asks for more memory than a machine there has.",
            "Ask for less memory, or for another partition.",
        ),
        (
            r"generic resource|gres|trespec",
            "There are no such GPUs in this partition.",
            "Ask for other GPUs, for fewer, or for another partition.",
        ),
        (
            r"node configuration is not available|more processors|node count|cpu count|node name",
            "No machine of this partition is like that.",
            "Ask for less, or for another partition.",
        ),
        (r"reservation", "The reservation may not be used.", "Choose another reservation, or none."),
        (r"feature|constraint", "No machine there fits that constraint.", "Choose another constraint, or none."),
        (r"license", "There are no such licences.", "Choose others, or none."),
        (
            r"no space left|disk quota",
            "There is no room left on its disk there.",
            "Remove what you no longer need there.",
        ),
    )
)


def answered(computing: str, done: Finished) -> str:
    """Return what a tool printed, if it could ask.

    Raises
    ------
    ComputingUnreachableError
        It could not, whatever its exit code says.
    """
    complaint = done.complaint
    if done.code == 0 and not SILENT.search(complaint) and "error:" not in complaint:
        return done.text
    raise ComputingUnreachableError(computing, _spoken(done))


def submitted(computing: str, done: Finished) -> str:
    """Return the id of the job that `sbatch` handed in; a cluster's name may follow it.

    Raises
    ------
    AmbiguousError
        It may have been taken although the answer did not come.
    ComputingUnreachableError
        There is no `sbatch`.
    LaunchError
        It was refused.
    """
    job = done.text.strip().splitlines()[-1].partition(";")[0] if done.text.strip() else ""
    if done.code == 0 and job.isdecimal():
        return job
    complaint = done.complaint
    if done.code == MISSING:
        raise ComputingUnreachableError(computing, "it has no sbatch on its path")
    if done.code > MISSING or SILENT.search(complaint) or not complaint:
        raise AmbiguousError(_spoken(done))
    raise refusal(complaint)


def refusal(complaint: str) -> LaunchError:
    """Return why a submission was refused, in plain words with Slurm's own behind them."""
    said = [found[1] for line in complaint.splitlines() if (found := REFUSAL.search(line))]
    raw = in_one_line(said[-1] if said else complaint)
    for pattern, sentence, hint in REFUSALS:
        if pattern.search(complaint):
            return LaunchError(f"{sentence[:-1]} (Slurm says: {raw}).", hint=hint, code=EndReason.REFUSED)
    return LaunchError(f"Slurm refused it: {raw}.", code=EndReason.REFUSED)


def cancelled(computing: str, done: Finished) -> None:
    """Check that a job was told to end, or has ended.

    Raises
    ------
    ComputingUnreachableError
        Slurm could not be told.
    """
    complaint = done.complaint
    if SILENT.search(complaint) or (done.code != 0 and not UNKNOWN_JOB.search(complaint)):
        raise ComputingUnreachableError(computing, _spoken(done))


def _spoken(done: Finished) -> str:
    return in_one_line(done.complaint) or f"exit code {done.code} without a word"
