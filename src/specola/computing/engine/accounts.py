"""Engines of people's own accounts on one host, each without root, as one computing."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from specola.clock import Clock
from specola.computing.crowd import Crowd, heard
from specola.computing.engine.computing import EngineComputing
from specola.domain.budget import Budget
from specola.domain.computing import (
    Finding,
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
from specola.domain.errors import ComputingUnreachableError, LaunchError, TaskNotRunningError
from specola.domain.task import TaskId
from specola.ports.computing import NOTHING, Report, Running, Stream
from specola.ports.hosts import Hosts

__all__ = ["AccountEngines"]

AnswerT = TypeVar("AnswerT")
Open = Callable[[str], EngineComputing]
# Seconds that the tasks of one account have to be measured, of several.
MEASURING = 4.0
NOBODY = Probe(
    product="none",
    version="",
    architectures=(),
    cpus=0.0,
    memory=0,
    capabilities=frozenset(),
    findings=(
        Finding(
            code="no_account",
            sentence="Nobody has linked an account there yet, so nothing could be asked.",
            hint="Link yours on your account's page, then test again.",
            serious=True,
        ),
    ),
)


class AccountEngines:
    """Tasks are containers of the engine of their owner's account; a handle is that account and the container's name.

    Parameters
    ----------
    hosts
        Tells whose accounts there are.
    opened
        Opens the engine of an account, without asking anything of it.
    """

    def __init__(self, *, name: str, hosts: Hosts, opened: Open, clock: Clock) -> None:
        self.name = name
        self._crowd = Crowd(name, clock=clock)
        self._hosts = hosts
        self._open = opened
        self._engines: dict[str, EngineComputing] = {}
        self._more = asyncio.Event()

    async def probe(self, budget: Budget) -> Probe:
        """Ask the engine of the first account that answers."""
        accounts = await self._accounts()
        if not accounts:
            return NOBODY
        return await self._any(accounts, lambda engine: engine.probe(budget))

    async def launch(self, launch: Launch, *, report: Report, budget: Budget) -> Handle:
        """Start a container as its owner's account."""
        if not launch.account:
            raise LaunchError(
                f"You have no account on “{self.name}” yet.",
                hint="Link your account there to the platform, then run it again.",
                code="account_missing",
            )
        engine = self._engine(launch.account)
        return f"{launch.account}/{await engine.launch(launch, report=report, budget=budget)}"

    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """Look at all tasks of each account in one question.

        An account that cannot be asked says nothing of the others; but if none can, nothing was learnt.
        """
        groups = self._grouped(handles)
        seen = dict.fromkeys(handles, Observation.forgotten())
        answers = await self._crowd.ask(groups, lambda account: self._engine(account).observe(groups[account]))
        for account, answer in answers.items():
            if isinstance(answer, ComputingUnreachableError):
                unseen = Observation(phase=Phase.CREATED, reason=answer.code, sentence=answer.sentence)
                seen |= {f"{account}/{name}": unseen for name in groups[account]}
            else:
                seen |= {f"{account}/{name}": one for name, one in answer.items()}
        return seen

    async def stop(self, handle: Handle, *, grace: timedelta) -> None:
        """Ask the container's first process to end, wait, then kill."""
        account, name = _split(handle)
        if account:
            await self._engine(account).stop(name, grace=grace)

    async def remove(self, handle: Handle) -> None:
        """Remove the container and what belongs to it."""
        account, name = _split(handle)
        if account:
            await self._engine(account).remove(name)

    async def discover(self) -> Mapping[TaskId, Handle]:
        """Find the containers of ours in all accounts that can be asked; whose cannot must not hold up the others."""
        answers = await self._crowd.ask(await self._accounts(), lambda account: self._engine(account).discover())
        return {task: f"{account}/{name}" for account, one in heard(answers).items() for task, name in one.items()}

    async def dial(self, handle: Handle, port: int) -> Stream:
        """Connect to a port of a task."""
        account, name = _split(handle)
        if not account:
            raise ComputingUnreachableError(self.name, "the task is not running")
        return await self._engine(account).dial(name, port)

    async def close(self) -> None:
        """Close the connections to all engines."""
        for engine in self._engines.values():
            await engine.close()

    async def watch(self) -> AsyncIterator[Handle]:
        """Yield what the engines tell of; of an account that has no task yet, from its first on."""
        told: asyncio.Queue[Handle] = asyncio.Queue()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(_ended, watching := dict[str, asyncio.Task[None]]())
            while True:
                self._more.clear()
                for account in self._engines.keys() - watching.keys():
                    watching[account] = asyncio.create_task(self._tell(account, told))
                ready = [asyncio.create_task(one) for one in (told.get(), self._more.wait())]
                try:
                    await asyncio.wait([*ready, *watching.values()], return_when=asyncio.FIRST_COMPLETED)
                    if ready[0].done():
                        yield str(ready[0].result())
                    for one in watching.values():
                        if one.done():
                            one.result()
                finally:
                    for waiting in ready:
                        waiting.cancel()

    async def logs(self, handle: Handle, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield what the container wrote to output and error output."""
        account, name = _split(handle)
        if account:
            async for line in self._engine(account).logs(name, follow=follow, tail=tail):
                yield line

    async def usage(self, handles: Collection[Handle]) -> Mapping[Handle, Usage]:
        """Measure the containers of all accounts that can be asked."""
        return await self._each(handles, lambda engine, names: engine.usage(names))

    async def listening(self, handles: Collection[Handle]) -> Mapping[Handle, Mapping[int, bool]]:
        """Look at the containers of all accounts that can be asked."""
        return await self._each(handles, lambda engine, names: engine.listening(names))

    async def inspect_image(self, reference: str, budget: Budget) -> ImageDetails:
        """Read an image's details from the engine of the first account that answers, or from its registry."""
        accounts = await self._accounts()
        if not accounts:
            raise ComputingUnreachableError(self.name, "nobody has linked an account there yet")
        return await self._any(accounts, lambda engine: engine.inspect_image(reference, budget))

    async def execute(
        self,
        handle: Handle,
        command: Sequence[str],
        *,
        terminal: Terminal | None = None,
        environment: Mapping[str, str] = NOTHING,
    ) -> Running:
        """Start a command as the user that the container runs as."""
        account, name = _split(handle)
        if not account:
            raise TaskNotRunningError
        return await self._engine(account).execute(name, command, terminal=terminal, environment=environment)

    async def tell(self, handle: Handle, text: str) -> None:
        """Show a line on the terminals of a container."""
        account, name = _split(handle)
        if account:
            await self._engine(account).tell(name, text)

    async def files(self, handle: Handle) -> Stream:
        """Start the server of files in the container."""
        account, name = _split(handle)
        if not account:
            raise TaskNotRunningError
        return await self._engine(account).files(name)

    async def _accounts(self) -> Sequence[str]:
        return await self._hosts.accounts(self.name)

    def _engine(self, account: str) -> EngineComputing:
        if account not in self._engines:
            self._engines[account] = self._open(account)
            self._more.set()
        return self._engines[account]

    def _grouped(self, handles: Collection[Handle]) -> Mapping[str, list[str]]:
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for account, name in map(_split, handles):
            if account:
                groups[account].append(name)
        return groups

    async def _any(self, accounts: Sequence[str], ask: Callable[[EngineComputing], Awaitable[AnswerT]]) -> AnswerT:
        for account in accounts[:-1]:
            with contextlib.suppress(ComputingUnreachableError):
                return await ask(self._engine(account))
        return await ask(self._engine(accounts[-1]))

    async def _each(
        self,
        handles: Collection[Handle],
        ask: Callable[[EngineComputing, Collection[str]], Awaitable[Mapping[str, AnswerT]]],
    ) -> Mapping[Handle, AnswerT]:
        groups = self._grouped(handles)
        answers = await self._crowd.ask(
            groups, lambda account: ask(self._engine(account), groups[account]), patience=MEASURING
        )
        return {f"{account}/{name}": one for account, told in heard(answers).items() for name, one in told.items()}

    async def _tell(self, account: str, told: asyncio.Queue[Handle]) -> None:
        async for name in self._engine(account).watch():
            told.put_nowait(f"{account}/{name}")


def _split(handle: Handle) -> tuple[str, str]:
    """Return account and name; what has no account is nothing of ours."""
    account, _, name = handle.rpartition("/")
    return account, name


async def _ended(tasks: Mapping[str, asyncio.Task[None]]) -> None:
    for one in tasks.values():
        one.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
