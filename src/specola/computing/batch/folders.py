"""Writes to an account's folder on the shared file system, and removes what is no longer needed there."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from specola.computing.batch.accounts import Account
from specola.computing.batch.names import CREDENTIAL, ENROLMENT, JOB, MANIFEST
from specola.computing.batch.traces import Look, Sweep, Trace
from specola.computing.border import in_one_line
from specola.domain.errors import ComputingUnreachableError, NoSpaceError
from specola.domain.task import TaskId

__all__ = ["Folders"]

MOST = 200
FULL = ("no space left", "quota exceeded")
# A script of ours alone. Files come by its input: what is secret as its first line, which no program but the shell reads.
# What is cut off on the way has another size, and never gets its name.
PLACE = """\
set -eu
umask 077
mkdir -p -- "$1"
cd -- "$1"
trap 'rm -f -- ".$2.$$" ".credential.$$"' EXIT
if [ "$4" ]; then
  IFS= read -r secret
  printf %s "$secret" >".credential.$$"
fi
cat >".$2.$$"
test "$(wc -c <".$2.$$")" -eq "$3"
sync -- ".$2.$$" 2>/dev/null || sync
[ -z "$4" ] || mv -f -- ".credential.$$" "$4"
mv -f -- ".$2.$$" "$2"
"""


class Folders:
    """The files of one computing's tasks.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    seconds
        How long one command may take.
    """

    def __init__(self, *, computing: str, seconds: float) -> None:
        self._computing = computing
        self._seconds = seconds
        self._placed: set[tuple[str, str]] = set()

    async def place_agent(self, account: Account, content: bytes) -> str:
        """Return where the agent is, put there unless it is."""
        path = account.paths.agent(content)
        if (account.name, path) not in self._placed:
            if not await self.exists(account, path):
                await self.write(account, path, content, mode=0o600)
            self._placed.add((account.name, path))
        return path

    async def exists(self, account: Account, path: str) -> bool:
        """Tell whether a file is there, with something in it."""
        done = await account.host.run(["test", "-s", path], seconds=self._seconds)
        if done.code not in {0, 1}:
            raise ComputingUnreachableError(self._computing, in_one_line(done.complaint) or f"exit code {done.code}")
        return done.code == 0

    async def look(self, account: Account, tasks: Collection[TaskId]) -> Mapping[TaskId, Trace]:
        """Look into the folders of many tasks, in one command where there are not too many."""
        whole, found = sorted(tasks), dict[TaskId, Trace]()
        for start in range(0, len(whole), MOST):
            look = Look(account.paths.tasks, tuple(whole[start : start + MOST]))
            found |= look.read(self._computing, await account.host.run(look.argv(), seconds=self._seconds))
        return found

    async def sweep(self, account: Account) -> Collection[TaskId]:
        """Return the tasks that have a folder there."""
        sweep = Sweep(account.paths.tasks)
        return sweep.read(self._computing, await account.host.run(sweep.argv(), seconds=self._seconds))

    async def prepare(
        self, account: Account, task: TaskId, *, manifest: str, credential: str, enrolment: str = ""
    ) -> None:
        """Lay out a task's folder, closed to others; `enrolment` is the secret of an agent that dials out."""
        if enrolment:
            await self.write(account, account.paths.task(task, ENROLMENT), enrolment.encode())
        await self._place(account, task, MANIFEST, manifest.encode(), credential=credential)

    async def note(self, account: Account, task: TaskId, facts: Mapping[str, Any]) -> None:
        """Write down what was handed in for a task."""
        await self._place(account, task, JOB, json.dumps(dict(facts)).encode())

    async def _place(
        self, account: Account, task: TaskId, name: str, content: bytes, *, credential: str | None = None
    ) -> None:
        """Write into a task's folder in one command, which waits for fewer answers than `Host.write`."""
        secret = b"" if credential is None else f"{credential}\n".encode()
        words = [account.paths.task(task), name, str(len(content)), "" if credential is None else CREDENTIAL]
        command = ["sh", "-c", PLACE, "place", *words]
        done = await account.host.run(command, given=secret + content, seconds=self._seconds)
        if done.code != 0:
            if any(word in done.complaint.lower() for word in FULL):
                raise NoSpaceError(self._computing)
            raise ComputingUnreachableError(self._computing, in_one_line(done.complaint) or f"exit code {done.code}")

    async def read(self, account: Account, path: str) -> Mapping[str, Any] | None:
        """Return what a file of JSON says; None: it is not there, or says nothing that could be read."""
        content = await account.host.read(path)
        try:
            told = json.loads(content) if content else None
        except ValueError:
            return None
        return told if isinstance(told, dict) else None

    async def write(self, account: Account, path: str, content: bytes, *, mode: int = 0o600) -> None:
        """Write a file, whole or not at all.

        Raises
        ------
        NoSpaceError
            There is no room for it.
        """
        try:
            await account.host.write(path, content, mode=mode)
        except ComputingUnreachableError as error:
            if any(word in error.sentence.lower() for word in FULL):
                raise NoSpaceError(self._computing) from error
            raise

    async def remove(self, account: Account, task: TaskId) -> None:
        """Remove a task's folder with all that is in it, the credential first."""
        folder = account.paths.task(task)
        command = ["rm", "-rf", "--", f"{folder}/{CREDENTIAL}", f"{folder}/{ENROLMENT}", folder]
        done = await account.host.run(command, seconds=self._seconds)
        if done.code != 0:
            # What a process still writes there as it ends is removed by the second attempt.
            done = await account.host.run(command, seconds=self._seconds)
        if done.code != 0:
            raise ComputingUnreachableError(
                self._computing, f"a folder cannot be removed ({in_one_line(done.complaint)})"
            )
