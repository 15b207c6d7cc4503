"""Slurm's commands as values: how each is called, and what its answer means."""

import math
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from specola.computing.batch.scheduling import Entry, Job, JobState
from specola.computing.batch.slurm.fields import BREAK, exit_code, moment, rows
from specola.computing.batch.slurm.states import meaning
from specola.domain.errors import LaunchError
from specola.domain.placement import Forecast
from specola.domain.reasons import EndReason

__all__ = ["OPTIONS", "Cancel", "History", "Queue", "Submit"]

# Times as seconds since 1970, whatever the cluster's own zone; words as the manual has them.
PLAIN = ("env", "LC_ALL=C", "SLURM_TIME_FORMAT=%s")
QUEUE = ("%i", "%j", "%T", "%r", "%S", "%e", "%B", "%V")
BOOKS = ("JobIDRaw", "JobName", "State", "ExitCode", "Submit", "Start", "End", "NodeList", "Reason")
SINCE = "now-30days"
OPTIONS = frozenset(
    {"begin", "constraint", "exclude", "exclusive", "licenses", "nice", "nodelist", "priority", "qos", "reservation"}
    | {"switches", "tmp", "gres", "gpu-bind", "gpu-freq", "cpu-freq", "hint", "threads-per-core", "sockets-per-node"}
    | {"cores-per-socket", "clusters", "cluster-constraint", "prefer", "mincpus"}
)
"""What a task may say to `sbatch` beside what the platform says itself; nothing here names a file or a command."""
MEGABYTE = 1024**2


@dataclass(frozen=True, slots=True)
class Queue:
    """`squeue` for all jobs of one account, in one question."""

    account: str

    def argv(self) -> list[str]:
        """Return the command."""
        fields = BREAK.join(QUEUE)
        return [*PLAIN, "squeue", "--noheader", "--states=all", f"--user={self.account}", f"--format={fields}"]

    def read(self, text: str) -> Iterator[Entry]:
        """Yield the jobs of the answer."""
        for job, name, state, reason, start, end, node, submit in rows(text, len(QUEUE)):
            means, waits = meaning(state, reason), meaning(state, reason).state is JobState.WAITING
            starts, over = moment(start), means.state is JobState.ENDED
            yield Entry(
                id=job,
                name=name,
                state=means.state,
                raw=_raw(state, reason),
                reason=means.reason,
                sentence=means.sentence,
                submitted=moment(submit),
                started=None if waits else starts,
                ended=moment(end) if over else None,
                deadline=None if waits or over else moment(end),
                forecast=Forecast(starts=starts, source="scheduler") if waits and starts else None,
                node="" if node in {"n/a", "(null)"} else node,
            )


@dataclass(frozen=True, slots=True)
class History:
    """`sacct` for jobs that the controller no longer has, in one question."""

    account: str
    names: tuple[str, ...]

    def argv(self) -> list[str]:
        """Return the command."""
        what = ["--noheader", "--parsable2", f"--delimiter={BREAK}", "--allocations", f"--starttime={SINCE}"]
        which = [f"--user={self.account}", f"--name={','.join(self.names)}", f"--format={','.join(BOOKS)}"]
        return [*PLAIN, "sacct", *what, *which]

    def read(self, text: str) -> Iterator[Entry]:
        """Yield the jobs of the answer."""
        for job, name, state, code, submit, start, end, node, reason in rows(text, len(BOOKS)):
            means = meaning(state, reason)
            yield Entry(
                id=job,
                name=name,
                state=means.state,
                raw=_raw(state, reason),
                reason=means.reason,
                sentence=means.sentence,
                exit_code=_code(state, code) if means.state is JobState.ENDED else None,
                submitted=moment(submit),
                started=moment(start),
                ended=moment(end) if means.state is JobState.ENDED else None,
                node="" if node.startswith("None") else node,
            )


