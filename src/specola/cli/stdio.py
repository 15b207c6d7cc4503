"""Standard input and output as one stream, whatever they are: terminals, pipes, files."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["joined"]

PIECE = 256 * 1024
STDIN, STDOUT = 0, 1


@contextmanager
def joined() -> Iterator[socket.socket]:
    """Give a socket from which standard input is read, and to which standard output is written.

    Notes
    -----
    Two threads copy. Event loops would have to make both non-blocking, which all other programs that share them would
    notice; and they cannot wait for files at all.
    """
    ours, theirs = socket.socketpair()
    reading = threading.Thread(target=read, args=(theirs,), daemon=True)
    writing = threading.Thread(target=write, args=(theirs,), daemon=True)
    reading.start()
    writing.start()
    try:
        yield ours
        # The last bytes are written before the command ends. The reader may wait for ever; it is left behind.
        writing.join()
    finally:
        ours.close()
        theirs.close()


def read(to: socket.socket) -> None:
    """Copy standard input until it ends."""
    try:
        while data := os.read(STDIN, PIECE):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the other side has gone


def write(came: socket.socket) -> None:
    """Copy to standard output until there is no more."""
    try:
        while data := came.recv(PIECE):
            view = memoryview(data)
            while view:
                view = view[os.write(STDOUT, view) :]
        # What reads from us learns the end at once, not only when this process has ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    except OSError:
        # Nobody reads from us any more: the task is to learn it too.
        with contextlib.suppress(OSError):
            came.shutdown(socket.SHUT_RDWR)
