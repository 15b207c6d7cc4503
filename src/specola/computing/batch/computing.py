"""The verbs of a computing of kind `batch`."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from specola.clock import Clock
from specola.computing.batch.accounts import Accounts
from specola.computing.batch.arrivals import Arrivals
from specola.computing.batch.asking import Asking
from specola.computing.batch.config import BatchSettings, RuntimeChoice
from specola.computing.batch.errors import asking
from specola.computing.batch.images import Shelf
from specola.computing.batch.kept import kept_lines
from specola.computing.batch.names import Names, Ticket
from specola.computing.batch.outward import dialling
from specola.computing.batch.parts import Parts
from specola.computing.batch.probing import unseen
from specola.computing.batch.session import Session
from specola.computing.crowd import Crowd, heard
from specola.domain.budget import Budget
from specola.domain.computing import (
    Handle,
    ImageDetails,
    Launch,
    LogLine,
    Observation,
    Phase,
    Probe,
    Terminal,
    Usage,
)
from specola.domain.errors import ComputingUnreachableError, TaskNotRunningError
from specola.domain.reference import ImageReference
from specola.domain.task import TaskId
from specola.ports.computing import NOTHING, Report, Running, Stream
from specola.ports.hosts import Hosts

__all__ = ["BatchComputing"]

AnswerT = TypeVar("AnswerT")
# How many tasks are measured at the same time.
WIDTH = 16
# Seconds that one of them has for an answer.
MEASURING = 4.0
# Seconds within which the scheduler tells of the end of a task whose agent broke off.
BREAKS_OFF = 3.0
FORCED = 137  # 128 + SIGKILL


class BatchComputing:
    """Tasks are jobs of a scheduler, or processes of an account; the handle of a task is its account and its job's name.

    Parameters
    ----------
    platform
        The platform's own address, for agents that dial out.
    awaits_agents
        Whether such agents come to this process.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only: what all computings share
        self,
        *,
        name: str,
        settings: BatchSettings,
        installation: str,
        data: Path,
        clock: Clock,
        hosts: Hosts | None,
        platform: str = "",
        awaits_agents: bool = False,
    ) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._names = Names(installation)
        self._accounts = Accounts(computing=name, settings=settings, hosts=hosts, installation=installation)
        dials = dialling(settings, platform, data)
        self._arrivals = Arrivals() if dials and awaits_agents else None
        self._parts = Parts(
            computing=name,
            settings=settings,
            names=self._names,
            accounts=self._accounts,
            clock=clock,
            data=data,
            changed=self._changed,
            dialling=dials,
            arrivals=self._arrivals,
        )
        self._expecting = asyncio.Semaphore(WIDTH)
        self._crowd = Crowd(name, clock=clock)
        self._watching: set[asyncio.Queue[Handle]] = set()
        self._last: dict[Handle, Observation] = {}

    async def probe(self, budget: Budget) -> Probe:
        """Ask the scheduler what there is, and a compute node, by a small job once a day, what it is like."""
        async with budget.spend(), asking(self.name):
            if not await self._accounts.names():
                return unseen(self._settings)
            return await self._parts.prober.probe(seconds=min(budget.left() / 2, self._settings.answer))

    async def launch(self, launch: Launch, *, report: Report, budget: Budget) -> Handle:
        """Hand a job in, or find it handed in under this task's name."""
        async with budget.spend(), asking(self.name):
            return await self._parts.launcher.launch(launch, report=report)

    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """Look at all tasks of each account in one question; a scheduler is asked once in its interval."""
        tickets = {handle: self._names.ticket(handle) for handle in handles}
        seen = {handle: Observation.forgotten() for handle, ticket in tickets.items() if ticket is None}
        groups: defaultdict[str, dict[TaskId, Handle]] = defaultdict(dict)
        for handle, ticket in tickets.items():
            if ticket is not None:
                groups[ticket.account][ticket.task] = handle
        # One account that cannot be asked says nothing of the others; but nothing at all is no answer.
        answers = await self._crowd.ask(groups, lambda account: self._observe(account, groups[account]))
        for account, answer in answers.items():
            for task, handle in groups[account].items():
                if isinstance(answer, ComputingUnreachableError):
                    seen[handle] = self._unseen(handle, answer)
                else:
                    seen[handle] = self._last[handle] = answer[task]
        return seen

    async def stop(self, handle: Handle, *, grace: timedelta) -> None:
        """Ask the task's agent to end it, wait, then cancel the job."""
        ticket = self._names.ticket(handle)
        if ticket is None:
            return
        async with asking(self.name):
            one = await self._asking(ticket)

            async def session() -> Session | None:
                with contextlib.suppress(ComputingUnreachableError, TaskNotRunningError):
                    async with self._session(handle) as found:
                        return found
                return None

            trace = (await self._parts.folders.look(one.account, [ticket.task]))[ticket.task]
            await self._parts.stopper.stop(one, ticket.task, grace=grace, last=trace.pre_stop, session=session)
            await self._parts.reaching.drop(handle)
            one.forget(ticket.task)

    async def remove(self, handle: Handle) -> None:
        """End what is left of the job, and remove its folder with the credential in it."""
        ticket = self._names.ticket(handle)
        if ticket is None:
            return
        async with asking(self.name):
            one = await self._asking(ticket)
            await self._parts.reaching.drop(handle)
            await self._parts.stopper.end(one, ticket.task)
            await self._parts.folders.remove(one.account, ticket.task)
            one.forget(ticket.task)
            self._last.pop(handle, None)

    async def discover(self) -> Mapping[TaskId, Handle]:
        """Find the tasks that have a folder, or a job that lives, in all accounts that can be asked."""
        async with asking(self.name, seconds=self._settings.answer * 2):
            names = await self._accounts.names()
        found = heard(await self._crowd.ask(names, self._discover))
        return {task: handle for some in found.values() for task, handle in some.items()}

    async def dial(self, handle: Handle, port: int) -> Stream:
        """Connect to a port of the task's own loopback, through its agent."""
        try:
            async with asking(self.name), self._session(handle) as session:
                return await session.dial(port)
        except TaskNotRunningError as error:
            raise ComputingUnreachableError(self.name, "the task is not running") from error

    async def close(self) -> None:
        """Close the sessions to agents and the connections to registries; tasks go on."""
        if self._arrivals is not None:
            await self._arrivals.close()
        await self._parts.close()

    async def watch(self) -> AsyncIterator[Handle]:
        """Yield what agents tell of while their sessions are open, and what looks different at each interval."""
        news: asyncio.Queue[Handle] = asyncio.Queue()
        self._watching.add(news)
        polling = asyncio.create_task(self._poll(news))
        try:
            while True:
                waiting = asyncio.create_task(news.get())
                try:
                    await asyncio.wait({waiting, polling}, return_when=asyncio.FIRST_COMPLETED)
                    if not waiting.done():
                        await polling
                    yield await waiting
                finally:
                    waiting.cancel()
        finally:
            self._watching.discard(news)
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)

    async def logs(self, handle: Handle, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield what the task wrote: as its agent tells while it runs, as its folder has it afterwards."""
        ticket = self._names.ticket(handle)
        if ticket is None:
            return
        told = 0
        try:
            async with asking(self.name), self._session(handle) as session:
                async for line in session.logs(follow=follow, tail=tail):
                    told += 1
                    yield line
                return
        except TaskNotRunningError:
            pass
        except ComputingUnreachableError:
            # The agent of a task that was killed says no farewell; the scheduler tells a moment later.
            if not await self._ends(handle):
                raise
        if told and tail is not None:
            return
        async with asking(self.name):
            account = (await self._asking(ticket)).account
            async for line in kept_lines(account, ticket.task, tail=tail, after=told):
                yield line

    async def usage(self, handles: Collection[Handle]) -> Mapping[Handle, Usage]:
        """Have the agents of the running ones measure, a number of them at the same time."""
        width = asyncio.Semaphore(WIDTH)

        async def one(handle: Handle) -> Usage | None:
            async with width, asyncio.timeout(MEASURING):
                with contextlib.suppress(TaskNotRunningError):
                    async with self._session(handle) as session:
                        return await session.usage()
                return None

        return _known(await self._each(handles, one))

    async def listening(self, handles: Collection[Handle]) -> Mapping[Handle, Mapping[int, bool]]:
        """Have the agents of the running ones look, a number of them at the same time."""
        width = asyncio.Semaphore(WIDTH)

        async def one(handle: Handle) -> Mapping[int, bool] | None:
            async with width, asyncio.timeout(MEASURING):
                with contextlib.suppress(TaskNotRunningError):
                    async with self._session(handle) as session:
                        return await session.ports()
                return None

        return _known(await self._each(handles, one))

    async def inspect_image(self, reference: str, budget: Budget) -> ImageDetails:
        """Read an image's details from its registry, and look whether it is converted on the computing already."""
        wanted = ImageReference.parse(reference)
        async with budget.spend(), asking(self.name):
            account = await self._parts.anyone()
            details = await self._parts.registry.inspect(wanted, machine=account.machine)
            if not details.digest or self._settings.runtime is RuntimeChoice.PODMAN:
                # Podman keeps images on the nodes, each its own.
                return replace(details, cached=False)
            shelf = Shelf.of(account.paths, digest=details.digest, architecture=details.architecture)
            return replace(details, cached=await self._parts.folders.exists(account, shelf.sif))

    async def execute(
        self,
        handle: Handle,
        command: Sequence[str],
        *,
        terminal: Terminal | None = None,
        environment: Mapping[str, str] = NOTHING,
    ) -> Running:
        """Have the task's agent start a command in it."""
        async with asking(self.name), self._session(handle) as session:
            lost = partial(self._lost, handle)
            return await session.execute(command, terminal=terminal, environment=environment, lost=lost)

    async def files(self, handle: Handle) -> Stream:
        """Have the task's agent start OpenSSH's server of files in it."""
        async with asking(self.name), self._session(handle) as session:
            return await session.files()

    async def tell(self, handle: Handle, text: str) -> None:
        """Have the task's agent show a line on the task's terminals."""
        with contextlib.suppress(TaskNotRunningError):
            async with asking(self.name), self._session(handle) as session:
                await session.tell(text)

    async def expects(self, handle: Handle) -> bool:
        """Tell whether the agent of a task may come: it was told to, and the task has not ended as far as is known."""
        ticket = self._names.ticket(handle)
        if ticket is None or self._arrivals is None:
            return False
        async with self._expecting:
            try:
                seen = (await self.observe([handle]))[handle]
            except ComputingUnreachableError:
                # Its secret was right, and that nobody can be asked ends no task.
                return True
        return seen.phase not in {Phase.ENDED, Phase.FORGOTTEN}

    async def welcome(self, handle: Handle, stream: Stream) -> None:
        """Keep a connection that the agent of a task has opened, for as long as it lasts."""
        if self._arrivals is None:
            await stream.close()
            return
        await self._arrivals.welcome(handle, stream)

    # -- helpers ------------------------------------------------------------------------------------------------------

    async def _lost(self, handle: Handle) -> int:
        """Return the exit code of a command whose connection broke: it ended with its task, or cannot be told."""
        if await self._ends(handle):
            return FORCED
        raise ComputingUnreachableError(self.name, "the connection to the command broke")

    def _session(self, handle: Handle) -> AbstractAsyncContextManager[Session]:
        return self._parts.reaching.session(handle, self._asking)

    async def _asking(self, ticket: Ticket) -> Asking:
        return await self._parts.asking(ticket.account)

    async def _observe(self, account: str, tasks: Mapping[TaskId, Handle]) -> Mapping[TaskId, Observation]:
        async with asking(self.name, seconds=self._settings.answer * 3):
            return await (await self._parts.asking(account)).observe(tasks)

    def _unseen(self, handle: Handle, failure: ComputingUnreachableError) -> Observation:
        """Say of a task whose account cannot be asked, while others can, what was said of it before."""
        unknown = Observation(phase=Phase.CREATED, reason=failure.code, sentence=failure.sentence)
        return self._last.get(handle, unknown)

    async def _discover(self, name: str) -> Mapping[TaskId, Handle]:
        async with asking(self.name, seconds=self._settings.answer * 2):
            one = await self._parts.asking(name)
            folders, jobs = await asyncio.gather(self._parts.folders.sweep(one.account), one.live())
        return {task: self._names.handle(name, task) for task in {*folders, *jobs}}

    async def _ends(self, handle: Handle) -> bool:
        """Wait a moment for a task to end whose agent broke off; tell whether it has."""
        end = self._clock.monotonic() + BREAKS_OFF
        while (await self.observe([handle]))[handle].phase not in {Phase.ENDED, Phase.FORGOTTEN}:
            if self._clock.monotonic() > end:
                return False
            await self._clock.sleep(BREAKS_OFF / 10)
        return True

    async def _each(
        self, handles: Collection[Handle], ask: Callable[[Handle], Awaitable[AnswerT | None]]
    ) -> Mapping[Handle, AnswerT | None]:
        """Ask the agents of many tasks; those that are not reached are left out, unless none is."""
        found: dict[Handle, AnswerT | None] = {}
        failure: BaseException | None = None
        async with asking(self.name):
            answers = await asyncio.gather(*map(ask, handles), return_exceptions=True)
            for handle, answer in zip(handles, answers, strict=True):
                if isinstance(answer, ComputingUnreachableError | TimeoutError):
                    failure = answer
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    found[handle] = answer
            if failure is not None and all(answer is None for answer in found.values()):
                raise failure
        return found

    def _changed(self, handle: Handle) -> None:
        """Note that something happened to a task, and tell whoever watches."""
        ticket = self._names.ticket(handle)
        if ticket is not None:
            self._parts.doubt(ticket.account)
        for news in self._watching:
            news.put_nowait(handle)

    async def _poll(self, news: "asyncio.Queue[Handle]") -> None:
        """Compare, at each interval, what is seen with what was seen before."""
        before: Mapping[Handle, Observation] | None = None
        while True:
            now = await self.observe(list((await self.discover()).values()))
            if before is not None:
                for handle in {*before, *now}:
                    if before.get(handle) != now.get(handle):
                        news.put_nowait(handle)
            before = now
            await asyncio.sleep(self._settings.question_interval)


def _known(answers: Mapping[Handle, AnswerT | None]) -> dict[Handle, AnswerT]:
    return {handle: answer for handle, answer in answers.items() if answer is not None}
