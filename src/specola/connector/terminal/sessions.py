"""The terminal sessions of all people, each known to its own person alone."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from specola.clock import Clock
from specola.connector.directory import Directory
from specola.connector.terminal.session import Session
from specola.domain.computing import Terminal, WindowSize
from specola.domain.errors import LaunchError, LimitError, MissingError
from specola.domain.task import TaskId
from specola.ports.computing import Executes

__all__ = ["Sessions"]

MOST = 16
# With the last of what they wrote, for a window that was away when they ended.
REMEMBERED = 32


class Sessions:
    """Opens sessions and finds them again.

    They are kept in this process alone: when it is killed, they are gone, and what they ran is ended.
    """

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._ended: OrderedDict[str, Session] = OrderedDict()

    def of(self, person: str, task: TaskId) -> Sequence[Session]:
        """Return the sessions that a person has in a task, the oldest first."""
        return [one for one in self._sessions.values() if (one.person, one.task) == (person, task)]

    def find(self, person: str, task: TaskId, name: str) -> Session:
        """Return a session, also one that has ended a while ago.

        Raises
        ------
        MissingError
            There is none of that name, or it is somebody else's.
        """
        found = self._sessions.get(name) or self._ended.get(name)
        if found is None or (found.person, found.task) != (person, task):
            raise MissingError("terminal session", name)
        return found

    async def open(self, person: str, task: TaskId, *, kind: str, size: WindowSize) -> Session:
        """Start a shell in a task.

        Raises
        ------
        LimitError
            The person has as many there as may be.
        MissingError, TaskNotRunningError
            The task is not there.
        LaunchError
            Its computing runs no commands.
        """
        if len(self.of(person, task)) >= MOST:
            raise LimitError("terminals in one task", str(MOST + 1), str(MOST), hint="End one that you no longer need.")
        computing, way = await self._directory.way(task)
        if not isinstance(computing, Executes):
            raise LaunchError(f"The computing “{way.computing}” gives no terminals.", hint="Use another computing.")
        running = await computing.execute(way.handle, (), terminal=Terminal(kind=kind, size=size))
        session = Session(
            name=self._clock.new_id(20),
            person=person,
            task=task,
            running=running,
            size=size,
            clock=self._clock,
            over=self._forget,
        )
        self._sessions[session.name] = session
        return session

    async def close(self) -> None:
        """End every session."""
        await asyncio.gather(*(one.close() for one in list(self._sessions.values())), return_exceptions=True)

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.name, None)
        self._ended[session.name] = session
        while len(self._ended) > REMEMBERED:
            _ = self._ended.popitem(last=False)
