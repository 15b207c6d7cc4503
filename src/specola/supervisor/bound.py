"""Run a command that dies with its parent: `python -m specola.supervisor.bound PARENT COMMAND…`."""

import ctypes
import os
import signal
import sys

__all__ = ["main"]

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Ask the kernel to kill this process when its parent dies, then become `command`.

    Every process of the platform may be killed at any moment without loss, so the signal is SIGKILL: nothing that
    hangs can stay behind. prctl(2): the setting survives execve, and is lost when a process changes its user;
    `specola.privileges.drop_to` therefore sets it again.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died before the kernel was asked: then this process has another one by now.
    if os.getppid() != parent:
        sys.exit(f"the process {parent} that started this has ended")
    os.execvp(command[0], command)  # noqa: S606 - a list, and no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
