"""How a process that was started as root becomes an unprivileged user for the rest of its life."""

import ctypes
import os
import pwd
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specola.domain.errors import UserMissingError

__all__ = ["account_of", "close_memory", "drop_to", "files_as", "hand_over"]

PR_SET_PDEATHSIG = 1
PR_GET_PDEATHSIG = 2
PR_SET_DUMPABLE = 4


def account_of(user: str) -> pwd.struct_passwd:
    """Return a user's entry. Raises UserMissingError."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise UserMissingError(user) from None


def drop_to(user: str) -> None:
    """Become `user`, for good, where this process is root; else change nothing.

    Everything that will ever be imported or read from the installation has to be there already: it may lie where
    that user cannot look, such as below a 0700 /root.

    Raises
    ------
    UserMissingError
        The machine has no such user.
    """
    if os.geteuid() != 0:
        return
    account = account_of(user)
    parent, dies_with_parent = os.getppid(), _parent_death_signal()
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ["HOME"] = account.pw_dir
    if dies_with_parent:
        _ = _libc().prctl(PR_SET_PDEATHSIG, dies_with_parent, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), dies_with_parent)


def close_memory() -> None:
    """Let no other process of the same user read this one's memory or trace it, and leave no core file behind."""
    _ = _libc().prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _parent_death_signal() -> int:
    """Return the signal this process gets when its parent dies, 0: none. The kernel forgets it with a change of user."""
    number = ctypes.c_int(0)
    _ = _libc().prctl(PR_GET_PDEATHSIG, ctypes.byref(number), 0, 0, 0)
    return number.value


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def hand_over(path: Path, user: str) -> None:
    """Give a file, or a folder with all that is in it, to `user`, where this process is root.

    Raises
    ------
    UserMissingError
        The machine has no such user.
    """
    if os.geteuid() != 0:
        return
    account = account_of(user)
    os.lchown(path, account.pw_uid, account.pw_gid)
    if not stat.S_ISDIR(path.lstat().st_mode):
        return
    # That user may put a link anywhere in what is theirs already, at any moment: none is followed.
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for _, folders, files, here in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
            for one in (*folders, *files):
                os.chown(one, account.pw_uid, account.pw_gid, dir_fd=here, follow_symlinks=False)
    finally:
        os.close(folder)


@contextmanager
def files_as(account: pwd.struct_passwd | None) -> Iterator[None]:
    """Touch files with the rights of another user while the body runs, in this thread alone (setfsuid(2)).

    Parameters
    ----------
    account
        Who; None: nobody else. This process is root otherwise.

    Notes
    -----
    The body must not wait for the event loop, which has its own thread with its own rights.
    """
    if account is None:
        yield
        return
    libc = _libc()
    group, user = libc.setfsgid(account.pw_gid), libc.setfsuid(account.pw_uid)
    try:
        # It tells of no failure but by what it returns the next time.
        if libc.setfsuid(-1) != account.pw_uid or libc.setfsgid(-1) != account.pw_gid:
            raise PermissionError(f"this process may not act as {account.pw_name}")
        yield
    finally:
        libc.setfsuid(user)
        libc.setfsgid(group)