@dataclass(frozen=True, slots=True)
class Submit:
    """`sbatch` with the script on its input."""

    job: Job

    def argv(self) -> list[str]:
        """Return the command. Everything in it, and in the script, may be seen by everybody on the cluster.

        Raises
        ------
        LaunchError
            An option is asked for that tasks may not give.
        """
        job, seconds = self.job, math.ceil(self.job.clean_stop.total_seconds())
        # A second job of this name waits until the first has ended, and then finds its mark.
        dependency = f"afterok:{job.after},singleton" if job.after else "singleton"
        return [
            *PLAIN[:2],
            "sbatch",
            "--parsable",
            "--no-requeue",
            "--export=NONE",
            f"--job-name={job.name}",
            f"--comment={job.comment}",
            f"--chdir={job.folder}",
            f"--output={job.output}",
            "--open-mode=append",
            f"--dependency={dependency}",
            "--kill-on-invalid-dep=yes",
            "--nodes=1",
            "--ntasks=1",
            *([f"--signal=B:USR1@{seconds}"] if seconds else []),
            *self._size(),
            *self._placement(),
        ]

    def script(self) -> bytes:
        """Return the script: the first job of its name becomes the agent, another one ends."""
        job, mark = self.job, shlex.quote(self.job.mark)
        lines = ["#!/bin/sh", "umask 077", "export SLURM_EXPORT_ENV=ALL"]
        if job.path:
            lines.append(f'export PATH={shlex.quote(":".join(job.path))}:"$PATH"')
        if job.mark:
            first = f'ln -s "$SLURM_JOB_ID" {mark} 2>/dev/null || [ "$(readlink {mark})" = "$SLURM_JOB_ID" ] || exit 0'
            lines.append(first)
        lines.append(f"exec {shlex.join(job.command)}")
        return "".join(f"{line}\n" for line in lines).encode()

    def _size(self) -> list[str]:
        size = self.job.resources
        words = [f"--cpus-per-task={math.ceil(size.cpus)}", f"--mem={math.ceil(size.memory / MEGABYTE)}M"]
        if size.gpus:
            model = f"{size.gpu_model}:" if size.gpu_model else ""
            words.append(f"--gres=gpu:{model}{size.gpus}")
        return words

    def _placement(self) -> list[str]:
        where = self.job.placement
        words = []
        if where.time is not None:
            words.append(f"--time={limit(where.time)}")
        if where.partition:
            words.append(f"--partition={where.partition}")
        if where.project:
            words.append(f"--account={where.project}")
        for name, value in where.options.items():
            if name not in OPTIONS:
                raise LaunchError(
                    f"Tasks may not give the option “{name}” to the scheduler.",
                    hint=f"Leave it out; there are {', '.join(sorted(OPTIONS))}.",
                    code=EndReason.REFUSED,
                )
            words.append(f"--{name}={value}")
        return words


@dataclass(frozen=True, slots=True)
class Cancel:
    """`scancel` of one job; gently: its first process is asked to end, which does not touch a job that waits."""

    job: str
    gently: bool = False

    def argv(self) -> list[str]:
        """Return the command."""
        how = ["--signal=TERM", "--batch"] if self.gently else []
        return [*PLAIN[:2], "scancel", *how, self.job]


def limit(time: timedelta) -> str:
    """Return a time limit in sbatch's words, in whole minutes, at least one."""
    minutes = max(1, math.ceil(time.total_seconds() / 60))
    return f"{minutes // 1440}-{minutes // 60 % 24:02}:{minutes % 60:02}:00"


def by_name(entries: Iterator[Entry]) -> Mapping[str, Sequence[Entry]]:
    """Return jobs by their names, each name's oldest first."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.name, []).append(entry)
    return {name: sorted(jobs, key=lambda one: (len(one.id), one.id)) for name, jobs in found.items()}


def chunks(names: Collection[str], most: int = 500) -> Iterator[tuple[str, ...]]:
    """Yield the names in groups that fit into one command."""
    whole = sorted(names)
    for start in range(0, len(whole), most):
        yield tuple(whole[start : start + most])


def _code(state: str, code: str) -> int | None:
    """Return the exit code of a job that ended; of one that was cancelled before it started there is none."""
    told = exit_code(code)
    return None if told == 0 and not state.startswith("COMPLETED") else told


def _raw(state: str, reason: str) -> str:
    """Return Slurm's own words for a state, with its reason where there is one."""
    return state if reason in {"", "None", "(null)"} else f"{state} ({reason.strip('()')})"
