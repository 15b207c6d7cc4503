"""The archive of logs: what is kept, what damage costs, and that a failed write costs nothing."""

import gzip
import os
import pwd
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from specola.domain.computing import LogLine
from specola.domain.errors import ArchiveError
from specola.storage.logs import LogArchive

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 1, tzinfo=UTC)


def line(number: int, text: str = "") -> LogLine:
    return LogLine(at=START + timedelta(seconds=number), stream="stdout", text=text or f"line {number}")


async def written(lines: Sequence[LogLine]) -> AsyncIterator[LogLine]:
    for one in lines:
        yield one


async def kept(archive: LogArchive, task: str = "t1", *, tail: int | None = None) -> list[LogLine]:
    return [one async for one in archive.lines(task, tail=tail)]


def files(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


async def test_lines_come_back_as_they_were_in_order(tmp_path: Path) -> None:
    archive = LogArchive(tmp_path / "logs")
    lines = [
        line(1),
        LogLine(at=None, stream="stderr", text="Ünïcode \x1b[31m\n\ud83d\x00"),
        *map(line, range(3, 3000)),
    ]
    assert await archive.keep("t1", written(lines)) == len(lines)
    assert await kept(archive) == lines
    assert await kept(archive, tail=2) == lines[-2:]
    assert await kept(archive, tail=0) == []
    assert await kept(archive, "t2") == []


async def test_of_a_long_log_the_end_is_kept(tmp_path: Path) -> None:
    archive = LogArchive(tmp_path, most=10_000)
    count = await archive.keep("t1", written([line(number) for number in range(10_000)]))
    lines = await kept(archive)
    assert len(lines) == count
    assert 100 < count < 250
    assert lines[-1] == line(9_999)
    assert await archive.keep("t2", written([line(1, "x" * 1_000_000)])) in {0, 1}


async def test_a_later_log_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    archive = LogArchive(tmp_path)
    await archive.keep("t1", written([line(1), line(2)]))
    await archive.keep("t1", written([line(3)]))
    assert await kept(archive) == [line(3)]
    assert files(tmp_path) == ["t1.log.gz"]


async def test_a_forgotten_log_is_gone_and_forgetting_is_silent(tmp_path: Path) -> None:
    archive = LogArchive(tmp_path)
    await archive.keep("t1", written([line(1)]))
    await archive.forget("t1")
    await archive.forget("t1")
    assert await kept(archive) == []


async def test_a_cut_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    archive = LogArchive(tmp_path)
    lines = [line(number, os.urandom(200).hex()) for number in range(2_000)]
    await archive.keep("t1", written(lines))
    file = tmp_path / "t1.log.gz"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    read = await kept(archive)
    assert 500 < len(read) < 1_500
    assert read == lines[: len(read)]


async def test_a_damaged_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    archive = LogArchive(tmp_path)
    lines = [line(number, os.urandom(200).hex()) for number in range(2_000)]
    await archive.keep("t1", written(lines))
    file = tmp_path / "t1.log.gz"
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 500] = bytes(500)
    file.write_bytes(whole)
    read = await kept(archive)
    assert 100 < len(read) < 2_000
    assert read[:100] == lines[:100]


async def test_what_is_no_log_has_no_lines(tmp_path: Path) -> None:
    archive = LogArchive(tmp_path)
    (tmp_path / "t1.log.gz").write_bytes(b"not compressed")
    (tmp_path / "t2.log.gz").write_bytes(gzip.compress(b'{"a": 1}\n[null, "stdout", "good"]\n[1, 2, 3]\nno\n'))
    assert await kept(archive) == []
    assert [one.text for one in await kept(archive, "t2")] == ["good"]


async def test_a_write_that_fails_keeps_the_earlier_log_and_leaves_nothing_behind(tmp_path: Path) -> None:
    archive = LogArchive(tmp_path)
    await archive.keep("t1", written([line(1)]))
    (tmp_path / "t2.log.gz").mkdir()
    with pytest.raises(ArchiveError):
        await archive.keep("t2", written([line(2)]))
    assert files(tmp_path) == ["t1.log.gz", "t2.log.gz"]
    assert await kept(archive) == [line(1)]


async def test_a_stream_that_breaks_keeps_the_earlier_log(tmp_path: Path) -> None:
    async def breaking() -> AsyncIterator[LogLine]:
        yield line(2)
        raise ConnectionError

    archive = LogArchive(tmp_path)
    await archive.keep("t1", written([line(1)]))
    with pytest.raises(ConnectionError):
        await archive.keep("t1", breaking())
    assert await kept(archive) == [line(1)]


async def test_files_belong_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    owner = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    folder = tmp_path / "logs"
    folder.mkdir()
    os.chown(folder, owner, -1)
    await LogArchive(folder).keep("t1", written([line(1)]))
    status = (folder / "t1.log.gz").stat()
    assert status.st_uid == owner
    assert status.st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["../t1", "", "a/b", "T1"])
async def test_only_an_id_names_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no task's id"):
        await LogArchive(tmp_path).forget(name)
