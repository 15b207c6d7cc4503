"""Paths as people write them for an account on a host."""

import errno

__all__ = ["at_home"]


def at_home(path: str) -> str:
    """Return a path for what begins at home by itself, as SFTP and commands do.

    Raises
    ------
    FileNotFoundError
        It names the home of somebody else by a tilde.
    """
    if path == "~":
        return "."
    if path.startswith("~") and not path.startswith("~/"):
        raise FileNotFoundError(errno.ENOENT, "homes of others are named by their whole path", path)
    return path.removeprefix("~/") or "."
