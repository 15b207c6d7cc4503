"""The agent's socket by way of input and output: what a scheduler's step or an SSH command carries."""

from __future__ import annotations

import os
import selectors
import socket
import stat
import sys
from pathlib import Path

__all__ = ["relay"]

CHUNK = 262144


def relay(folder: Path) -> int:
    """Carry bytes between the input and output of this process and the agent's socket, until either ends."""
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        sys.stderr.write(f"{folder} is not a folder of this account alone.\n")
        return 1
    with socket.socket(socket.AF_UNIX) as connection, selectors.DefaultSelector() as waiting:
        connection.connect(str(folder / "agent.sock"))
        waiting.register(0, selectors.EVENT_READ)
        waiting.register(connection, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj == 0:
                    data = os.read(0, CHUNK)
                    connection.sendall(data)
                else:
                    data = connection.recv(CHUNK)
                    _write(data)
                if not data:
                    return 0


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
