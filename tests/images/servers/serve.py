"""Serves what tests of real clients need: Redis (6379), an echo (7000) and a gRPC service (50051)."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import grpc

REDIS, ECHO, GRPC = 6379, 7000, 50051
CHUNK = 65536


def start_redis() -> "subprocess.Popen[bytes]":
    """Start Redis with the task's credential as its password, given by a file."""
    password = Path(os.environ["SPECOLA_CREDENTIAL_FILE"]).read_text(encoding="utf-8").strip()
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False, encoding="utf-8") as file:
        file.write(f'bind 0.0.0.0\nport {REDIS}\nrequirepass {password}\nsave ""\ndir /tmp\n')
    return subprocess.Popen(["redis-server", file.name])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes; once the other half has ended, say so, and end too."""
    carried = 0
    while data := await reader.read(CHUNK):
        carried += len(data)
        writer.write(data)
        await writer.drain()
    writer.write(f"end after {carried}\n".encode())
    writer.close()


async def reversed_text(request: bytes, _context: object) -> bytes:
    """Answer one message with its bytes in reverse order."""
    return request[::-1]


async def counted(request: bytes, _context: object) -> AsyncIterator[bytes]:
    """Answer one number with all numbers below it, one message each."""
    for number in range(int(request)):
        yield str(number).encode()


async def summed(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
    """Answer each number with the sum so far."""
    total = 0
    async for request in requests:
        total += int(request)
        yield str(total).encode()


async def main() -> None:
    """Serve until Redis ends."""
    redis = start_redis()
    handlers = {
        "Reverse": grpc.unary_unary_rpc_method_handler(reversed_text),
        "Count": grpc.unary_stream_rpc_method_handler(counted),
        "Sum": grpc.stream_stream_rpc_method_handler(summed),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Texts", handlers),))
    server.add_insecure_port(f"0.0.0.0:{GRPC}")
    await server.start()
    _ = await asyncio.start_server(echo, "0.0.0.0", ECHO)  # noqa: S104 -- in a container
    await asyncio.to_thread(redis.wait)


if __name__ == "__main__":
    asyncio.run(main())
