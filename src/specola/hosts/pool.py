"""The connections of one account on one machine: made when needed, shared by all, left when nobody has used them for a while."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncssh
import structlog
from asyncssh.constants import OPEN_REQUEST_SESSION_FAILED

from specola.domain.errors import AccountRefusedError, ComputingUnreachableError, HostKeyChangedError, SpecolaError
from specola.hosts.channel import Channel
from specola.hosts.dialling import Dialled, Patience
from specola.hosts.slots import BRIEF, SWEEP_SECONDS, Line, Slot, Use

__all__ = ["NotGrantedError", "Pool"]

T = TypeVar("T")
IDLE_SECONDS = 300.0
MOST_LINES = 32
FIRST_PAUSE = 0.5
LAST_PAUSE, REFUSED_PAUSE = 4.0, 30.0
"""Seconds for which a machine that could not be entered is not tried again, doubled each time: one that does not answer is
soon found again, one that has refused is not pressed."""
REFUSAL_PAUSE = 0.02
LONGEST_REFUSAL_PAUSE = 0.5
CLOSED = "SSH connection closed"
"""What asyncssh calls a connection that is already gone when something is to be opened on it."""
SLOT_SECONDS = 60.0
"""How long somebody waits for a session while the machine allows no more."""


class NotGrantedError(Exception):
    """The machine has opened a session, and refused what was to be done in it."""


class _LostError(Exception):
    """A connection that was lost before the machine had begun what was asked: it can be asked again, elsewhere."""


class Pool:
    """Sessions and streams over one connection, and over more only where a machine allows too few sessions on one.

    Parameters
    ----------
    computing
        Whose host it is, as errors call it.
    connect
        Makes a connection; it is called by one at a time.
    idle
        Seconds without use after which a connection is closed.
    """

    def __init__(
        self,
        computing: str,
        connect: Callable[[], Awaitable[Dialled]],
        *,
        patience: Patience,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._computing = computing
        self._connect = connect
        self._patience = patience
        self._idle = idle
        self._lines: list[Line] = []
        self._making = asyncio.Lock()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._limit: int | None = None
        """How many sessions the machine allows on one connection, once it has refused one."""
        self._most_granted = 0
        self._failure: SpecolaError | None = None
        self._pause = FIRST_PAUSE
        self._again = 0.0
        self._retired = False
        self._logger = structlog.stdlib.get_logger("specola.hosts")

    async def stream(
        self, opening: Callable[[asyncssh.SSHClientConnection, Channel], Coroutine[Any, Any, T]]
    ) -> Channel:
        """Open a stream beyond the machine, of which a connection carries any number.

        Parameters
        ----------
        opening
            Opens it on the connection it is given.

        Raises
        ------
        asyncssh.ChannelOpenError
            The machine has refused it, and the connection goes on.
        """
        line = await self._first()
        try:
            return await self._opened(line, self._take(line, Use.STREAM), opening)
        except _LostError:
            line = await self._first()
        try:
            return await self._opened(line, self._take(line, Use.STREAM), opening)
        except _LostError as error:
            raise self._broken(error) from error

    async def hold(self) -> Slot:
        """Have a connection kept open, and return the right to it."""
        return self._take(await self._first(), Use.STREAM)

    async def session(
        self,
        opening: Callable[[asyncssh.SSHClientConnection, Channel], Coroutine[Any, Any, T]],
        *,
        lasting: bool,
    ) -> Channel:
        """Open a session on the machine, waiting while it allows no more.

        Parameters
        ----------
        opening
            Opens it on the connection it is given.
        lasting
            It may go on for ever. Others end soon, and can be waited for.
        """
        channel: Channel | None = None

        async def attempt(line: Line, slot: Slot) -> None:
            nonlocal channel
            channel = await self._opened(line, slot, opening)

        await self._patiently(attempt, Use.LASTING if lasting else Use.BRIEF)
        assert channel is not None, "it was opened"
        return channel

    async def borrow(
        self, use: Callable[[asyncssh.SSHClientConnection], Coroutine[Any, Any, T]], *, leave: Callable[[T], None]
    ) -> tuple[T, Slot]:
        """Open something that takes a session on the machine.

        Parameters
        ----------
        use
            Opens it on the connection it is given.
        leave
            Closes it, if whoever wanted it has gone meanwhile.

        Returns
        -------
        tuple[T, Slot]
            What was opened, and the slot that is to be released once it has been closed.
        """
        result: list[tuple[T, Slot]] = []

        async def attempt(line: Line, slot: Slot) -> None:
            def give_up(opened: T) -> None:
                leave(opened)
                slot.release()

            result.append((await self._asked(line, slot, use(slot.connection), give_up), slot))
            slot.grant()

        await self._patiently(attempt, Use.BRIEF)
        return result[0]

    async def _patiently(self, attempt: Callable[[Line, Slot], Coroutine[Any, Any, None]], use: Use) -> None:
        """Try to have a session until the machine grants one; whoever attempts gives the slot back."""
        loop = asyncio.get_running_loop()
        end, pause, lost = loop.time() + SLOT_SECONDS, REFUSAL_PAUSE, False
        while True:
            line, slot = await self._room(use, end=end)
            try:
                return await attempt(line, slot)
            except _LostError as error:
                if lost:
                    raise self._broken(error) from error
                lost = True
            except asyncssh.ChannelOpenError as error:
                if loop.time() + pause > end:
                    raise ComputingUnreachableError(
                        self._computing, f"it allows no session ({error.reason})"
                    ) from error
                self._note_refusal(line)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_REFUSAL_PAUSE)

    def _note_refusal(self, line: Line) -> None:
        """Learn how many sessions the machine allows on a connection.

        Notes
        -----
        Sessions are asked for in turn and answered in turn, so those that it has granted by now are all that it allows,
        unless it still counts some that have ended. But as many as were open at the same time before are surely allowed.
        """
        limit = max(1, line.granted, self._most_granted)
        if limit != self._limit:
            self._limit = limit
            self._logger.info("sessions_limited", computing=self._computing, sessions=limit)

    async def _room(self, use: Use, *, end: float) -> tuple[Line, Slot]:
        """Wait for the right to one more session; take it."""
        while True:
            _ = await self._first()
            for line in self._live():
                if self._has_room(line, use):
                    return line, self._take(line, use)
            ends_soon = use is Use.BRIEF and any(line.count(Use.BRIEF) for line in self._live())
            if ends_soon or len(self._live()) >= MOST_LINES:
                await self._wait(end)
            else:
                # What fills the others may go on for ever.
                _ = await self._more(len(self._live()))

    def _has_room(self, line: Line, use: Use) -> bool:
        limit = self._limit
        if use is Use.BRIEF:
            return line.count(Use.BRIEF) < BRIEF and (limit is None or line.sessions < limit)
        # One is left to those that end soon, where there is more than one.
        return limit is None or (line.sessions < limit and line.count(Use.LASTING) < max(1, limit - 1))

    async def _wait(self, end: float) -> None:
        loop = asyncio.get_running_loop()
        freed: asyncio.Future[None] = loop.create_future()
        self._waiting.append(freed)
        try:
            async with asyncio.timeout_at(end):
                await freed
        except TimeoutError as error:
            raise ComputingUnreachableError(self._computing, "all the sessions that it allows are in use") from error

    def _take(self, line: Line, use: Use) -> Slot:
        if line.idle is not None:
            line.idle.cancel()
            line.idle = None

        def granted(_slot: Slot) -> None:
            self._most_granted = max(self._most_granted, line.granted)

        def give_back(slot: Slot) -> None:
            if slot.use is Use.STREAM or self._limit is None:
                self._free(line, slot)
            else:
                # Asked for another at once, a machine that allows few would refuse it.
                asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._free, line, slot)

        slot = Slot(line.dialled.connection, use, granted, give_back)
        line.slots.add(slot)
        return slot

    def _free(self, line: Line, slot: Slot) -> None:
        if slot in line.slots:
            line.slots.remove(slot)
            self._wake()
            self._rest(line)

    def _wake(self) -> None:
        while self._waiting:
            freed = self._waiting.popleft()
            if not freed.done():
                freed.set_result(None)

    def _rest(self, line: Line) -> None:
        """Close a connection that nobody uses any more, after a while."""
        if line.slots or line.dialled.is_lost or line.idle is not None:
            return
        if self._retired:
            line.dialled.close()
            return
        line.idle = asyncio.get_running_loop().call_later(self._idle, self._close_idle, line)

    def _close_idle(self, line: Line) -> None:
        if not line.slots:
            self._lines = [one for one in self._lines if one is not line]
            line.dialled.close()

    async def _opened(
        self,
        line: Line,
        slot: Slot,
        opening: Callable[[asyncssh.SSHClientConnection, Channel], Coroutine[Any, Any, T]],
    ) -> Channel:
        """Open a channel; it gives the slot back when it has closed."""
        channel = slot.channel = Channel(opened=slot.grant, gone=slot.release)
        await self._asked(line, slot, opening(line.dialled.connection, channel), lambda _: channel.leave())
        return channel

    async def _asked(self, line: Line, slot: Slot, asking: Coroutine[Any, Any, T], give_up: Callable[[T], None]) -> T:
        """Ask for something; the slot is given back if the machine refuses it, or whoever asks has gone."""
        asked = asyncio.ensure_future(asking)
        try:
            with self.watched():
                return await asyncio.shield(asked)
        except asyncio.CancelledError:
            # The machine may yet grant it: then it is closed at once.
            asked.add_done_callback(lambda done: _leave(done, give_up, slot))
            raise
        except asyncssh.SFTPError:
            slot.release()
            raise
        except (asyncssh.Error, OSError) as error:
            slot.release()
            raise self._meant(error, line, slot) from error

    def _meant(self, error: Exception, line: Line, slot: Slot) -> Exception:
        """Return what an error says: a connection lost before anything was granted, one lost since, or a kind of refusal."""
        refused = isinstance(error, asyncssh.ChannelOpenError) and error.reason != CLOSED
        if refused and not line.dialled.is_lost:
            of_session = isinstance(error, asyncssh.ChannelOpenError) and error.code == OPEN_REQUEST_SESSION_FAILED
            return NotGrantedError(str(error)) if of_session else error
        self._lose(line)
        return self._broken(error) if slot.granted else _LostError(str(error))

    def _broken(self, error: Exception) -> ComputingUnreachableError:
        return ComputingUnreachableError(self._computing, f"the connection broke off ({error})")

    def _live(self) -> list[Line]:
        return [line for line in self._lines if not line.dialled.is_lost]

    async def _first(self) -> Line:
        """Return a connection that is open, made now if there is none."""
        return self._live()[0] if self._live() else await self._more(0)

    async def _more(self, have: int) -> Line:
        """Make one more connection than `have`, unless somebody else has done so meanwhile."""
        async with self._making:
            live = self._live()
            if len(live) > have:
                return live[-1]
            loop = asyncio.get_running_loop()
            if self._failure is not None and loop.time() < self._again:
                raise self._failure.with_traceback(None)
            try:
                dialled = await self._connect()
            except SpecolaError as error:
                self._failure = error
                # The clients of a machine that was away for a while must not all come back at the same moment.
                self._again = loop.time() + self._pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
                refused = isinstance(error, AccountRefusedError | HostKeyChangedError)
                self._pause = min(self._pause * 2, REFUSED_PAUSE if refused else LAST_PAUSE)
                raise
            self._failure, self._pause = None, FIRST_PAUSE
            if not live:
                self._limit, self._most_granted = None, 0
            line = Line(dialled)
            self._lines = [*live, line]
            dialled.on_loss(lambda: self._lose(line))
            self._rest(line)
            return line

    def _lose(self, line: Line) -> None:
        self._lines = [one for one in self._lines if one is not line]
        if line.idle is not None:
            line.idle.cancel()
        self._wake()

    def doubt(self) -> None:
        """Find out soon whether the machine is still there: something has not answered in time."""
        for line in self._live():
            line.dialled.doubt(self._patience.answer)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Doubt that the machine is there if the body takes longer than an answer should."""
        doubting = asyncio.get_running_loop().call_later(self._patience.answer, self.doubt)
        try:
            yield
        finally:
            doubting.cancel()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._live())

    def retire(self) -> None:
        """Take no more; what is open goes on to its end."""
        self._retired = True
        for line in self._live():
            if line.idle is not None:
                line.idle.cancel()
                line.idle = None
            self._rest(line)

    def close(self) -> None:
        """Close all connections, with what goes on over them."""
        self._retired = True
        for line in self._lines:
            if line.idle is not None:
                line.idle.cancel()
            for slot in line.slots:
                if slot.channel is not None:
                    slot.channel.break_off()
            line.dialled.close()
        self._lines = []
        self._wake()


def _leave(done: "asyncio.Future[T]", give_up: Callable[[T], None], slot: Slot) -> None:
    """Close what was opened for somebody who has gone."""
    if done.cancelled() or done.exception() is not None:
        slot.release()
    else:
        give_up(done.result())
