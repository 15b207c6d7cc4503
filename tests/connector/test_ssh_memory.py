"""The front door's memory before a client that grants an endless window and reads nothing."""

import asyncio
from collections.abc import AsyncIterator

import asyncssh
import pytest

from tests.support.openssh import SECONDS
from tests.support.ssh_stage import SshStage, open_ssh_stage

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ENDLESS = 1 << 30
SIZE = 256 * 1024**2


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncIterator[SshStage]:
    async with open_ssh_stage() as opened:
        yield opened


class Deaf:
    """A way to the front door on which answers wait at the far end once `deaf` is called."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._hearing = asyncio.Event()
        self._hearing.set()

    async def open(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    def deaf(self) -> None:
        self._hearing.clear()

    def hear(self) -> None:
        self._hearing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, forth, None))
                group.create_task(_pump(back, writer, self._hearing))
        finally:
            forth.close()
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hearing: asyncio.Event | None) -> None:
    while data := await reader.read(65536):
        if hearing is not None:
            await hearing.wait()
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_a_deaf_client_with_an_endless_window_holds_back_the_task(stage: SshStage) -> None:
    way = Deaf(stage.port)
    server = await way.open()
    port = server.sockets[0].getsockname()[1]
    async with asyncssh.connect(
        "127.0.0.1",
        port,
        username=stage.task.id,
        client_keys=[stage.identity.private.encode()],
        known_hosts=asyncssh.import_known_hosts(stage.platform.services.keys.known_hosts(("127.0.0.1",), port)),
        config=None,
        agent_path=None,
    ) as connection:
        command = f"head -c {SIZE} /dev/zero"
        process = await connection.create_process(command, encoding=None, window=ENDLESS)
        assert await process.stdout.readexactly(1) == b"\0"
        way.deaf()
        seen = [-1]

        async def stands_still() -> bool:
            await asyncio.sleep(0.3)
            seen.append(sum(one.record.sent for one in stage.live.open if one.record))
            return seen[-1] == seen[-2]

        await stage.until(stands_still)
        assert 0 < seen[-1] < SIZE // 4
        way.hear()
        left = 1
        async with asyncio.timeout(SECONDS):
            while data := await process.stdout.read(1 << 20):
                left += len(data)
        assert left == SIZE
    server.close()
