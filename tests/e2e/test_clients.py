"""Real, unmodified clients of databases, gRPC and plain TCP against tasks on a real Podman, by every way there is."""

import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from tests.support.engines import PrivateEngine
from tests.support.installed import PROGRAM, Installed, installed, until
from tests.support.ports import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.timeout(600)]

PSQL = Path("/usr/lib/postgresql/15/bin")
SOFTWARE = """
software: servers
title: Servers
image: localhost/specola/servers:1
user: home
home: /home/person
interfaces:
  - {name: cache, port: 6379, protocol: redis}
  - {name: echo, port: 7000, protocol: tcp}
  - {name: texts, port: 50051, protocol: grpc}
"""
BULK = 256 * 1024**2
CHUNK = 1024**2


@dataclass(frozen=True, slots=True)
class Standing:
    """A platform with two running tasks, “PostgreSQL” and “Servers”, and the REST service “Sum”."""

    platform: Installed

    async def run(self, *words: str) -> tuple[int, str, str]:
        """Run a `specola` command to its end."""
        return await self.platform.command(*words)

    @asynccontextmanager
    async def forwarding(self, task: str, *wanted: tuple[str, int]) -> AsyncIterator[None]:
        """Forward interfaces to local ports while the body runs."""
        words = [f"{interface}:{port}" for interface, port in wanted]
        async with started([*PROGRAM, "forward", task, *words], self.platform.settings) as process:
            assert process.stdout is not None
            seen = b""
            while not all(f":{port}".encode() in seen for _, port in wanted):
                line = await asyncio.wait_for(process.stdout.readline(), 60)
                assert line, seen
                seen += line
            yield


