"""Reading that is held up over TLS, on both event loops: what came before the other side's end is all there."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from typing_extensions import override

from specola.flow import connect, pause, resume
from tests.support.certificates import make_certificate

pytestmark = pytest.mark.anyio

DATA = os.urandom(1024**2)
ROUNDS = 10


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops, as processes of ours run on either."""
    return "asyncio", {"use_uvloop": request.param}


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """Have a server that sends all it has, and closes without another word; give its port, and whom to believe."""
    certificate, key = make_certificate(folder, "localhost")
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(certificate, key)

    def serve(listening: socket.socket) -> None:
        # Until it is shut down, or somebody leaves in the middle.
        with contextlib.suppress(OSError):
            while True:
                connected, _ = listening.accept()
                with shown.wrap_socket(connected, server_side=True) as one:
                    one.sendall(DATA)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(asyncio.to_thread(serve, listening))
        try:
            yield listening.getsockname()[1], ssl.create_default_context(cafile=certificate)
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            await serving


async def test_slow_reader_gets_all_that_came_before_the_end(tmp_path: Path) -> None:
    async with server(tmp_path) as (port, trust):
        for _ in range(ROUNDS):
            reader, writer = await connect("127.0.0.1", port, tls=trust, name="localhost")
            came = b""
            while data := await reader.read(65536):
                came += data
                # Others have their turn, as they do where what is read is passed on to somebody slow.
                await asyncio.sleep(0.001)
            writer.close()
            assert len(came) == len(DATA)
            assert came == DATA


class Slow(asyncio.Protocol):
    """Pauses with each piece, and goes on a moment later."""

    def __init__(self) -> None:
        self.came = b""
        self.over = asyncio.Event()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self.came += data
        pause(self.transport)
        asyncio.get_running_loop().call_later(0.001, self.go_on)

    def go_on(self) -> None:
        if not self.transport.is_closing():
            resume(self.transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


async def test_protocol_that_pauses_gets_all_that_came_before_the_end(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with server(tmp_path) as (port, trust):
        for _ in range(ROUNDS):
            _, slow = await loop.create_connection(Slow, "127.0.0.1", port, ssl=trust, server_hostname="localhost")
            async with asyncio.timeout(20):
                await slow.over.wait()
            assert len(slow.came) == len(DATA)
            assert slow.came == DATA
