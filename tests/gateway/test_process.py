"""The gateway as a process of its own: TLS, several at one port, signals, start-up errors, memory."""

import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from specola.authorities.tls import TlsAuthority
from specola.config import Settings
from specola.websocket import head
from tests.support.certificates import client_files, make_certificate
from tests.support.peers import Peer, Task, plain
from tests.support.ports import free_port
from tests.support.sockets import handshake
from tests.support.stage import COOKIE, HOST, ORIGIN, request
from tests.support.web_side import TASK, WebSide

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

GIGABYTE = 1024**3
BLOCK = bytes(64 * 1024)
MOST_MEMORY = 64 * 1024


def environment(folder: Path, port: int, **more: str) -> dict[str, str]:
    named = {"DATA": str(folder), "BIND": f"127.0.0.1:{port}", "PUBLIC_URL": "http://localhost:8080", **more}
    user = {"RUN_AS": "nobody"}
    return {**os.environ, **{f"SPECOLA_{name}": value for name, value in (user | named).items()}}


async def started(folder: Path, port: int, **more: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "specola", "gateway", env=environment(folder, port, **more), stderr=subprocess.PIPE
    )
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.transport.abort()
            return process
    raise AssertionError("the gateway does not listen")


class Running:
    """A gateway that runs, the `web` it asks, and the visitors of a test."""

    def __init__(self, web: WebSide, process: asyncio.subprocess.Process, port: int) -> None:
        self.web = web
        self.process = process
        self.port = port
        self.peers: list[Peer] = []

    async def visitor(self, tls: ssl.SSLContext | None = None) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port, ssl=tls))
        self.peers.append(peer)
        return peer


@asynccontextmanager
async def gateway(folder: Path, *, known: Mapping[str, Any] | None = None, **more: str) -> AsyncIterator[Running]:
    port = free_port()
    folder.chmod(0o755)
    web = WebSide(settings=Settings(data=folder), cookies={COOKIE: "ada"}, **(known or {}))
    async with web.serving():
        for path in (folder / "run", web.settings.internal_socket, web.settings.web_socket):
            path.chmod(0o777)
        process = await started(folder, port, **more)
        await web.until(lambda: web.followers >= 1)
        running = Running(web, process, port)
        try:
            yield running
        finally:
            for peer in running.peers:
                peer.reset()
            if process.returncode is None:
                process.terminate()
            await process.communicate()


