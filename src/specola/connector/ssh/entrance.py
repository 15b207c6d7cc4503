"""What the channels of one connection share: who came, to which task, and how the right is asked for."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from specola.connector.directory import Directory
from specola.connector.ssh.asking import Admitted, Entered
from specola.connector.ssh.live import Live, Open
from specola.domain.errors import SpecolaError, UnauthenticatedError
from specola.ports.computing import Computing

__all__ = ["Entrance"]

MOST_CHANNELS = 128


class Entrance:
    """One connection's way to its task. The right is asked for again by each channel.

    Parameters
    ----------
    address
        Where the visitor comes from.
    """

    def __init__(self, *, live: Live, directory: Directory, address: str) -> None:
        self.address = address
        self.task = ""
        self.admitted: Admitted | None = None
        self.gone = False
        self.writable = asyncio.Event()
        self.writable.set()
        self._live = live
        self._directory = directory
        self._channels = 0
        self._clearing: set[asyncio.Task[None]] = set()

    async def admit(self, comer: dict[str, object]) -> Admitted | None:
        """Ask who comes; None: nobody who may come in."""
        try:
            return await self._live.admit(comer)
        except SpecolaError as error:
            self.refused("connection", error)
            return None

    async def enter(self) -> Entered:
        """Return the task, if it may be entered now; `open` has to follow before anything is awaited.

        Raises
        ------
        SpecolaError
            It may not, or cannot be.
        """
        if self.admitted is None:
            raise UnauthenticatedError
        return await self._live.enter(self.admitted, self.task)

    async def place(self, entered: Entered) -> tuple[Computing, str]:
        """Return where the task runs, and its handle there. Raises SpecolaError."""
        computing, way = await self._directory.way(entered.task)
        return computing, way.handle

    def open(
        self, kind: str, entered: Entered | None = None, *, close: Callable[[str], None], interface: str = ""
    ) -> Open:
        """Take note of a channel that is opened by a right just given; None: of the connection itself."""
        assert self.admitted is not None, "a right was given to somebody"
        opened = Open(
            kind=kind,
            by=self.admitted.by,
            marks=entered.marks if entered else self.admitted.marks,
            person=self.admitted.person,
            address=self.address,
            close=close,
            task=entered.task if entered else "",
            interface=interface,
        )
        self._live.begin(opened)
        return opened

    def end(self, opened: Open) -> None:
        """Take note that a channel has ended; silent if that is known."""
        self._live.end(opened)

    def refused(self, kind: str, error: SpecolaError) -> None:
        """Take note that something was refused."""
        person = self.admitted.person if self.admitted else ""
        self._live.refuse(kind=kind, task=self.task, address=self.address, person=person, error=error)

    def reserve(self) -> bool:
        """Take room for one more channel; tell whether there was any."""
        if self._channels >= MOST_CHANNELS:
            return False
        self._channels += 1
        return True

    def release(self) -> None:
        """Give the room of a channel back."""
        self._channels -= 1

    async def clear(self, work: Coroutine[Any, Any, None]) -> None:
        """Clear away what a channel leaves behind, to the end, however often the channel is cancelled meanwhile."""
        clearing = asyncio.create_task(self._cleared(work))
        self._clearing.add(clearing)
        clearing.add_done_callback(self._clearing.discard)
        await asyncio.shield(clearing)

    def leave(self) -> None:
        """Take note that the visitor is gone, so that nobody waits for them any more."""
        self.gone = True
        self.writable.set()

    @staticmethod
    async def _cleared(work: Coroutine[Any, Any, None]) -> None:
        with contextlib.suppress(OSError, SpecolaError):
            await work
