"""How a tunnel is opened and left: certificates, proxies, answers that are none, last words."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from specola.cli.dialling import dial, trusted
from specola.cli.failures import AnsweredError
from specola.cli.reaching import Target
from specola.cli.tunnels import Door, Failure
from specola.domain.errors import PlatformUnreachableError
from specola.gateway.tls import server_tls
from tests.support.certificates import make_certificate
from tests.support.peers import Task, plain
from tests.support.stage import TOKEN, Stage
from tests.support.web_side import TASK

pytestmark = pytest.mark.anyio

LAB = f"lab--{TASK}.tasks.test"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def authorities() -> Iterator[None]:
    """Read anew which authorities are trusted, before and after."""
    trusted.cache_clear()
    yield
    trusted.cache_clear()


def target(origin: str) -> Target:
    return Target(task=TASK, task_name="mine", interface="lab", protocol="tcp", port=1, origin=origin, token=TOKEN)


@asynccontextmanager
async def proxy(port: int, *, answer: bytes = b"HTTP/1.1 200 Connected") -> AsyncIterator[tuple[int, list[bytes]]]:
    """Run a proxy that leads to one port whatever it is asked for; yields where it is, and what it was asked."""
    asked: list[bytes] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer + b"\r\n\r\n")
        if b" 200 " not in answer:
            writer.close()
            return
        far = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, far[1]), copy(far[0], writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], asked


@pytest.fixture
async def secure(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A gateway with a certificate that this machine has been told to trust; clients without HTTP need one too."""
    certificate, key = make_certificate(short_path, f"lab--{TASK}.localhost", LAB)
    tls = server_tls(certificate, key)
    named = {"interfaces": {(TASK, "lab"): {"protocol": "tcp", "endpoint": {}}}}
    async with Stage.open(tls=tls, web=named, public_url="https://platform.test", tasks_domain="tasks.test") as stage:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        yield stage


@pytest.fixture
def short_path(tmp_path: Path) -> Path:
    return tmp_path


async def test_a_certificate_that_nobody_vouches_for_is_refused(secure: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(PlatformUnreachableError) as refused:
        await dial(target(f"https://lab--{TASK}.localhost:{secure.port}"))
    assert "certificate" in refused.value.sentence
    assert not secure.web.decisions()


async def test_a_certificate_for_another_name_is_refused(secure: Stage) -> None:
    with pytest.raises(PlatformUnreachableError):
        await dial(target(f"https://other--{TASK}.localhost:{secure.port}"))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_proxy_that_the_api_uses_is_used(scheme: str, secure: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Stage.open(public_url="http://platform.test", tasks_domain="tasks.test") as bare:
        stage = secure if scheme == "https" else bare
        async with proxy(stage.port) as (port, asked):
            monkeypatch.setenv(f"{scheme}_proxy", f"http://ada:s%20cret@127.0.0.1:{port}")
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            shake = await dial(target(f"{scheme}://{LAB}:4711"))
            task = await stage.task.accept()
            await task.send(b"hello")
            assert asked[0].startswith(f"CONNECT {LAB}:4711 HTTP/1.1\r\n".encode())
            assert b"Proxy-Authorization: Basic YWRhOnMgY3JldA==\r\n" in asked[0]
            assert TOKEN.encode() not in asked[0]
            shake.transport.abort()


async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Task.listening() as task, proxy(task.port, answer=b"HTTP/1.1 403 Forbidden") as (port, _):
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with pytest.raises(PlatformUnreachableError, match="the proxy answered 403"):
            await dial(target(f"http://{LAB}"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"SSH-2.0-something\r\n\r\n", "the answer is no HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "not the platform's"),
        (b"", "the connection broke off"),
    ],
)
async def test_what_is_no_platform_is_told(answer: bytes, said: str) -> None:
    async with Task.listening() as task:
        dialling = asyncio.create_task(dial(target(f"http://lab--{TASK}.localhost:{task.port}")))
        peer = await task.accept()
        head = await peer.head()
        assert f"Authorization: Bearer {TOKEN}\r\n".encode() in head
        await peer.send(answer)
        peer.end()
        with pytest.raises(PlatformUnreachableError, match=said):
            await dialling


async def test_a_proxy_in_front_that_knows_no_websockets_is_guessed(tmp_path: Path) -> None:
    async with Task.listening() as task:
        dialling = asyncio.create_task(dial(target(f"http://lab--{TASK}.localhost:{task.port}")))
        peer = await task.accept()
        await peer.head()
        await peer.send(plain(b"<h1>Bad Request</h1>", status="400 Bad Request"))
        with pytest.raises(AnsweredError) as refused:
            await dialling
    assert (refused.value.status, "WebSockets" in refused.value.hint) == (400, True)


class Told:
    """Notes what goes wrong."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def changed(self, door: Door) -> None:
        """Note nothing."""

    def failed(self, door: Door, error: Failure) -> None:
        """Note a failure."""
        assert door.target.task == TASK
        self.failures.append(error)


async def test_what_a_client_wrote_before_it_left_arrives() -> None:
    said = bytes(range(256)) * 20_000
    async with Stage.open() as stage:
        told = Told()
        door = Door(target(f"http://lab--{TASK}.localhost:{stage.port}"), told)
        server = await asyncio.get_running_loop().create_server(door.accept, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        writer.write(said)
        writer.close()
        task = await stage.task.accept()
        reading = asyncio.create_task(task.rest())
        draining = asyncio.create_task(door.drain(10))
        assert await reading == said
        task.end()
        await draining
        await door.close()
        server.close()
        assert told.failures == []
