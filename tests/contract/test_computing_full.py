"""An engine whose disk is full says so in our words, and works again once there is room."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from specola.domain.computing import Phase
from specola.domain.errors import NoSpaceError
from tests.contract.conftest import engine_place
from tests.support.engines import PrivateEngine
from tests.support.places import EnginePlace, command

pytestmark = [pytest.mark.anyio, pytest.mark.containers]

SIZE = "96m"


@pytest.fixture(params=["podman", "docker"])
async def small(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[EnginePlace, Path]]:
    """An engine with a little disk of its own, and where that is."""
    # Sockets below it have long names already.
    disk = Path(tempfile.mkdtemp(prefix="specola-full-", dir="/var/tmp"))
    await command("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "specola-test", str(disk))
    try:
        with PrivateEngine(request.param, disk / "engine").shared() as engine:
            place = engine_place(request.param, engine, tmp_path)
            try:
                yield place, disk
            finally:
                await place.close()
    finally:
        await command("umount", "--lazy", str(disk))
        disk.rmdir()


async def test_full_disk_is_told_as_such_and_leaves_nothing(small: tuple[EnginePlace, Path]) -> None:
    place, disk = small
    ballast = disk / "ballast"
    await asyncio.to_thread(fill, ballast)
    with pytest.raises(NoSpaceError):
        await place.launch(place.web())
    ballast.unlink()
    assert await place.computing.discover() == {}
    handle = await place.launch(place.web())
    assert (await place.observe(handle)).phase is Phase.RUNNING


def fill(file: Path) -> None:
    """Take all the space there is."""
    with file.open("wb", buffering=0) as ballast:
        piece = bytes(1024**2)
        while piece:
            try:
                ballast.write(piece)
            except OSError:
                piece = piece[: len(piece) // 2]
