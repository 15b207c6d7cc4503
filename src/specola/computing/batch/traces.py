"""What lies in task folders on the shared file system, read for many tasks at once."""

import contextlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from specola.computing.border import in_one_line
from specola.domain.accounts import tidy
from specola.domain.errors import ComputingUnreachableError
from specola.domain.task import TaskId
from specola.ports.hosts import Finished

__all__ = ["NOTHING_THERE", "Look", "Sweep", "Trace"]

RECORD, FIELD = "\x1e", "\x1f"
GONE = "gone"
LONGEST, LAST_CODE, LONGEST_LAST = 600, 255, 600.0
"""Characters of a word, the highest exit code, seconds that a last command may have."""
# Scripts of ours alone: what differs comes as arguments, which no shell reads.
ENTER = f'[ -e "$1" ] || {{ printf {GONE}; exit 0; }}\ncd "$1" || exit 3\nshift\n'
LOOK = (
    ENTER
    + r"""
for task do
  printf '\036%s\037' "$task"
  [ -d "$task" ] && printf there
  for file in begun job.json status.json; do
    printf '\037'
    if [ -h "$task/$file" ]; then readlink "$task/$file"; elif [ -f "$task/$file" ]; then head -c 65536 "$task/$file"; fi
  done
done 2>/dev/null
exit 0
"""
)
SWEEP = ENTER + 'for task in *; do [ -d "$task" ] && printf "\\036%s" "$task"; done\nexit 0\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a task left in its folder.

    `mark` names the job, or the process, that the task began as; `job` is what was handed in; `status` what the agent
    last said. `known` is False where the folder of all tasks is missing: then nothing is known of this one either.

    All of it is the account's own, which may write there what it likes: what is read here is short, and of its kind.
    """

    known: bool = True
    there: bool = False
    mark: str = ""
    job: Mapping[str, Any] | None = None
    status: Mapping[str, Any] | None = None

    def word(self, name: str) -> str:
        """Return a word of the agent's status, or else of what was handed in; empty where neither says it."""
        return tidy(str((self.status or {}).get(name) or (self.job or {}).get(name) or ""), LONGEST)

    @property
    def phase(self) -> str:
        """How far the agent says it is; empty: it said nothing yet."""
        return tidy(str((self.status or {}).get("phase") or ""), LONGEST)

    @property
    def has_ended(self) -> bool:
        """Whether the agent has said good-bye."""
        return self.phase == "ended"

    @property
    def exit_code(self) -> int | None:
        """The code that the container ended with, as the agent says."""
        code = (self.status or {}).get("exit_code")
        return code if isinstance(code, int) and 0 <= code <= LAST_CODE else None

    def moment(self, name: str) -> datetime | None:
        """Return a time of the agent's status."""
        at = (self.status or {}).get(name)
        if isinstance(at, int | float):
            with contextlib.suppress(ValueError, OverflowError, OSError):
                return datetime.fromtimestamp(at, UTC)
        return None

    @property
    def pre_stop(self) -> timedelta:
        """How long its last command may take, as it was handed in."""
        told = (self.job or {}).get("pre_stop")
        return timedelta(seconds=min(told, LONGEST_LAST)) if isinstance(told, int | float) and told > 0 else timedelta()


NOTHING_THERE = Trace()


@dataclass(frozen=True, slots=True)
class Look:
    """A look into the folders of some tasks, in one command."""

    folder: str
    tasks: tuple[TaskId, ...]

    def argv(self) -> list[str]:
        """Return the command."""
        return ["sh", "-c", LOOK, "look", self.folder, *self.tasks]

    def read(self, computing: str, done: Finished) -> Mapping[TaskId, Trace]:
        """Return what was seen of each."""
        text = _answer(computing, done)
        if text == GONE:
            return dict.fromkeys(self.tasks, Trace(known=False))
        found = {}
        for record in text.split(RECORD)[1:]:
            task, there, mark, job, status = (record.split(FIELD) + [""] * 4)[:5]
            found[task] = Trace(there=bool(there), mark=mark.strip(), job=_object(job), status=_object(status))
        if len(found) != len(self.tasks):
            raise ComputingUnreachableError(computing, "its answer was cut short")
        return found


@dataclass(frozen=True, slots=True)
class Sweep:
    """A search for all task folders of this installation."""

    folder: str

    def argv(self) -> list[str]:
        """Return the command."""
        return ["sh", "-c", SWEEP, "sweep", self.folder]

    def read(self, computing: str, done: Finished) -> Collection[TaskId]:
        """Return the tasks that have a folder."""
        text = _answer(computing, done)
        return [] if text == GONE else text.split(RECORD)[1:]


def _answer(computing: str, done: Finished) -> str:
    if done.code != 0:
        why = in_one_line(done.complaint) or f"exit code {done.code}"
        raise ComputingUnreachableError(computing, f"its folder cannot be read ({why})")
    return done.text


def _object(text: str) -> Mapping[str, Any] | None:
    """Return what a file says; None: it is not there, or is being written."""
    try:
        told = json.loads(text) if text.strip() else None
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
