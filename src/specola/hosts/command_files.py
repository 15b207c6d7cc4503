"""Files of an account by commands, where a host offers no SFTP or its login shell talks into it."""

import errno
import os
import posixpath
from collections.abc import Awaitable, Callable, Sequence

from specola.hosts.paths import at_home
from specola.ports.hosts import Finished

__all__ = ["CommandFiles", "Runs"]

Runs = Callable[[Sequence[str], bytes, int], Awaitable[Finished]]
"""Runs a command with an input, and takes at most so many bytes of its output."""

NOT_THERE = 66
READ = 'test -e "$1" || exit 66; exec head -c "$2" -- "$1"'
# What is cut off on the way has another size, and never gets the name.
WRITE = """\
set -eu
umask 077
mkdir -p -- "$2"
draft=$2/.$3.$$.$5
trap 'rm -f -- "$draft"' EXIT
cat >"$draft"
test "$(wc -c <"$draft")" -eq "$4"
chmod "$6" -- "$draft"
sync -- "$draft" 2>/dev/null || sync
mv -f -- "$draft" "$1"
"""


class CommandFiles:
    """Reads and writes an account's files; relative paths, and those with `~`, begin in its home."""

    def __init__(self, run: Runs) -> None:
        self._run = run

    async def read(self, path: str, *, most: int) -> bytes | None:
        """Return a file's content, at most `most` bytes; None: there is none."""
        done = await self._run(["sh", "-c", READ, "sh", _named(path), str(most)], b"", most)
        if done.code == NOT_THERE:
            return None
        _check(done, path)
        return done.output

    async def write(self, path: str, content: bytes, *, mode: int) -> None:
        """Write a file under another name, have it brought to the disk, and give it its name."""
        where = _named(path)
        folder, name = posixpath.split(where)
        words = [where, folder, name, str(len(content)), os.urandom(6).hex(), f"{mode:o}"]
        _check(await self._run(["sh", "-c", WRITE, "sh", *words], content, 0), path)


def _named(path: str) -> str:
    """Return a path that no program takes for an option; commands begin at home."""
    where = at_home(path)
    return where if where.startswith("/") else f"./{where}"


def _check(done: Finished, path: str) -> None:
    if done.code != 0:
        number = errno.EACCES if "ermission denied" in done.complaint else errno.EIO
        raise OSError(number, done.complaint or f"it failed with {done.code}", path)
