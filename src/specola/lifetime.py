"""The life of a process: asked to end by a signal, and alone in its place while it lives."""

import asyncio
import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["asked_to_end", "held", "slot"]

SLOTS = 256


def asked_to_end() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set from now on, in place of ending the process at once."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    return asked


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold the lock of a file for the body; yields False if another process holds it.

    The kernel gives the lock back when the process ends, however it ends. The file itself stays: removing it would let
    two processes hold locks on two files of one name.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
            yield True
    finally:
        os.close(file)


@contextmanager
def slot(folder: Path, name: str) -> Iterator[int]:
    """Hold the first free place among the processes called `name` on this machine; yields its number, from 1.

    A process that takes the place of one that was killed gets its number, and with it what stands under that number
    in the database.
    """
    for number in range(1, SLOTS + 1):
        with held(folder / f"{name}.{number}.lock") as ours:
            if ours:
                yield number
                return
    raise RuntimeError(f"there are {SLOTS} processes {name} on this machine already")
