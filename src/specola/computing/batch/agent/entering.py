"""Processes that are started inside a container that runs: in its namespaces, with its root, as its user."""

from __future__ import annotations

import array  # noqa: F401 -- handing over descriptors needs it, and no module can be loaded with another root
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import kernel
from .children import close_all_but, code_of
from .network import Network
from .processes import Identity, identity

__all__ = ["Entry", "Size"]

Size = tuple[int, int]


@dataclass(frozen=True)
class Entry:
    """A way into a container.

    Parameters
    ----------
    process
        One of its processes: the task's own program.
    network
        The network that was made for it before, where the runtime did not make it.
    """

    process: int
    network: Network | None

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        streams: tuple[int, int, int],
        control: socket.socket,
        size: Size | None,
    ) -> int:
        """Start a command in there, say so on `control`, wait for its end; return its exit code.

        It is what a process does that was just forked: it never comes back out.

        Parameters
        ----------
        environment
            Variables beside those of the task's own program, or instead of them.
        streams
            The descriptors that become the command's input and outputs; with a `size`, a terminal does.
        control
            Gets the command's number, and the other end of its terminal.
        """
        whose = identity(self.process)
        folder = os.open(f"/proc/{self.process}", os.O_PATH | os.O_DIRECTORY)
        self._enter()
        variables = {**_variables(folder), **environment}
        terminal = _open_terminal(size) if size else None
        pid = os.fork()
        if pid == 0:
            try:
                _become(whose, terminal[1] if terminal else None, streams)
                os.execve(command[0], list(command), variables)
            except OSError as error:
                os.write(2, f"{error}\n".encode())
            finally:
                os._exit(127)
        socket.send_fds(control, [struct.pack("=i", pid)], [terminal[0]] if terminal else [])
        # Whoever waits for the end of the outputs must not wait for this process.
        for descriptor in range(3):
            os.close(descriptor)
        close_all_but(())
        return code_of(os.waitpid(pid, 0)[1])

    def _enter(self) -> None:
        folder = f"/proc/{self.process}"
        # Its file system may be one that answers nobody outside: for now, the place is only noted.
        root = os.open(f"{folder}/root", os.O_PATH | os.O_DIRECTORY)
        spaces = [(name, os.open(f"{folder}/ns/{name}", os.O_RDONLY)) for name in kernel.ALL]
        if self.network is not None:
            self.network.join()
        for name, descriptor in spaces:
            if os.fstat(descriptor).st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:  # noqa: PTH116
                kernel.enter(descriptor, kernel.ALL[name])
        os.fchdir(root)
        os.chroot(".")
        os.chdir("/")


def _variables(folder: int) -> dict[str, str]:
    """Return the variables of a process by its folder in proc(5).

    One of another number than the account's gives them to nobody outside its namespace of users.
    """
    descriptor = os.open("environ", os.O_RDONLY, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        pairs = (os.fsdecode(one).partition("=") for one in file.read().split(b"\0"))
        return {name: value for name, equals, value in pairs if equals}


def _open_terminal(size: Size) -> tuple[int, int]:
    """Open a terminal of the container's own; return both its ends."""
    ours, theirs = os.openpty()
    columns, rows = size
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("=HHHH", rows, columns, 0, 0))
    return ours, theirs


def _become(whose: Identity, terminal: int | None, streams: tuple[int, int, int]) -> None:
    os.setsid()
    descriptors = streams
    if terminal is not None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        descriptors = (terminal, terminal, terminal)
    for place, descriptor in enumerate([os.dup(one) for one in descriptors]):
        os.dup2(descriptor, place)
    close_all_but(())
    kernel.set_capabilities(whose.capabilities, no_new_privileges=whose.no_new_privileges)
    kernel.become(whose.user, whose.group, whose.groups)
