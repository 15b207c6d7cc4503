"""Sockets made inside the network of a process of this machine, its loopback address included."""

import asyncio
import ctypes
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future

from specola.computing.engine.sockets import Process

__all__ = ["connect", "made_inside"]

CONNECT_SECONDS = 5.0
CLONE_NEWNET = 0x40000000
"""The kind of namespace, as setns(2) calls it."""

_libc = ctypes.CDLL(None, use_errno=True)


async def connect(process: Process, host: str, port: int) -> socket.socket | None:
    """Connect to an address as `process` would; None: see `made_inside`. Raises OSError if nobody accepts."""
    return await made_inside(process, lambda: _connected(host, port))


async def made_inside(process: Process, make: Callable[[], socket.socket]) -> socket.socket | None:
    """Make a socket in the network of a process, where it stays.

    A thread enters the network, makes the socket and ends there: it is never used for anything else.

    Returns
    -------
    socket.socket | None
        None: the process is gone, or this process may not enter its network (setns(2): that needs CAP_SYS_ADMIN).

    Raises
    ------
    OSError
        It cannot be made.
    """
    done: Future[socket.socket | None] = Future()
    threading.Thread(target=_make, args=(done, process, make), daemon=True, name="entering").start()
    making = asyncio.wrap_future(done)
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_drop)
        raise


def _drop(making: asyncio.Future[socket.socket | None]) -> None:
    if not making.cancelled() and making.exception() is None and (made := making.result()) is not None:
        made.close()


def _make(done: Future[socket.socket | None], process: Process, make: Callable[[], socket.socket]) -> None:
    try:
        done.set_result(make() if _enter(process) else None)
    except BaseException as error:  # noqa: BLE001 - raised where it is waited for
        done.set_exception(error)


def _enter(process: Process) -> bool:
    """Move this thread, and no other, into the network of a process."""
    try:
        network = os.open(f"/proc/{process.number}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Asked once it is open: what was opened was its own.
        return process.is_there() and _libc.setns(network, CLONE_NEWNET) == 0
    finally:
        os.close(network)


def _connected(host: str, port: int) -> socket.socket:
    made = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    made.setblocking(False)
    return made
