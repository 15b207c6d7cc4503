"""A task that writes without end: what an engine keeps of it on its disk, and that its last lines are read."""

import asyncio
from pathlib import Path

import pytest

from specola.ports.computing import HasLogs
from tests.support.places import EnginePlace

pytestmark = [pytest.mark.anyio, pytest.mark.containers]

MIB = 1024**2
LIMIT = 64 * MIB
# Docker keeps the file before the present one too.
MOST = 2 * LIMIT + 8 * MIB
LINE = 8000
WRITE = (
    f"x=$(head -c {LINE - 10} /dev/zero | /.specola/busybox tr '\\0' x) || exit; n=0; "
    'while true; do n=$((n+1)); echo "$n $x"; done'
)


async def last_numbers(place: EnginePlace, handle: str) -> list[int]:
    assert isinstance(place.computing, HasLogs)
    numbers = [line.text.partition(" ")[0] async for line in place.computing.logs(handle, tail=20)]
    # The first may be the rest of a line, and the last its beginning, in full.
    return [int(number) for number in numbers if number.isdecimal()]


def on_disk(folder: Path) -> int:
    """Return the bytes that files in a folder take; some go while they are counted."""
    sizes = 0
    for file in folder.rglob("*"):
        try:
            sizes += file.lstat().st_blocks * 512
        except FileNotFoundError:
            continue
    return sizes


async def test_disk_keeps_a_bounded_end_of_what_a_task_writes(local_engine: EnginePlace) -> None:
    handle = await local_engine.launch(local_engine.shell(WRITE))
    log = Path(str((await local_engine.inspect(handle))["LogPath"]))
    assert log.is_file()
    # The log is read afterwards only: Podman stumbles over a line that is being written.
    largest = written = before = 0
    async with asyncio.timeout(240):
        while written < 3 * LIMIT:
            now = await asyncio.to_thread(on_disk, log.parent)
            written += now - before if now >= before else 0
            largest, before = max(largest, now), now
            await asyncio.sleep(0.01)
    await local_engine.kill(handle)
    await local_engine.ended(handle)
    assert LIMIT / 2 < largest < MOST
    assert await asyncio.to_thread(on_disk, log.parent) < MOST
    numbers = await last_numbers(local_engine, handle)
    assert numbers == sorted(numbers)
    assert numbers[-1] * LINE >= 2 * LIMIT