def peak(process: asyncio.subprocess.Process) -> int:
    """Return the most memory that a process has ever had, in kB (proc(5))."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1])


async def pour(peer: Peer, size: int) -> None:
    for _ in range(size // len(BLOCK)):
        peer.writer.write(BLOCK)
        await peer.writer.drain()


async def drink(peer: Peer, size: int) -> None:
    while size > 0:
        data = await peer.reader.read(1024 * 1024)
        assert data
        size -= len(data)


async def test_a_gigabyte_each_way_in_little_memory(short_path: Path) -> None:
    async with gateway(short_path) as running, Task.listening() as task:
        running.web.serve_interface("lab", task.endpoint)
        visitor = await running.visitor()
        await visitor.send(request("/", f"Content-Length: {GIGABYTE}", f"Origin: {ORIGIN}", method="PUT"))
        peer = await task.accept()
        await peer.head()
        await asyncio.gather(pour(visitor, GIGABYTE), drink(peer, GIGABYTE))
        await peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {GIGABYTE}\r\n\r\n".encode())
        await visitor.head()
        await asyncio.gather(pour(peer, GIGABYTE), drink(visitor, GIGABYTE))
        assert peak(running.process) < MOST_MEMORY


async def test_a_gigabyte_each_way_through_a_tunnel_in_little_memory(short_path: Path) -> None:
    async with gateway(short_path) as running, Task.listening() as task:
        running.web.serve_interface("lab", task.endpoint)
        visitor = await running.visitor()
        await visitor.send(handshake())
        assert b" 101 " in await visitor.head()
        peer = await task.accept()
        # One frame as large as all of it: nothing may wait for its end.
        await visitor.send(head(GIGABYTE, masked=True))
        await asyncio.gather(pour(visitor, GIGABYTE), drink(peer, GIGABYTE))
        await asyncio.gather(pour(peer, GIGABYTE), drink(visitor, GIGABYTE))
        assert peak(running.process) < MOST_MEMORY


async def test_tls_with_a_certificate_that_is_renewed(short_path: Path) -> None:
    certificate, key = make_certificate(short_path, "first.test")
    files: dict[str, Any] = {
        "TLS_CERT": str(certificate),
        "TLS_KEY": str(key),
        "RUN_AS": "root" if os.geteuid() == 0 else "nobody",
    }
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    async with gateway(short_path, **files) as running:
        visitor = await running.visitor(context)
        answer = await visitor.ask(request("/", host="localhost", cookie=None))
        assert answer.status == 200
        visitor.close()
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode, old.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
        visitor = await running.visitor(old)
        visitor.close()
        make_certificate(short_path, "second.test")
        running.process.send_signal(signal.SIGHUP)
        assert running.process.stderr is not None
        while b"read again" not in await running.process.stderr.readline():
            pass
        renewed = ssl.create_default_context(cafile=str(certificate))
        renewed.check_hostname = False
        visitor = await running.visitor(renewed)
        visitor.close()


async def test_every_process_asks_for_certificates_by_name(short_path: Path) -> None:
    certificate, key = make_certificate(short_path, "platform.test", "*.tasks.test")
    authority = TlsAuthority.fresh(installation="test", now=datetime.now(UTC))
    client = client_files(short_path, authority)
    context = ssl.create_default_context(cafile=str(certificate))
    context.load_cert_chain(client.certificate, client.key)
    async with Task.listening(echoing) as task:
        known = {
            "authority": authority.certificate,
            "certificates": {client.serial: "ada"},
            "interfaces": {(TASK, "raw"): {"protocol": "tcp", "endpoint": task.endpoint}},
        }
        files: dict[str, Any] = {
            "TLS_CERT": str(certificate),
            "TLS_KEY": str(key),
            "TASKS_DOMAIN": "tasks.test",
        }
        async with gateway(short_path, known=known, GATEWAYS="2", **files) as running:
            await running.web.until(lambda: running.web.followers == 2)
            for _ in range(10):
                opened = await asyncio.open_connection(
                    "127.0.0.1", running.port, ssl=context, server_hostname=f"raw--{TASK}.tasks.test"
                )
                visitor = Peer(*opened)
                running.peers.append(visitor)
                await visitor.send(b"hello")
                assert await visitor.exactly(5) == b"hello"


async def echoing(peer: Peer) -> None:
    while True:
        await peer.send(await peer.exactly(5))


async def test_several_processes_share_the_port_and_replace_each_other(short_path: Path) -> None:
    async with gateway(short_path, GATEWAYS="2") as running:
        await running.web.until(lambda: running.web.followers == 2)
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        assert len(children) == 2
        os.kill(int(children[0]), signal.SIGKILL)
        await running.web.until(lambda: running.web.streams_begun == 3)
        for _ in range(20):
            visitor = await running.visitor()
            assert (await visitor.ask(request(host="localhost:8080"))).status == 200
            visitor.close()


async def test_asked_to_end_it_lets_what_is_going_on_end(short_path: Path) -> None:
    async with gateway(short_path) as running, Task.listening() as task:
        running.web.serve_interface("lab", task.endpoint)
        visitor = await running.visitor()
        await visitor.send(request())
        peer = await task.accept()
        await peer.head()
        running.process.terminate()
        while True:
            try:
                (await running.visitor()).close()
            except OSError:
                break
        await peer.send(plain(b"in time"))
        answer = await visitor.answer()
        assert (answer.body, answer.header("connection")) == (b"in time", "close")
        assert await running.process.wait() == 0


async def test_a_port_in_use_is_named(short_path: Path) -> None:
    async with Task.listening() as taken:
        port = taken.port
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "specola", "gateway", env=environment(short_path, port), stderr=subprocess.PIPE
        )
        _, said = await process.communicate()
    assert f"127.0.0.1:{port} is in use already." in said.decode()
    assert "Traceback" not in said.decode()
    assert process.returncode == 5


async def test_a_bad_certificate_is_named(short_path: Path) -> None:
    bad = short_path / "bad.pem"
    bad.write_text("nothing")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "specola", "gateway",
        env=environment(short_path, free_port(), TLS_CERT=str(bad), TLS_KEY=str(short_path / "no.key")),
        stderr=subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert "no.key does not exist" in said.decode()
    assert process.returncode == 2
    assert HOST not in said.decode()
