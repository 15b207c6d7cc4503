"""Forwarded connections: to the interfaces of the task, and nowhere else."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator

import pytest

from specola.connector.ssh.asking import Entered
from specola.connector.ssh.forwards import interface_at
from specola.domain.errors import PortRefusedError
from tests.support.openssh import SECONDS
from tests.support.ports import free_port
from tests.support.ssh_stage import SshStage, open_ssh_stage

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ENTERED = Entered(
    task="k3f9x2ab4c", name="My Notebook", person="p", marks=frozenset(), ports={"lab": 8888, "db": 5432, "ssh": 22}
)


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncIterator[SshStage]:
    async with open_ssh_stage() as opened:

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(1 << 18):
                    writer.write(data)
                    await writer.drain()
                writer.write(b"end")
                writer.write_eof()
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        opened.computing.ports[8000] = server.sockets[0].getsockname()[1]
        yield opened
        server.close()


@contextlib.asynccontextmanager
async def forwarding(stage: SshStage, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `ssh -N` with some forwards once they are listened at."""
    process = await stage.start(stage.ssh("-v", "-N", "-o", "ExitOnForwardFailure=yes", *words, "--"))
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            while b"Entering interactive session" not in await process.stderr.readline():
                assert process.returncode is None
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def exchange(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send() -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    async with asyncio.timeout(SECONDS):
        back = await reader.read(-1)
    await sending
    writer.close()
    return back


async def test_a_port_of_the_task_is_forwarded_each_half_ending_by_itself(stage: SshStage) -> None:
    port = free_port()
    data = bytes(range(256)) * (16 * 1024**2 // 256)
    async with forwarding(stage, "-L", f"{port}:localhost:8000"):
        back = await exchange(port, data)
        assert hashlib.sha256(back).digest() == hashlib.sha256(data + b"end").digest()
        many = await asyncio.gather(*(exchange(port, b"%d" % number) for number in range(50)))
        assert many == [b"%dend" % number for number in range(50)]


async def test_stdio_is_forwarded_by_any_name_of_the_task(stage: SshStage) -> None:
    for host in ("localhost", "127.0.0.1", "[::1]", stage.task.id, "web"):
        ran = await stage.run(stage.ssh("-W", f"{host}:8000", "--"), stdin=b"hello")
        assert (ran.code, ran.out) == (0, b"helloend"), (host, ran.err)


async def test_a_dynamic_forward_reaches_the_task_alone(stage: SshStage) -> None:
    port = free_port()

    async def connect(host: str, to: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x05\x01\x00\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + to.to_bytes(2, "big"))
        async with asyncio.timeout(SECONDS):
            assert await reader.readexactly(2) == b"\x05\x00"
            try:
                answer = await reader.readexactly(10)
            except asyncio.IncompleteReadError:
                writer.close()
                return b""
            writer.write(b"over socks" if answer[1] == 0 else b"")
            writer.write_eof()
            back = await reader.read(-1)
        writer.close()
        return back

    async with forwarding(stage, "-D", str(port)):
        assert await connect("localhost", 8000) == b"over socksend"
        assert await connect("localhost", stage.port) == b""
        assert await connect("192.0.2.1", 8000) == b""


@pytest.mark.parametrize(
    "target", ["169.254.169.254:80", "127.1:8000", "another:22", "example.org:8000", "0.0.0.0:8000"]
)
async def test_elsewhere_is_refused_with_a_reason(stage: SshStage, target: str) -> None:
    ran = await stage.run(stage.ssh("-W", target, "--"))
    assert ran.code == 255
    assert "administratively prohibited" in ran.err
    assert "is not a port of this task" in ran.err


async def test_a_port_that_nothing_listens_at_is_told(stage: SshStage) -> None:
    real, stage.computing.ports[8000] = stage.computing.ports[8000], free_port()
    try:
        ran = await stage.run(stage.ssh("-W", "localhost:8000", "--"))
    finally:
        stage.computing.ports[8000] = real
    assert ran.code == 255
    assert "connect failed: Nothing answers at port 8000 of the task." in ran.err


async def test_a_port_that_is_not_declared_is_the_tasks_own_too(stage: SshStage) -> None:
    # As an editor's server has it, which listens on a port that nobody knew before.
    refused = await stage.run(stage.ssh("-W", "127.0.0.1:4321", "--"))
    assert refused.code == 255
    assert "connect failed" in refused.err
    assert "nothing listens on port 4321" in refused.err
    stage.computing.ports[4321] = stage.computing.ports[8000]
    ran = await stage.run(stage.ssh("-W", "127.0.0.1:4321", "--"), stdin=b"hello")
    assert ran.out == b"helloend", ran.err
    del stage.computing.ports[4321]


async def test_a_jump_reaches_what_the_task_itself_serves(stage: SshStage) -> None:
    # `ssh -J` is `-W` on the first connection; the second one speaks SSH over it, here to the front door once more.
    real, stage.computing.ports[8000] = stage.computing.ports[8000], stage.port
    jump = stage.remote_shell() + f" -W localhost:8000 {stage.task.id}@localhost"
    try:
        ran = await stage.run(stage.ssh("-o", f"ProxyCommand={jump}", "--", "echo within"))
    finally:
        stage.computing.ports[8000] = real
    assert (ran.code, ran.out) == (0, b"within\n"), ran.err


@pytest.mark.parametrize(
    ("host", "port", "interface"),
    [
        ("localhost", 8888, "lab"),
        ("LOCALHOST", 5432, "db"),
        ("127.0.0.1", 22, "ssh"),
        ("::1", 5432, "db"),
        ("k3f9x2ab4c", 8888, "lab"),
        ("my notebook", 8888, "lab"),
        ("ssh", 22, "ssh"),
        ("localhost", 4321, "port-4321"),
        ("k3f9x2ab4c", 1, "port-1"),
    ],
)
def test_a_task_goes_by_its_names(host: str, port: int, interface: str) -> None:
    assert interface_at(ENTERED, host, port) == interface


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("localhost", 0),
        ("localhost", 65536 + 8888),
        ("lab", 5432),
        ("lab", 4321),
        ("port-4321", 4321),
        ("localhost", 65536),
        ("", 8888),
        ("0", 8888),
        ("0.0.0.0", 8888),  # noqa: S104 - refused
        ("127.1", 8888),
        ("127.0.0.2", 8888),
        ("2130706433", 8888),
        ("0x7f000001", 8888),
        ("0177.0.0.1", 8888),
        ("::", 8888),
        ("[::1]", 8888),
        ("0:0:0:0:0:0:0:1", 8888),
        ("::ffff:127.0.0.1", 8888),
        ("::ffff:10.0.0.1", 8888),
        ("::ffff:7f00:1", 8888),
        ("10.0.0.1", 8888),
        ("169.254.169.254", 80),
        ("localhost.", 8888),
        ("localhost\0", 8888),
        ("localhost ", 8888),
        ("l\u043ecalhost", 8888),
        ("localhost.example.org", 8888),
        ("another0ab", 8888),
        ("/var/run/docker.sock", 8888),
    ],
)
def test_every_other_spelling_is_refused(host: str, port: int) -> None:
    with pytest.raises(PortRefusedError, match="not a port of this task"):
        interface_at(ENTERED, host, port)
