"""The parts of one batch computing, put together; the only page that knows them all."""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

from specola.clock import Clock
from specola.computing.batch.accounts import Account, Accounts
from specola.computing.batch.arrivals import Arrivals
from specola.computing.batch.asking import Asking
from specola.computing.batch.board import Board
from specola.computing.batch.config import BatchSettings, SchedulerKind
from specola.computing.batch.folders import Folders
from specola.computing.batch.launching import Launcher
from specola.computing.batch.looks import Looks
from specola.computing.batch.names import Names
from specola.computing.batch.outward import Dialling
from specola.computing.batch.parcel import parcel
from specola.computing.batch.prober import Prober
from specola.computing.batch.processes import ProcessScheduler
from specola.computing.batch.reaching import Reaching
from specola.computing.batch.scheduling import Scheduler
from specola.computing.batch.slurm import SlurmScheduler
from specola.computing.batch.stopping import Stopper
from specola.computing.inside.fileserver import FileServer
from specola.computing.registries import Reach, Registry
from specola.domain.computing import Handle
from specola.domain.errors import ComputingUnreachableError

__all__ = ["Parts"]

HELPER = Path("/bin/busybox")
FILE_SERVER = Path("/usr/lib/openssh/sftp-server")

LOST_AFTER = {SchedulerKind.SLURM: timedelta(seconds=30), SchedulerKind.NONE: timedelta(seconds=0.5)}
"""How long scheduler and books have not to know a job, both answering, until it counts as lost.

Books are written late. Without a scheduler, folders are read before processes: who is missing there twice, has ended.
"""


class Parts:
    """See the modules of the parts.

    Parameters
    ----------
    changed
        Called with a task's handle when its agent says that something changed.
    dialling
        What agents need that dial out to the platform; None: they do not.
    arrivals
        What they have opened to this process; None: they come to another one.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only: what each part needs
        self,
        *,
        computing: str,
        settings: BatchSettings,
        names: Names,
        accounts: Accounts,
        clock: Clock,
        data: Path,
        changed: Callable[[Handle], None],
        dialling: Dialling | None,
        arrivals: Arrivals | None,
    ) -> None:
        self._computing = computing
        self._settings = settings
        self._names = names
        self._accounts = accounts
        self._clock = clock
        self._asking: dict[str, Asking] = {}
        agent = agent_content()
        self.scheduler = self._scheduler()
        self.registry = Registry(Reach(settings.insecure_registries))
        self.folders = Folders(computing=computing, seconds=settings.answer)
        self.stopper = Stopper(computing, self.scheduler, clock)
        self.looks = Looks(
            computing=computing,
            settings=settings,
            scheduler=self.scheduler,
            names=names,
            folders=self.folders,
            clock=clock,
            agent=agent,
        )
        self.reaching = Reaching(
            computing=computing,
            settings=settings,
            names=names,
            folders=self.folders,
            agent=agent,
            arrivals=arrivals,
            changed=changed,
        )
        self.launcher = Launcher(
            computing=computing,
            settings=settings,
            names=names,
            accounts=accounts,
            scheduler=self.scheduler,
            folders=self.folders,
            looks=self.looks,
            registry=self.registry,
            board=self.board,
            clock=clock,
            locks=data / "launching",
            agent=agent,
            dialling=dialling,
        )
        self.prober = Prober(
            computing=computing,
            settings=settings,
            scheduler=self.scheduler,
            looks=self.looks,
            clock=clock,
            anyone=self.anyone,
            leads=self.reaching.sessions.leads,
        )

    async def asking(self, name: str) -> Asking:
        """Return what asks about the tasks of an account."""
        return self._of(await self._accounts.get(name))

    def board(self, account: Account) -> Board:
        """Return the board of an account."""
        return self._of(account).board

    def doubt(self, name: str) -> None:
        """Ask the scheduler anew about an account's jobs, if it was asked at all."""
        if name in self._asking:
            self._asking[name].board.doubt()

    async def anyone(self) -> Account:
        """Return one of the accounts that tasks may run as.

        Raises
        ------
        ComputingUnreachableError
            Nobody here has one.
        """
        names = await self._accounts.names()
        if not names:
            raise ComputingUnreachableError(self._computing, "nobody has linked an account there yet")
        return await self._accounts.get(names[0])

    async def close(self) -> None:
        """Close sessions and connections."""
        await self.reaching.close()
        await self.registry.close()

    def _of(self, account: Account) -> Asking:
        known = self._asking.get(account.name)
        if known is None:
            kind = self._settings.scheduler
            known = self._asking[account.name] = Asking(
                account=account,
                names=self._names,
                scheduler=self.scheduler,
                folders=self.folders,
                clock=self._clock,
                interval=self._settings.question_interval,
                patience=LOST_AFTER[kind],
                books=kind is SchedulerKind.SLURM,
            )
        return known

    def _scheduler(self) -> Scheduler:
        computing, settings = self._computing, self._settings
        if settings.scheduler is SchedulerKind.NONE:
            return ProcessScheduler(computing=computing, seconds=settings.answer, names=self._names, clock=self._clock)
        return SlurmScheduler(computing=computing, seconds=settings.answer, path=settings.path)


@cache
def agent_content() -> bytes:
    """Return the agent as one file; packed once, since that takes a moment."""
    return parcel(helper=HELPER, files=FileServer(FILE_SERVER)).content
