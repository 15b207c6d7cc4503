"""What a task writes, kept as lines of JSON in two files of limited size, for whoever reads now or later."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

from .pipes import Source

__all__ = ["MOST", "Journal"]

MOST = 64 * 1024**2
"""How many bytes both files have at the most."""
MOST_LINE = 16384
CHUNK = 65536


class Journal:
    """The files `log` and, for what is older, `log.1` in a folder.

    Each line is an array: the time, which output it was, the text.
    """

    def __init__(self, folder: Path, *, most: int = MOST) -> None:
        self._path = folder / "log"
        self._half = most // 2
        self._file = _opened(self._path)
        self._size = os.fstat(self._file.fileno()).st_size
        self._news = asyncio.Event()
        self._closed = False

    async def keep(self, source: Source, channel: str) -> None:
        """Keep what comes from one of the task's outputs, until its end."""
        rest = b""
        while data := await source.read(CHUNK):
            *lines, rest = (rest + data).split(b"\n")
            while len(rest) > MOST_LINE:
                lines.append(rest[:MOST_LINE])
                rest = rest[MOST_LINE:]
            self.write(channel, *lines)
        if rest:
            self.write(channel, rest)

    def write(self, channel: str, *lines: bytes) -> None:
        """Keep lines that were written."""
        at = round(time.time(), 3)
        for line in lines:
            text = line.decode(errors="replace").removesuffix("\r") if line else ""
            kept = json.dumps([at, channel, text], ensure_ascii=False).encode(errors="replace") + b"\n"
            if self._size + len(kept) > self._half:
                self._turn()
            self._size += self._file.write(kept)
        self._file.flush()
        self._tell()

    def close(self) -> None:
        """Say that nothing more comes."""
        self._closed = True
        self._file.close()
        self._tell()

    async def lines(self, *, tail: int | None, follow: bool) -> AsyncIterator[bytes]:
        """Yield the lines as the files have them, oldest first, the last `tail` of them, and with `follow` those to come."""
        before = [self._path.with_suffix(".1"), self._path]
        with contextlib.closing(_Reader(self._path)) as reader:
            kept: Any = reader.earlier(before[0])
            if tail is not None:
                kept = deque(kept, maxlen=tail) if tail else _spent(kept)
            for number, line in enumerate(kept):
                yield line
                if number % 256 == 255:
                    await asyncio.sleep(0)
            while follow and not (self._closed and not reader.is_behind):
                news = self._news
                for number, line in enumerate(reader.more()):
                    yield line
                    if number % 256 == 255:
                        await asyncio.sleep(0)
                if not self._closed and not reader.is_behind:
                    await news.wait()

    def _turn(self) -> None:
        """Begin a new file; what was in the older one is gone."""
        self._file.close()
        self._path.replace(self._path.with_suffix(".1"))
        self._file = _opened(self._path)
        self._size = 0

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class _Reader:
    """Reads a file that grows, and the one that takes its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._rest = b""

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def earlier(self, older: Path) -> Iterator[bytes]:
        """Yield the lines of the older file, if there is one, and those of this one."""
        if older.exists():
            with older.open("rb") as file:
                yield from (line for line in file if line.endswith(b"\n"))
        yield from self.more()

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read."""
        try:
            seen = self._path.stat()
        except FileNotFoundError:
            return False
        own = os.fstat(self._file.fileno())
        return own.st_ino != seen.st_ino or self._file.tell() < own.st_size

    def more(self) -> Iterator[bytes]:
        """Yield the lines that were written since."""
        while True:
            own = os.fstat(self._file.fileno()).st_ino
            replaced = self._path.exists() and self._path.stat().st_ino != own
            for line in self._file:
                self._rest += line
                if self._rest.endswith(b"\n"):
                    yield self._rest
                    self._rest = b""
            if not replaced:
                return
            self._file.close()
            self._file = self._path.open("rb")


def _opened(path: Path) -> IO[bytes]:
    return open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _spent(lines: Iterator[bytes]) -> Iterator[bytes]:
    for _ in lines:
        pass
    return iter(())
