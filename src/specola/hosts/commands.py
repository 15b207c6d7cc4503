"""Commands as lines for whatever login shell an account has, whose own noise is told from what the command writes."""

import secrets
import shlex
from collections.abc import Sequence

__all__ = ["Marked", "line_for", "new_mark"]

# What every login shell leaves alone between single quotes; `!` is history to csh, and it takes no lines there either.
PLAIN = frozenset(b'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "#$%&()*+,-./:;<=>?@[]^_`{|}~')
LONGEST_NOISE = 1024 * 1024


def new_mark() -> bytes:
    """Return a word that nobody has ever written."""
    return f"[{secrets.token_hex(12)}]".encode("ascii")


def line_for(command: Sequence[str], mark: bytes) -> str:
    """Return the line that runs a command, and nothing but it, in the login shell of any account.

    Parameters
    ----------
    command
        The program and its arguments, each of which arrives as it is.
    mark
        Written to both outputs before the command begins: what a login shell says on its own (`.bashrc`) stands before it.

    Raises
    ------
    ValueError
        An argument holds a zero byte, which no argument can.

    Notes
    -----
    Login shells read quotes in different ways (sh, csh, fish), so they get a line that they all read alike: it starts
    /bin/sh, which decodes the command by `printf %b` (POSIX) and becomes it.
    """
    text = f"printf %s '{mark.decode()}'; printf %s '{mark.decode()}' >&2; exec {shlex.join(command)}"
    raw = text.encode("utf-8", "surrogateescape")
    if b"\0" in raw:
        raise ValueError("an argument of a command holds a zero byte")
    encoded = "".join(chr(byte) if byte in PLAIN else f"\\0{byte:03o}" for byte in raw)
    return f"exec /bin/sh -c 'eval \"$(printf %b \"$1\")\"' sh '{encoded}'"


class Marked:
    """One output of a command: what comes before the mark is dropped."""

    __slots__ = ("_mark", "found", "noise")

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self.found = False
        self.noise = b""
        """What has come before the mark, or instead of it."""

    def feed(self, data: bytes) -> bytes:
        """Take what came; return what of it the command wrote."""
        if self.found:
            return data
        held = self.noise + data
        before, mark, after = held.partition(self._mark)
        if mark:
            self.found, self.noise = True, before
            return after
        self.noise = held[-LONGEST_NOISE:]
        return b""
