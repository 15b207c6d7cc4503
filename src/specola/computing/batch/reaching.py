"""Connections to the agents of running tasks."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from specola.computing.batch.arrivals import Arrivals
from specola.computing.batch.asking import Asking
from specola.computing.batch.config import BatchSettings, SchedulerKind, WayChoice
from specola.computing.batch.folders import Folders
from specola.computing.batch.names import Names, Ticket
from specola.computing.batch.observing import chosen
from specola.computing.batch.scheduling import JobState
from specola.computing.batch.session import RefusedError, Session
from specola.computing.batch.sessions import Sessions
from specola.computing.batch.traces import Trace
from specola.computing.batch.ways import Direct, Forward, Outward, Relay, Way, Whereabouts
from specola.domain.computing import Handle, Phase
from specola.domain.errors import ComputingUnreachableError, TaskNotRunningError

__all__ = ["Reaching", "ladder"]

USUAL_PATH = "/usr/local/bin:/usr/bin:/bin"
BEGUN = frozenset({"starting", "pulling", "running"})


def ladder(settings: BatchSettings, arrivals: Arrivals | None) -> Sequence[Way]:
    """Return the ways that may lead to tasks, the best first.

    Parameters
    ----------
    arrivals
        What agents have opened to this process; None: they come to another one.
    """
    # The last one: what is a relay of the site's own network or a step of the job needs no way out of the nodes.
    outward = (Outward(arrivals),) if settings.dials_out and arrivals is not None else ()
    if settings.way is WayChoice.OUTWARD:
        return outward
    if settings.scheduler is SchedulerKind.NONE:
        return (Direct(), Relay(launcher=None, python=settings.python), *outward)
    path = (f"PATH={':'.join((*settings.path, USUAL_PATH))}",) if settings.path else ()
    launcher = ("env", "LC_ALL=C", *path, "srun")
    relay = Relay(launcher=launcher, python=settings.python)
    if settings.way is WayChoice.RELAY:
        return (relay, *outward)
    if settings.way is WayChoice.FORWARD:
        return (Forward(), *outward)
    # A step ends with its own job. A connection by SSH is one for all tasks on a node, and pam_slurm_adopt has it end with
    # one of the account's jobs there, whichever it chose: quicker, but another task's end may break it.
    return (relay, Forward(), *outward)


class Reaching:
    """Finds out where a task is, once, and keeps a session to it.

    Parameters
    ----------
    agent
        The agent's content, which tells where its file is.
    arrivals
        What agents have opened to this process; None: they come to another one.
    changed
        Called with a task's handle when its agent says that something changed, and when the connection to it breaks.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only: what it asks, and what it is told
        self,
        *,
        computing: str,
        settings: BatchSettings,
        names: Names,
        folders: Folders,
        agent: bytes,
        arrivals: Arrivals | None,
        changed: Callable[[Handle], None],
    ) -> None:
        self._computing = computing
        self._settings = settings
        self._names = names
        self._folders = folders
        self._agent = agent
        self.sessions = Sessions(computing=computing, ways=ladder(settings, arrivals), changed=changed)

    @asynccontextmanager
    async def session(self, handle: Handle, asking: Callable[[Ticket], Awaitable[Asking]]) -> AsyncIterator[Session]:
        """Have a session to a running task; what breaks in the body becomes one of our errors.

        Raises
        ------
        TaskNotRunningError
            The task has ended, or not begun.
        ComputingUnreachableError
            Its agent is not reached, or the connection to it broke.
        """
        session = self.sessions.open_one(handle)
        if session is None:
            session = await self._opened(handle, asking)
        try:
            yield session
        except RefusedError as error:
            raise ComputingUnreachableError(self._computing, str(error).rstrip(".")) from error
        except ConnectionRefusedError as error:
            raise ComputingUnreachableError(self._computing, str(error).rstrip(".")) from error
        except OSError as error:
            if await self._is_over(handle, asking):
                raise TaskNotRunningError from error
            raise ComputingUnreachableError(
                self._computing, f"the connection to the task broke ({str(error).rstrip('.')})"
            ) from error

    async def close(self) -> None:
        """Close all sessions; tasks go on."""
        await self.sessions.close()

    async def drop(self, handle: Handle) -> None:
        """Close the session of one task."""
        with contextlib.suppress(OSError):
            await self.sessions.drop(handle)

    async def _opened(self, handle: Handle, asking: Callable[[Ticket], Awaitable[Asking]]) -> Session:
        """Open a session by what the task's agent said last; the scheduler is asked only where that leads nowhere.

        So tasks are reached while a controller does not answer. An agent that was killed said no farewell: that its task
        has ended is known from the scheduler alone.
        """
        ticket = self._names.ticket(handle)
        if ticket is None:
            raise TaskNotRunningError
        one = await asking(ticket)
        if one.is_over(ticket.task):
            raise TaskNotRunningError
        where = await self._where(one, ticket, handle)
        try:
            return await self.sessions.get(handle, where)
        except ComputingUnreachableError:
            if await self._is_over(handle, asking):
                raise TaskNotRunningError from None
            raise

    async def _is_over(self, handle: Handle, asking: Callable[[Ticket], Awaitable[Asking]]) -> bool:
        ticket = self._names.ticket(handle)
        if ticket is None:
            return True
        seen = (await (await asking(ticket)).observe([ticket.task]))[ticket.task]
        return seen.phase in {Phase.ENDED, Phase.FORGOTTEN}

    async def _where(self, one: Asking, ticket: Ticket, handle: Handle) -> Whereabouts:
        trace = (await self._folders.look(one.account, [ticket.task]))[ticket.task]
        sockets = trace.word("sockets")
        if trace.phase not in BEGUN or not sockets:
            raise TaskNotRunningError
        job, node = await self._job(one, ticket, trace)
        agent = one.account.paths.agent(self._agent)
        return Whereabouts(handle=handle, account=one.account, job=job, node=node, sockets=sockets, agent=agent)

    async def _job(self, asking: Asking, ticket: Ticket, trace: Trace) -> tuple[str, str]:
        """Return job and node of a task that began: as its agent says, and where it says too little, the scheduler."""
        noted: Mapping[str, object] = trace.job or {}
        job, node = trace.mark or str(noted.get("id") or ""), trace.word("node")
        if job and node:
            return job, node
        entry = chosen(trace, (await asking.board.look()).get(self._names.job(ticket.task), ()))
        if entry is None or entry.state is JobState.ENDED:
            raise TaskNotRunningError
        return entry.id, node or entry.node
