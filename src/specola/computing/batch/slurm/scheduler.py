"""Slurm as a scheduler."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from specola.computing.batch.errors import AmbiguousError
from specola.computing.batch.scheduling import Entry, Job, Limits
from specola.computing.batch.slurm.cluster import Associations, Configuration, Nodes, Version
from specola.computing.batch.slurm.commands import Cancel, History, Queue, Submit, by_name, chunks
from specola.computing.batch.slurm.complaints import answered, cancelled, submitted
from specola.domain.errors import ComputingUnreachableError
from specola.ports.hosts import Finished, Host

__all__ = ["SlurmScheduler"]


class SlurmScheduler:
    """Drives Slurm by its command line, as the account whose jobs they are.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    seconds
        How long one command may take.
    path
        Folders that Slurm's programs are in, beside the usual ones.
    """

    def __init__(self, *, computing: str, seconds: float, path: Sequence[str] = ()) -> None:
        self._computing = computing
        self._seconds = seconds
        self._path = tuple(path)

    async def submit(self, host: Host, job: Job) -> str:
        """Hand a job in by `sbatch`; return its id."""
        order = Submit(job)
        argv = order.argv()
        try:
            done = await self._run(host, argv, given=order.script())
        except ComputingUnreachableError as error:
            raise AmbiguousError(error.sentence.rstrip(".")) from error
        return submitted(self._computing, done)

    async def ask(self, host: Host, account: str) -> Mapping[str, Sequence[Entry]]:
        """Ask `squeue` once for all jobs of an account."""
        question = Queue(account)
        return by_name(question.read(answered(self._computing, await self._run(host, question.argv()))))

    async def recall(self, host: Host, account: str, names: Collection[str]) -> Mapping[str, Sequence[Entry]]:
        """Ask `sacct` once for jobs by their names."""
        found: dict[str, Sequence[Entry]] = {}
        for some in chunks(names):
            question = History(account, some)
            found |= by_name(question.read(answered(self._computing, await self._run(host, question.argv()))))
        return found

    async def cancel(self, host: Host, job: str, *, gently: bool) -> None:
        """Ask `scancel` to signal a job's first process, or to end the job."""
        cancelled(self._computing, await self._run(host, Cancel(job, gently).argv()))

    async def limits(self, host: Host, account: str) -> Limits:
        """Ask for version, partitions, and what use can be booked on."""
        version, nodes, projects, configuration = Version(), Nodes(), Associations(account), Configuration()
        first, second, third, fourth = await asyncio.gather(
            *(self._run(host, one.argv()) for one in (version, nodes, projects, configuration))
        )
        return Limits(
            product="slurm",
            version=version.read(answered(self._computing, first)),
            partitions=nodes.read(answered(self._computing, second)),
            # A cluster without accounting has nothing to book on, and says so as an error.
            projects=projects.read(third.text) if third.code == 0 else (),
            kill_wait=configuration.kill_wait(answered(self._computing, fourth)),
        )

    async def _run(self, host: Host, argv: Sequence[str], *, given: bytes = b"") -> Finished:
        return await host.run([*self._more(), *argv], given=given, seconds=self._seconds)

    def _more(self) -> list[str]:
        usual = "/usr/local/bin:/usr/bin:/bin"
        return ["env", f"PATH={':'.join([*self._path, usual])}"] if self._path else []
