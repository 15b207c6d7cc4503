"""Several gateway processes at one port: started by one parent, restarted when one dies, ended with it."""

import ctypes
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence

__all__ = ["run_several"]

PR_SET_PDEATHSIG = 1
PAUSE = 0.2
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger(__name__)


def run_several(sockets: Sequence[socket.socket], serve: Callable[[socket.socket], None]) -> None:
    """Run `serve` in a process of its own for each socket, until SIGTERM or SIGINT.

    The parent keeps every socket open, so what arrives at one whose process died waits for the next one.
    """
    ending = False
    children: dict[int, socket.socket] = {}

    def pass_on(number: int, _frame: object) -> None:
        nonlocal ending
        ending = ending or number != signal.SIGHUP
        for pid in children:
            os.kill(pid, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    for listening in sockets:
        children[start(listening, serve)] = listening
    while children:
        pid, status = os.wait()
        listening_there = children.pop(pid, None)
        if listening_there is None or ending:
            continue
        log.error("gateway process %s ended (%s); it is started again", pid, os.waitstatus_to_exitcode(status))
        time.sleep(PAUSE)
        children[start(listening_there, serve)] = listening_there


def start(listening: socket.socket, serve: Callable[[socket.socket], None]) -> int:
    """Fork a child that serves a socket; returns its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for number in PASSED_ON:
            signal.signal(number, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() == parent:
            serve(listening)
        code = 0
    except BaseException:  # noqa: BLE001 - a child must never return into its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)
