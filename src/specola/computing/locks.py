"""A lock between processes of one machine, that nobody holds after a crash."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["alone"]

EVERY = 0.02


@asynccontextmanager
async def alone(file: Path) -> AsyncIterator[None]:
    """Hold a lock while the body runs; waiting may be cancelled at any moment.

    The file is removed by whoever held the lock:

    1. A and B have opened the file, A holds the lock, removes the file, and lets go.
    2. B gets the lock of a file that has no name any more, while C makes a new one and locks that.
    3. So whoever gets a lock looks whether the name still leads to its file, and begins again if not.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await _locked(descriptor)
            if not _leads_to(file, descriptor):
                continue
            try:
                yield
            finally:
                _forget(file)
            return
        finally:
            os.close(descriptor)


async def _locked(descriptor: int) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(EVERY)
        else:
            return


def _forget(file: Path) -> None:
    file.unlink()


def _leads_to(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
