"""The processes that the agent starts, and all that they leave to it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable

from . import kernel

__all__ = ["Child", "Children", "close_all_but", "code_of"]

MOST_DESCRIPTORS = 65536


@dataclass(frozen=True)
class Child:
    """A process that was started; `exited` becomes its exit code, 128 + N if signal N ended it."""

    pid: int
    exited: asyncio.Future[int]

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if not self.exited.done():
            os.kill(self.pid, number)


class Children:
    """Starts processes, and takes note of the end of each. There is one of it; it begins with the event loop.

    All of them are killed when the agent ends. Of those that lose their parent the agent becomes the parent.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._children: dict[int, Child] = {}
        kernel.adopt_orphans()
        self._loop.add_signal_handler(signal.SIGCHLD, self._reap)

    def fork(self, body: Callable[[], int]) -> Child:
        """Have a copy of this process do something, and end with what that returns.

        It has no event loop, and must not use what belongs to this one's.
        """
        parent = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                _be_a_child(body, parent)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        child = Child(pid, self._loop.create_future())
        self._children[pid] = child
        return child

    def start(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        streams: tuple[int, int, int],
        before: Callable[[], None] | None = None,
    ) -> Child:
        """Start a program.

        Parameters
        ----------
        streams
            The descriptors that become its input and outputs.
        before
            What the new process does first.
        """

        def body() -> int:
            os.setsid()
            if before is not None:
                before()
            # First out of the way of one another, then to their places.
            for place, descriptor in enumerate([os.dup(one) for one in streams]):
                os.dup2(descriptor, place)
            close_all_but(())
            os.execvpe(argv[0], list(argv), dict(environment))

        return self.fork(body)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None and not child.exited.done():
                child.exited.set_result(code_of(status))


def code_of(status: int) -> int:
    """Return the exit code that a wait status means, 128 + N for signal N."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def close_all_but(kept: Sequence[int]) -> None:
    """Close all descriptors above the outputs but some."""
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = max(first, descriptor + 1)
    os.closerange(first, MOST_DESCRIPTORS)


def _be_a_child(body: Callable[[], int], parent: int) -> None:
    """Become an ordinary process again, do `body`, and end."""
    code = 127
    try:
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        kernel.die_with_parent(parent)
        code = body()
    except Exception as error:  # noqa: BLE001 -- whatever it is, somebody waits to be told
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)
