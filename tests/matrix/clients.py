"""One unmodified client for each protocol, and what it does with a task that runs."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
from playwright.async_api import BrowserContext, Page, expect

from tests.support.forwards import forwarded
from tests.support.installed import Installed
from tests.support.openssh import OpenSsh
from tests.support.screens import Screen

__all__ = ["PROTOCOLS", "Client", "Protocol"]

PSQL = "/usr/lib/postgresql/15/bin/psql"
SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody with the usual programs, and the task that they use."""

    platform: Installed
    browser: BrowserContext
    ssh: OpenSsh
    task: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The task's id."""
        name: str = self.task["id"]
        return name

    @asynccontextmanager
    async def page(self, interface: str) -> AsyncIterator[Page]:
        """Open an interface in a browser that is signed in."""
        page = await self.browser.new_page()
        try:
            await page.goto(f"http://{interface}--{self.id}.localhost:{self.platform.port}/")
            yield page
        finally:
            await page.close()

    def forwarded(self, interface: str) -> AbstractAsyncContextManager[int]:
        """Have `specola forward` lead to an interface; give the local port."""
        return forwarded(self.platform, self.id, interface)

    async def credential(self, interface: str) -> str:
        """Return what an interface asks for."""
        async with self.platform.api() as api:
            answer = await api.get(f"/tasks/{self.id}/interfaces/{interface}/credential")
        assert answer.status_code == httpx.codes.OK, answer.text
        text: str = answer.json()["credential"]
        return text


async def output_of(argv: Sequence[str], **environment: str) -> str:
    """Run a program to its good end; return what it wrote."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, env={**os.environ, **environment}, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    output, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, (argv[0], output, errors)
    return output.decode()


async def use_http(client: Client) -> None:
    """Press the application's button in Chromium."""
    async with client.page("web") as page:
        await expect(page.get_by_role("heading", name="An application")).to_be_visible(timeout=60_000)
        await page.get_by_role("button", name="Ask").click()
        await expect(page.locator("#answer")).to_have_text("42")


async def use_websocket(client: Client) -> None:
    """Have Chromium open a WebSocket and hear an echo, short and long."""
    async with client.page("web") as page:
        for text in ("hello", "x" * 300_000):
            assert await page.evaluate("text => echo(text)", text) == text


async def use_desktop(client: Client) -> None:
    """Type at a terminal on the desktop in Chromium, and see it change."""
    async with client.page("desktop") as page:
        screen = Screen(page)
        await screen.connected()

        async def is_white() -> bool:
            return (await screen.look(20, 20, 400, 200)).mean > 200

        await screen.until(is_white, what="the terminal on the desktop")

        async def is_written() -> bool:
            return (await screen.look(0, 0, 700, 300)).spread > 30

        await screen.press(300, 300)
        # A line of dark letters all over the screen.
        for key in "seq -s M 4000":
            await page.keyboard.press("Space" if key == " " else key)
        await screen.type_until("Enter", is_written, what="what the command writes")


async def use_ssh(client: Client) -> None:
    """Run a command, and carry a file there and back, by OpenSSH's programs."""
    ran = await client.ssh.run(client.ssh.ssh("echo out; echo err >&2; exit 7", task=client.id))
    assert (ran.code, ran.out, ran.err) == (7, b"out\n", "err\n"), ran
    sent, back = client.ssh.folder / f"{client.id}.sent", client.ssh.folder / f"{client.id}.back"
    sent.write_bytes(os.urandom(1024**2))
    batch = client.ssh.folder / f"{client.id}.batch"
    batch.write_text(f"put {sent} /tmp/there\nget /tmp/there {back}\n", encoding="ascii")
    where = ["-P", str(client.ssh.port), "-b", str(batch), f"{client.id}@localhost"]
    ran = await client.ssh.run(["sftp", *client.ssh.options(), *where])
    assert ran.code == 0, ran.err
    assert back.read_bytes() == sent.read_bytes()


