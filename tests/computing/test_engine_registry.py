"""What registries made to do harm get: a refusal in words, few bytes of memory, and no way into this host."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError

from specola.computing.engine.config import EngineSettings
from specola.computing.registries.reach import Reach
from specola.computing.registries.registry import Registry
from specola.domain.budget import Budget
from specola.domain.computing import ImageDetails
from specola.domain.errors import BudgetExhaustedError, ImageUnknownError, ImageUnreachableError, RegistryRefusedError
from specola.domain.reference import ImageReference

pytestmark = pytest.mark.anyio

Answer = Callable[[asyncio.StreamWriter, str], Awaitable[None]]
ENOUGH = 16 * 1024**2
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
PIECE = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
LOCAL_NAMES = {
    "loopback.test": ["127.0.0.1"],
    "loopback6.test": ["::1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "metadata.test": ["169.254.169.254"],
    "link.test": ["fe80::1%1"],
    "mixed.test": ["203.0.113.7", "127.0.0.1"],
}


@dataclass
class Peer:
    """Something that listens on the loopback: which lines it was asked."""

    port: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """How a registry here is called."""
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[Peer]:
    """Answer whoever comes while the body runs."""
    peer = Peer()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.asked.append("")
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                peer.asked[-1] = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0].decode()
                await answer(writer, peer.asked[-1])
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    async with server:
        yield peer
    async with asyncio.timeout(5):
        _ = await asyncio.gather(*serving)


def fixed(text: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter, _: str) -> None:
        writer.write(text)
        await writer.drain()

    return answer


async def local_names(host: str, _: int) -> list[str]:
    return LOCAL_NAMES[host]


async def inspect(name: str, reach: Reach) -> ImageDetails:
    registry = Registry(reach)
    try:
        return await registry.inspect(ImageReference.parse(f"{name}/a/b:1"), machine="amd64")
    finally:
        await registry.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nsecret",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (9 * 1024**2),
    ],
    ids=["list", "text", "fault", "ssh", "huge"],
)
async def test_whatever_answers_instead_of_a_registry_does_no_harm(answer: bytes) -> None:
    async with listening(fixed(answer)) as peer:
        with pytest.raises(ImageUnreachableError) as caught:
            await inspect(peer.name, Reach([peer.name]))
    assert "secret" not in caught.value.sentence


def token_server(first: bytes, piece: bytes, *, pause: float = 0.0) -> tuple[Answer, list[int]]:
    """Return a registry that wants a token, and gives one that has no end; and a list of its pieces' sizes."""
    sent: list[int] = []

    async def answer(writer: asyncio.StreamWriter, asked: str) -> None:
        if "/token" not in asked:
            name = "127.0.0.1:{}".format(writer.get_extra_info("sockname")[1])
            realm = f'WWW-Authenticate: Bearer realm="http://{name}/token"'
            writer.write(f"HTTP/1.1 401 No\r\n{realm}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        writer.write(first)
        while True:
            writer.write(piece)
            await writer.drain()
            sent.append(len(piece))
            await asyncio.sleep(pause)

    return answer, sent


@pytest.mark.parametrize("first", [ENDLESS, LARGE], ids=["endless", "large"])
async def test_token_without_end_is_given_up_after_a_few_bytes(first: bytes) -> None:
    answer, sent = token_server(first, PIECE)
    async with listening(answer) as peer:
        with pytest.raises(ImageUnreachableError):
            await inspect(peer.name, Reach([peer.name]))
        assert [one.split()[1].partition("?")[0] for one in peer.asked] == ["/v2/a/b/manifests/1", "/token"]
    # The rest waited in the sockets' buffers.
    assert 0 < sum(sent) < ENOUGH


async def test_token_that_comes_byte_by_byte_ends_with_the_budget() -> None:
    answer, sent = token_server(ENDLESS, b"1\r\n \r\n", pause=0.01)
    async with listening(answer) as peer:
        budget = Budget(0.5, "Reading the image")
        with pytest.raises(BudgetExhaustedError):
            async with budget.spend():
                await inspect(peer.name, Reach([peer.name]))
    assert sent


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0"])
async def test_registry_on_this_host_is_not_asked(host: str) -> None:
    async with listening(fixed(b"")) as peer:
        with pytest.raises(RegistryRefusedError) as caught:
            await inspect(f"{host}:{peer.port}", Reach())
        assert peer.asked == []
    assert "insecure_registries" in caught.value.hint


@pytest.mark.parametrize("host", LOCAL_NAMES)
async def test_registry_whose_name_leads_to_this_host_or_its_link_is_not_asked(host: str) -> None:
    async with listening(fixed(b"")) as peer:
        with pytest.raises(RegistryRefusedError) as caught:
            await inspect(f"{host}:{peer.port}", Reach(resolve=local_names))
        assert peer.asked == []
    assert f"{host}:{peer.port}" in caught.value.sentence


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "field",
    ["302 Found\r\nLocation: {}", '401 No\r\nWWW-Authenticate: Bearer realm="{}"'],
    ids=["redirect", "realm"],
)
async def test_registry_leads_nobody_to_another_listener_of_this_host(field: str, scheme: str) -> None:
    async with listening(fixed(b"")) as inner:
        leading = field.format(f"{scheme}://{inner.name}/secret")
        async with listening(fixed(f"HTTP/1.1 {leading}\r\nContent-Length: 0\r\n\r\n".encode())) as peer:
            with pytest.raises(RegistryRefusedError) as caught:
                await inspect(peer.name, Reach([peer.name]))
            assert len(peer.asked) == 1
        assert inner.asked == []
    assert peer.name in caught.value.sentence
    assert "/secret" not in caught.value.sentence


async def test_registry_leads_to_no_file() -> None:
    answer = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="file:///etc/passwd"\r\nContent-Length: 0\r\n\r\n'
    async with listening(fixed(answer)) as peer:
        with pytest.raises(RegistryRefusedError):
            await inspect(peer.name, Reach([peer.name]))


async def test_named_registry_is_asked_without_tls_wherever_it_is() -> None:
    async with listening(fixed(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as peer:
        with pytest.raises(ImageUnknownError):
            await inspect(f"localhost:{peer.port}", Reach([f"LOCALHOST:{peer.port}"]))
        assert peer.asked == ["GET /v2/a/b/manifests/1 HTTP/1.1"]


async def test_name_without_an_address_is_unreachable() -> None:
    with pytest.raises(ImageUnreachableError):
        await inspect("a" * 70 + ".test", Reach())


async def test_proxy_of_the_environment_is_used_unless_the_registry_is_excepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening(fixed(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.name}")
        monkeypatch.setenv("no_proxy", "loopback.test")
        with pytest.raises(ImageUnreachableError):
            await inspect("registry.test", Reach(resolve=local_names))
        assert proxy.asked == ["CONNECT registry.test:443 HTTP/1.1"]
        with pytest.raises(RegistryRefusedError):
            await inspect("loopback.test", Reach(resolve=local_names))
        assert len(proxy.asked) == 1


@pytest.mark.parametrize("name", ["http://localhost:5000", "localhost:5000/team", "localhost", "registry", ""])
def test_setting_names_registries_as_images_do(name: str) -> None:
    assert EngineSettings(insecure_registries=("localhost:5000", "registry.lan")).insecure_registries
    with pytest.raises(ValidationError, match="is no registry"):
        EngineSettings(insecure_registries=(name,))
