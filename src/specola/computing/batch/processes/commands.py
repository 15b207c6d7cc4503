"""The commands by which processes are started, found and signalled, as values."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from specola.computing.batch.names import AGENT, Names
from specola.computing.batch.scheduling import Entry, Job, JobState

__all__ = ["Listing", "Signal", "Start"]

# Scripts of ours alone: what differs comes as arguments, which no shell reads.
# Where an account's services outlive its sessions (lingering), systemd keeps the task to its memory and CPUs as well.
START = r"""
mark=$1 output=$2 name=$3 memory=$4 share=$5
shift 5
[ -h "$mark" ] && { readlink "$mark"; exit 0; }
if command -v systemd-run loginctl >/dev/null && loginctl show-user "$(id -un)" --property=Linger 2>/dev/null | grep -q yes &&
  systemd-run --user --scope --quiet --collect true 2>/dev/null
then
  set -- systemd-run --user --scope --quiet --collect --unit="$name" -p MemoryMax="$memory" -p CPUQuota="$share%" -- "$@"
fi
: >>"$output" || exit 3
setsid sh -c 'mark=$1; shift; ln -s "$$" "$mark" 2>/dev/null || exit 0; exec "$@"' start "$mark" "$@" \
  </dev/null >>"$output" 2>&1 &
tries=100
until [ -h "$mark" ]; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || { echo "it did not begin" >&2; exit 4; }
  sleep 0.05
done
readlink "$mark"
"""
SIGNAL = r"""
args=$(ps -ww -o args= -p "$1") || exit 0
case $args in
  *"/$3 run "*) kill -s "$2" "$1" 2>/dev/null ;;
esac
exit 0
"""
LINE = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S*python\S*)\s(.*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a process that belongs to nobody's session."""

    job: Job

    def argv(self) -> list[str]:
        """Return the command."""
        job = self.job
        share = str(max(1, math.ceil(job.resources.cpus * 100)))
        command = list(job.command)
        if job.placement.time is not None:
            seconds = math.ceil(job.placement.time.total_seconds())
            command = ["timeout", "--signal=USR1", "--kill-after=120", str(seconds), *command]
        if job.path:
            command = ["env", f"PATH={':'.join((*job.path, '/usr/local/bin:/usr/bin:/bin'))}", *command]
        return ["sh", "-c", START, "start", job.mark, job.output, job.name, str(job.resources.memory), share, *command]


@dataclass(frozen=True, slots=True)
class Listing:
    """All agents of one account, in one question."""

    account: str

    def argv(self) -> list[str]:
        """Return the command."""
        return ["ps", "-ww", "-u", self.account, "-o", "pid=,ppid=,etimes=,args="]

    def read(self, text: str, names: Names, *, now: datetime) -> Iterator[Entry]:
        """Yield the agents of this installation's tasks, without the processes that they have forked."""
        begin = f"/{names.installation}/tasks/"
        found = [one for line in text.splitlines() if (one := LINE.fullmatch(line)) and f"/{AGENT} run " in one[5]]
        agents = {one[1] for one in found}
        for one in found:
            before, ours, task = one[5].rpartition(begin)
            job = names.job(task.strip())
            if one[2] not in agents and ours and before and names.task(job):
                started = now - timedelta(seconds=int(one[3]))
                yield Entry(id=one[1], name=job, state=JobState.RUNNING, raw="running", started=started)


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal to a process, if it is an agent."""

    process: str
    signal: str

    def argv(self) -> list[str]:
        """Return the command."""
        return ["sh", "-c", SIGNAL, "signal", self.process, self.signal, AGENT]