async def use_postgres(client: Client) -> None:
    """Ask PostgreSQL by psql."""
    password = await client.credential("database")
    async with client.forwarded("database") as port:
        where = ["--host=127.0.0.1", f"--port={port}", "--username=postgres", "--tuples-only", "--no-align"]
        answer = await output_of(
            [PSQL, *where, "--command=SELECT sum(n) FROM generate_series(1, 8) n"], PGPASSWORD=password
        )
        assert answer.strip() == "36"


async def use_grpc(client: Client) -> None:
    """Call by grpcio, one message and a stream of them."""
    async with (
        client.forwarded("texts") as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        assert await channel.unary_unary("/tests.Texts/Reverse")(b"M51", timeout=SECONDS) == b"15M"
        sums = [one async for one in channel.stream_stream("/tests.Texts/Sum")(iter([b"1", b"2", b"3"]))]
        assert sums == [b"1", b"3", b"6"]


async def use_rest(client: Client) -> None:
    """Ask and send by curl, with a token."""
    host = f"api--{client.id}.localhost"
    curl = [
        "curl",
        "--silent",
        "--fail",
        "--header",
        "@-",
        "--connect-to",
        f"{host}:{client.platform.port}:127.0.0.1:{client.platform.port}",
    ]
    header = f"Authorization: Bearer {client.platform.token}\n"

    async def ask(*words: str) -> Any:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*curl, *words, stdin=pipe, stdout=pipe)
        output, _ = await asyncio.wait_for(process.communicate(header.encode()), SECONDS)
        assert process.returncode == 0, output
        return json.loads(output)

    url = f"http://{host}:{client.platform.port}/sum?a=40&b=2"
    assert await ask(url) == {"sum": 42}
    assert await ask("--data", "x" * 5000, url) == {"length": 5000}


async def use_echo(client: Client) -> None:
    """Send a mebibyte by each of ten connections at once, and end their halves one by one."""
    data = os.urandom(1024**2)

    async def one(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reading = asyncio.create_task(reader.read(-1))
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        came = await asyncio.wait_for(reading, SECONDS)
        writer.close()
        assert len(came) > len(data), f"only {len(came)} of {len(data)} bytes came back"
        assert came == data + f"end after {len(data)}\n".encode()

    async with client.forwarded("echo") as port:
        await asyncio.gather(*(one(port) for _ in range(10)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One column of the matrix: what is started, and what a client does with it."""

    title: str
    client: str
    command: str
    interface: Mapping[str, Any]
    use: Callable[[Client], Awaitable[None]]


PROTOCOLS: Mapping[str, Protocol] = {
    "http": Protocol(
        title="HTTP application",
        client="Chromium",
        command="serve http",
        interface={"name": "web", "port": 8000, "protocol": "http"},
        use=use_http,
    ),
    "websocket": Protocol(
        title="WebSocket",
        client="Chromium",
        command="serve websocket",
        interface={"name": "web", "port": 8001, "protocol": "http"},
        use=use_websocket,
    ),
    "desktop": Protocol(
        title="Remote desktop",
        client="Chromium (noVNC)",
        command="desktop",
        interface={"name": "desktop", "port": 5901, "protocol": "rfb"},
        use=use_desktop,
    ),
    "ssh": Protocol(
        title="SSH",
        client="OpenSSH (ssh, sftp)",
        command="serve echo",
        interface={"name": "echo", "port": 7000, "protocol": "tcp"},
        use=use_ssh,
    ),
    "postgres": Protocol(
        title="PostgreSQL",
        client="psql",
        command="database",
        interface={"name": "database", "port": 5432, "protocol": "postgres"},
        use=use_postgres,
    ),
    "grpc": Protocol(
        title="gRPC",
        client="grpcio",
        command="serve grpc",
        interface={"name": "texts", "port": 50051, "protocol": "grpc"},
        use=use_grpc,
    ),
    "rest": Protocol(
        title="REST",
        client="curl",
        command="serve rest",
        interface={"name": "api", "port": 8002, "protocol": "http"},
        use=use_rest,
    ),
    "echo": Protocol(
        title="Raw TCP",
        client="a socket",
        command="serve echo",
        interface={"name": "echo", "port": 7000, "protocol": "tcp"},
        use=use_echo,
    ),
}
