"""The logs of ended tasks: one compressed file each, in the data folder."""

import asyncio
import gzip
import json
import os
import re
import tempfile
import zlib
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

from specola.domain.computing import LogLine
from specola.domain.errors import ArchiveError
from specola.domain.task import TaskId

__all__ = ["LogArchive"]

LONGEST_LINE = 64 * 1024
BATCH = 1000
TASK = re.compile(r"[0-9a-z]{1,63}")


class LogArchive:
    """Keeps at most `most` bytes of each ended task's log, its end.

    Parameters
    ----------
    folder
        Where the files are; made when the first is written. Files get the folder's owner, since the worker that
        writes them may be another user than the web that reads them.
    most
        How much of a log is kept, in bytes of text before compression.

    Notes
    -----
    A file is written under a temporary name and renamed, so there is never half of one under its own name. One that
    was damaged afterwards is read as far as it goes. Reading and writing files is done in a thread.
    """

    def __init__(self, folder: Path, *, most: int = 8 * 1024**2) -> None:
        self._folder = folder
        self._most = most

    async def keep(self, task: TaskId, lines: AsyncIterator[LogLine]) -> int:
        """Write a task's log, replacing an earlier one; return the number of lines kept.

        Raises
        ------
        ArchiveError
            The data folder is full, or cannot be written; an earlier log is still there.
        """
        path = self._path(task)
        kept: deque[bytes] = deque()
        size = 0
        async for line in lines:
            record = _written(line)
            kept.append(record)
            size += len(record)
            while size > self._most:
                size -= len(kept.popleft())
        await asyncio.to_thread(_write, path, kept)
        return len(kept)

    async def lines(self, task: TaskId, *, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield the lines kept of a task, oldest first (the last `tail` of them); none if nothing was kept."""
        path = self._path(task)
        if tail is not None:
            for line in await asyncio.to_thread(_last, path, tail):
                yield line
            return
        reader = _read(path)
        while batch := await asyncio.to_thread(_batch, reader):
            for line in batch:
                yield line

    async def forget(self, task: TaskId) -> None:
        """Remove a task's log; silent if there is none.

        Raises
        ------
        ArchiveError
            The data folder cannot be written.
        """
        path = self._path(task)
        try:
            await asyncio.to_thread(path.unlink)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise ArchiveError(path.name, error.strerror or str(error)) from error

    def _path(self, task: TaskId) -> Path:
        if not TASK.fullmatch(task):
            raise ValueError(f"{task!r} is no task's id")
        return self._folder / f"{task}.log.gz"


def _written(line: LogLine) -> bytes:
    at = line.at.isoformat() if line.at else None
    return json.dumps([at, line.stream, line.text[:LONGEST_LINE]]).encode() + b"\n"


def _write(path: Path, records: deque[bytes]) -> None:
    temporary = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        temporary = Path(name)
        # No name and no time in the header: the same lines make the same file.
        with os.fdopen(descriptor, "wb") as file:
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                compressed.writelines(records)
            file.flush()
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            os.fsync(descriptor)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise ArchiveError(path.name, error.strerror or str(error)) from error


def _read(path: Path) -> Iterator[LogLine]:
    """Yield the lines of a file as far as they can be read."""
    try:
        with gzip.open(path, "rb") as file:
            for record in file:
                line = _line(record)
                if line is not None:
                    yield line
    except (OSError, EOFError, zlib.error):
        # Not there, cut off, or damaged: what was read before is what there is.
        return


def _line(record: bytes) -> LogLine | None:
    try:
        at, stream, text = json.loads(record)
        return LogLine(at=datetime.fromisoformat(at) if at else None, stream=str(stream), text=str(text))
    except (ValueError, TypeError):
        return None


def _last(path: Path, tail: int) -> Sequence[LogLine]:
    return deque(_read(path), maxlen=max(tail, 0))


def _batch(reader: Iterator[LogLine]) -> list[LogLine]:
    return list(islice(reader, BATCH))
