"""A host without a scheduler, as a scheduler."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from specola.clock import Clock
from specola.computing.batch.errors import AmbiguousError
from specola.computing.batch.names import Names
from specola.computing.batch.processes.commands import Listing, Signal, Start
from specola.computing.batch.scheduling import Entry, Job, Limits
from specola.computing.border import in_one_line
from specola.domain.errors import ComputingUnreachableError, LaunchError
from specola.ports.hosts import Finished, Host

__all__ = ["ProcessScheduler"]


class ProcessScheduler:
    """Starts agents as processes of their own session; they are found again by the folder of their task.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    seconds
        How long one command may take.
    """

    def __init__(self, *, computing: str, seconds: float, names: Names, clock: Clock) -> None:
        self._computing = computing
        self._seconds = seconds
        self._names = names
        self._clock = clock

    async def submit(self, host: Host, job: Job) -> str:
        """Start a process; return its number."""
        order = Start(job)
        try:
            done = await host.run(order.argv(), seconds=self._seconds)
        except ComputingUnreachableError as error:
            raise AmbiguousError(error.sentence.rstrip(".")) from error
        number = done.text.strip()
        if done.code == 0 and number.isdecimal():
            return number
        if done.code == 3:
            raise LaunchError(f"The host did not start it: {in_one_line(done.complaint)}.", code="refused")
        raise AmbiguousError(in_one_line(done.complaint) or f"exit code {done.code} without a word")

    async def ask(self, host: Host, account: str) -> Mapping[str, Sequence[Entry]]:
        """Look through the account's processes."""
        listing = Listing(account)
        done = await host.run(listing.argv(), seconds=self._seconds)
        self._check(done)
        found: dict[str, list[Entry]] = {}
        for entry in listing.read(done.text, self._names, now=self._clock.now()):
            found.setdefault(entry.name, []).append(entry)
        return found

    async def recall(self, host: Host, account: str, names: Collection[str]) -> Mapping[str, Sequence[Entry]]:  # noqa: ARG002 -- no books are kept
        """Tell nothing: what has ended is told by its folder alone."""
        return {}

    async def cancel(self, host: Host, job: str, *, gently: bool) -> None:
        """Ask an agent to end, or kill it; a number that is another process's by now is left alone."""
        self._check(await host.run(Signal(job, "TERM" if gently else "KILL").argv(), seconds=self._seconds))

    async def limits(self, host: Host, account: str) -> Limits:  # noqa: ARG002 -- nothing is asked
        """Tell that there is no scheduler."""
        return Limits(product="none", version="", kill_wait=timedelta(seconds=30))

    def _check(self, done: Finished) -> None:
        if done.code != 0:
            why = in_one_line(done.complaint) or f"exit code {done.code}"
            raise ComputingUnreachableError(self._computing, f"its processes cannot be seen ({why})")