@asynccontextmanager
async def started(argv: Sequence[str], environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Have a program run for the body."""
    process = await asyncio.create_subprocess_exec(
        *argv, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def output_of(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a client to its end, which has to be a good one; return what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**os.environ, **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, (argv[0], output, errors)
    return output.decode()


@pytest.fixture(scope="module")
async def standing(
    demonstrations: PrivateEngine, servers: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Standing]:
    assert servers in SOFTWARE
    with tempfile.TemporaryDirectory(prefix="specola-e2e-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        async with installed(Path(name) / "data", engine=demonstrations.url) as platform:
            await make_tasks(platform, tmp_path_factory.mktemp("software"))
            yield Standing(platform)
            async with platform.api() as api:
                for task in (await api.get("/tasks", params={"live": True})).json()["tasks"]:
                    await api.post(f"/tasks/{task['id']}/stop", params={"wait": 30})


async def make_tasks(platform: Installed, folder: Path) -> None:
    file = folder / "servers.yaml"
    file.write_text(SOFTWARE, encoding="utf-8")
    assert (await platform.command("software", "add", str(file)))[0] == 0
    begun = (platform.command("run", name, "--wait", "120") for name in ("postgresql", "servers", "sum"))
    for code, output, errors in await asyncio.gather(*begun):
        assert code == 0, (output, errors)


async def credential(standing: Standing, task: str, interface: str) -> str:
    async with standing.platform.api() as api:
        answer = await api.get(f"/tasks/{task}/interfaces/{interface}/credential")
        assert answer.status_code == 200, answer.text
        text: str = answer.json()["credential"]
        return text


async def test_psql_by_a_forwarded_port(standing: Standing) -> None:
    port, password = free_port(), await credential(standing, "PostgreSQL", "database")
    async with standing.forwarding("PostgreSQL", ("database", port)):
        where = ["--host=127.0.0.1", f"--port={port}", "--username=postgres", "--tuples-only", "--no-align"]
        answer = await output_of([str(PSQL / "psql"), *where, "--command=SELECT 6 * 7"], {"PGPASSWORD": password})
        assert answer.strip() == "42"


async def test_psql_by_a_port_that_ssh_forwards(standing: Standing) -> None:
    port, password = free_port(), await credential(standing, "PostgreSQL", "database")
    argv = [*PROGRAM, "ssh", "PostgreSQL", "--", "-N", "-L", f"127.0.0.1:{port}:localhost:5432"]
    where = ["--host=127.0.0.1", f"--port={port}", "--username=postgres", "--tuples-only", "--no-align"]
    client = [str(PSQL / "psql"), *where, "--command=SELECT 6 * 7"]

    async def answered() -> bool:
        """Tell whether ssh listens by now."""
        with contextlib.suppress(AssertionError):
            return (await output_of(client, {"PGPASSWORD": password})).strip() == "42"
        return False

    async with started(argv, standing.platform.settings):
        await until(answered, pause=0.3, what="psql's answer by ssh -L")


async def test_psql_by_connect_is_told_everything_by_its_environment(standing: Standing) -> None:
    client = [str(PSQL / "psql"), "--tuples-only", "--no-align", "--command=SELECT current_user, 6 * 7"]
    code, output, errors = await standing.run("connect", "PostgreSQL", "database", "--", *client)
    assert (code, output.strip()) == (0, "postgres|42"), errors
    code, _, errors = await standing.run(
        "connect", "PostgreSQL", "database", "--", str(PSQL / "psql"), "--command=SELECT nothing"
    )
    assert code == 1
    assert "nothing" in errors


async def test_pgbench_through_the_tunnel(standing: Standing) -> None:
    bench = str(PSQL / "pgbench")
    code, _, errors = await standing.run("connect", "PostgreSQL", "database", "--", bench, "--initialize", "--quiet")
    assert code == 0, errors
    load = ["--client=4", "--transactions=50", "--no-vacuum"]
    code, output, errors = await standing.run("connect", "PostgreSQL", "database", "--", bench, *load)
    assert code == 0, errors
    assert "200/200" in output


async def test_redis_cli_finds_its_address_in_the_words_of_its_command(standing: Standing) -> None:
    client = ["redis-cli", "-h", "{host}", "-p", "{port}", "incrby", "counted", "42"]
    password = await credential(standing, "Servers", "cache")
    argv = [*PROGRAM, "connect", "Servers", "cache", "--", *client]
    answer = await output_of(argv, standing.platform.settings | {"REDISCLI_AUTH": password})
    assert answer.strip() == "42"


async def test_grpc_with_messages_one_by_one_and_in_streams(standing: Standing) -> None:
    port = free_port()
    async with (
        standing.forwarding("Servers", ("texts", port)),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        assert await channel.unary_unary("/tests.Texts/Reverse")(b"M51") == b"15M"
        counted = [one async for one in channel.unary_stream("/tests.Texts/Count")(b"1000")]
        assert counted == [str(number).encode() for number in range(1000)]
        sums = [one async for one in channel.stream_stream("/tests.Texts/Sum")(iter([b"1", b"2", b"3"]))]
        assert sums == [b"1", b"3", b"6"]


async def test_curl_by_a_forwarded_port_to_a_web_service(standing: Standing) -> None:
    port = free_port()
    async with standing.forwarding("Sum", ("api", port)):
        answer = await output_of(["curl", "--silent", "--fail", f"http://127.0.0.1:{port}/sum?a=40&b=2"])
    assert json.loads(answer)["sum"] == 42


async def test_many_connections_at_once_each_with_its_own_half_close(standing: Standing) -> None:
    port = free_port()

    async def one(number: int) -> None:
        text = f"connection {number} ".encode() * 1000
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text)
        writer.write_eof()
        assert await reader.read() == text + f"end after {len(text)}\n".encode()
        writer.close()

    async with standing.forwarding("Servers", ("echo", port)):
        await asyncio.wait_for(asyncio.gather(*map(one, range(100))), 60)


async def test_much_goes_both_ways_unchanged(standing: Standing) -> None:
    port = free_port()
    block = os.urandom(CHUNK)

    async def send(writer: asyncio.StreamWriter) -> str:
        there = hashlib.sha256()
        for number in range(BULK // CHUNK):
            data = number.to_bytes(8) + block[8:]
            there.update(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        return there.hexdigest()

    async def take(reader: asyncio.StreamReader) -> str:
        back, left = hashlib.sha256(), BULK
        while left:
            data = await reader.read(min(CHUNK, left))
            assert data, f"{left} bytes are missing"
            left -= len(data)
            back.update(data)
        return back.hexdigest()

    async with standing.forwarding("Servers", ("echo", port)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        there, back = await asyncio.wait_for(asyncio.gather(send(writer), take(reader)), 120)
        assert there == back
        assert await reader.read() == f"end after {BULK}\n".encode()
        writer.close()
