"""Unmodified clients reach a task by its TLS name: PostgreSQL's library, redis-cli, gRPC."""

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from tests.support.certificates import ClientFiles
from tests.support.databases import PostgresServer
from tests.support.named import Named, open_named

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DIRECT: dict[str, Any] = {"sslmode": "verify-full", "sslnegotiation": "direct", "connect_timeout": 10}


# -- PostgreSQL ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[Named]:
    """A gateway before a real PostgreSQL."""
    async with open_named({"db": {"path": str(postgres_server.folder / ".s.PGSQL.5432")}}) as named:
        yield named


def connect(named: Named, client: ClientFiles | None) -> psycopg.Connection[Any]:
    files: dict[str, Any] = {"sslcert": ""}
    if client is not None:
        files = {"sslcert": str(client.certificate), "sslkey": str(client.key)}
    where: dict[str, Any] = {
        "host": named.name("db"),
        "hostaddr": "127.0.0.1",
        "port": named.stage.port,
        "sslrootcert": str(named.root),
    }
    return psycopg.connect(user="postgres", dbname="postgres", **where, **files, **DIRECT)


def ask(named: Named, client: ClientFiles | None) -> int:
    with connect(named, client) as connection:
        row = connection.execute("SELECT count(*) FROM generate_series(1, 100000)").fetchone()
        assert row is not None
        with connection.cursor().copy(
            "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 10000)) TO STDOUT"
        ) as out:
            assert sum(len(data) for data in out) == 10_010_000
    return int(row[0])


@pytest.mark.postgres
async def test_libpq_connects_directly(database: Named) -> None:
    assert psycopg.pq.version() >= 170000
    assert await asyncio.to_thread(ask, database, database.client) == 100000


@pytest.mark.postgres
async def test_libpq_says_what_is_missing(database: Named) -> None:
    with pytest.raises(psycopg.OperationalError, match="A client certificate is needed here"):
        await asyncio.to_thread(ask, database, None)
    database.stage.web.certificates.clear()
    with pytest.raises(psycopg.OperationalError, match="unknown, expired or revoked"):
        await asyncio.to_thread(ask, database, database.client)


@pytest.mark.postgres
async def test_an_open_session_ends_when_it_is_revoked(database: Named) -> None:
    connection = await asyncio.to_thread(connect, database, database.client)
    with connection:
        asking = asyncio.create_task(asyncio.to_thread(connection.execute, "SELECT pg_sleep(60)"))
        await database.stage.web.until(lambda: bool(database.stage.web.decisions()))
        await database.stage.web.revoke("person:ada")
        async with asyncio.timeout(2):
            with pytest.raises(psycopg.OperationalError):
                await asking


# -- Redis --------------------------------------------------------------------------------------------------------------


@contextmanager
def redis_server() -> Iterator[Path]:
    """Run a real server on a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="redis") as folder:
        socket = Path(folder) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", "", "--daemonize", "no"]
        server = subprocess.Popen(["redis-server", *options], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            while "ready to accept connections" not in server.stdout.readline().lower():
                assert server.poll() is None
            yield socket
        finally:
            server.terminate()
            server.communicate()


async def redis(named: Named, client: ClientFiles | None, *words: str) -> tuple[int, str]:
    files = ["--cert", str(client.certificate), "--key", str(client.key)] if client else []
    where = ["-h", "127.0.0.1", "-p", str(named.stage.port), "--tls", "--sni", named.name("cache")]
    program = await asyncio.create_subprocess_exec(
        "redis-cli", *where, "--cacert", str(named.root), *files, *words,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await program.communicate()
    assert program.returncode is not None
    return program.returncode, said.decode()


async def test_redis_cli_sets_and_gets() -> None:
    with redis_server() as socket:
        async with open_named({"cache": {"path": str(socket)}}) as named:
            assert await redis(named, named.client, "SET", "star", "Vega") == (0, "OK\n")
            assert await redis(named, named.client, "GET", "star") == (0, "Vega\n")
            _, said = await redis(named, None, "GET", "star")
            assert "A client certificate is needed here." in said


# -- gRPC ---------------------------------------------------------------------------------------------------------------


def echo(request: bytes, _: grpc.ServicerContext) -> bytes:
    return request


def double(requests: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
    for request in requests:
        yield request
        yield request


@contextmanager
def grpc_server() -> Iterator[int]:
    """Run a real server without TLS."""
    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Double": grpc.stream_stream_rpc_method_handler(double),
    }
    with ThreadPoolExecutor(max_workers=4) as workers:
        server = grpc.server(workers)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Calls", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            server.stop(None).wait()


def call(named: Named, client: ClientFiles | None) -> tuple[bytes, list[bytes]]:
    files = (client.key.read_bytes(), client.certificate.read_bytes()) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(named.root.read_bytes(), *files)
    options = (("grpc.ssl_target_name_override", named.name("calls")),)
    with grpc.secure_channel(f"127.0.0.1:{named.stage.port}", credentials, options) as channel:
        said = channel.unary_unary("/test.Calls/Echo")(b"x" * 1_000_000, timeout=20)
        pieces = iter([b"one", b"two", b"three"])
        return said, list(channel.stream_stream("/test.Calls/Double")(pieces, timeout=20))


async def test_grpc_calls_and_streams() -> None:
    with grpc_server() as port:
        async with open_named({"calls": {"host": "127.0.0.1", "port": port}}) as named:
            said, doubled = await asyncio.to_thread(call, named, named.client)
            assert said == b"x" * 1_000_000
            assert doubled == [b"one", b"one", b"two", b"two", b"three", b"three"]
            with pytest.raises(grpc.RpcError) as refused:
                await asyncio.to_thread(call, named, None)
            assert refused.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
