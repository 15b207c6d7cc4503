"""The questions of a probe."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from specola.clock import Clock
from specola.computing.batch.accounts import Account
from specola.computing.batch.config import BatchSettings
from specola.computing.batch.images import SIF
from specola.computing.batch.looks import Looks
from specola.computing.batch.probing import Facts, described
from specola.computing.batch.scheduling import Scheduler
from specola.computing.border import in_one_line
from specola.domain.computing import Finding, Probe
from specola.domain.errors import ComputingUnreachableError, LaunchError

__all__ = ["Prober"]

# A script of ours alone: time, room, whether something can be written and removed again, how many images there are.
ASK = """
date +%s.%N
mkdir -p "$1" 2>&1 && chmod 700 "$1" && : 2>/dev/null >"$1/.try" && rm "$1/.try" && echo writable || echo closed
df -Pk "$1" 2>/dev/null | tail -n 1 | awk '{print $4}'
ls -d "$2"/*/"$3" 2>/dev/null | wc -l
"""


@dataclass(frozen=True, slots=True)
class Prober:
    """Asks one computing what it is.

    Parameters
    ----------
    anyone
        Gives an account to ask with.
    leads
        Tells whether a way led to tasks of an account lately.
    """

    computing: str
    settings: BatchSettings
    scheduler: Scheduler
    looks: Looks
    clock: Clock
    anyone: Callable[[], Awaitable[Account]]
    leads: Callable[[str, str], bool | None]

    async def probe(self, *, seconds: float) -> Probe:
        """Ask everything at once; the job that looks at a node may take `seconds`."""
        account = await self.anyone()
        limits, here = await asyncio.gather(self.scheduler.limits(account.host, account.user), self._here(account))
        skew, writable, complaint, free, images = here
        node, findings = (None, ()) if not writable else await self._node(account, seconds)
        facts = Facts(
            limits=limits,
            machine=account.machine,
            node=node,
            writable=writable,
            complaint=complaint,
            free=free,
            skew=skew,
            images=images,
            forward=self.leads(account.name, "forward"),
            findings=findings,
        )
        return described(facts, self.settings)

    async def _node(self, account: Account, seconds: float) -> tuple["dict[str, object] | None", tuple[Finding, ...]]:
        try:
            told = await self.looks.look(account, seconds=seconds)
        except LaunchError as error:
            refused = Finding(code="job_refused", sentence=error.sentence, hint=error.hint, serious=True)
            return None, (refused,)
        return (None if told is None else dict(told)), ()

    async def _here(self, account: Account) -> tuple[float | None, bool, str, int | None, int | None]:
        before = self.clock.now().timestamp()
        command = ["sh", "-c", ASK, "ask", account.paths.folder, account.paths.images, SIF]
        done = await account.host.run(command, seconds=self.settings.answer)
        after = self.clock.now().timestamp()
        lines = done.text.split("\n")
        if not lines[0]:
            raise ComputingUnreachableError(self.computing, in_one_line(done.complaint) or "it says nothing")
        told = [line.strip() for line in lines[1:] if line.strip()]
        numbers = [int(line) for line in told if line.isdecimal()]
        return (
            _skew(lines[0], before, after),
            "writable" in told,
            in_one_line(" ".join(line for line in told if line not in {"writable", "closed"} and not line.isdecimal())),
            numbers[0] * 1024 if len(numbers) > 1 else None,
            numbers[-1] if numbers else None,
        )


def _skew(text: str, before: float, after: float) -> float | None:
    """Return by how much a clock is ahead that was read between two moments; half their distance is not known."""
    try:
        there = float(text)
    except ValueError:
        return None
    return round(there - (before + after) / 2, 1)
