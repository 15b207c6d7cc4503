"""A real image registry on the loopback, for tests: Debian's docker-registry, with or without accounts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from lab.registry import configuration, copying
from tests.support.images import TestImage
from tests.support.ports import REGISTRY_PORTS, free_port

__all__ = ["RunningRegistry", "run_registry", "slowed"]

START_SECONDS = 20.0
CHUNK = 65536
# The password of this file's account is nobody's: tests only ever come without one.
ACCOUNTS = "ann:$2y$05$1gT9wWcJ5Qq0oZ2u1m1Y2uJxO0bq1xw7y0o8mH6o9mM0Yw3r2y7dK\n"


@dataclass(frozen=True, slots=True)
class RunningRegistry:
    """A registry that answers; `folder` holds what is being pushed."""

    port: int
    folder: Path

    def name(self, image: TestImage) -> str:
        """Return how an image is called here."""
        return f"127.0.0.1:{self.port}/{image.reference.removeprefix('localhost/')}"

    async def push(self, image: TestImage) -> str:
        """Put an image into the registry; return its digest there."""
        archive, digest = self.folder / "image.tar", self.folder / "digest"
        await asyncio.to_thread(archive.write_bytes, image.archive())
        process = await asyncio.create_subprocess_exec(*copying(archive, self.name(image), digest))
        assert await process.wait() == 0
        return (await asyncio.to_thread(digest.read_text)).strip()


@contextlib.asynccontextmanager
async def run_registry(folder: Path, *, accounts: bool = False) -> AsyncIterator[RunningRegistry]:
    """Run a registry while the body runs; with `accounts`, it answers nobody without one."""
    port = free_port(REGISTRY_PORTS)
    process = await asyncio.create_subprocess_exec(
        "docker-registry",
        "serve",
        str(await asyncio.to_thread(_configure, folder, port, accounts)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _answers(port)
        yield RunningRegistry(port, folder)
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def slowed(registry: RunningRegistry, *, rate: float) -> AsyncIterator[RunningRegistry]:
    """Offer a registry at another port while the body runs, with at most `rate` bytes a second to each visitor."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause: float) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(len(data) * pause)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection("127.0.0.1", registry.port)
        await asyncio.gather(carry(reader, back, 0), carry(onward, writer, 1 / rate))

    port = free_port(REGISTRY_PORTS)
    server = await asyncio.start_server(accept, "127.0.0.1", port)
    try:
        yield RunningRegistry(port, registry.folder)
    finally:
        server.close()


def _configure(folder: Path, port: int, accounts: bool) -> Path:  # noqa: FBT001 -- private, called once
    if accounts:
        (folder / "accounts").write_text(ACCOUNTS, encoding="ascii")
    text = configuration(folder / "registry", port, accounts=folder / "accounts" if accounts else None)
    file = folder / "registry.yml"
    file.write_text(text, encoding="ascii")
    return file


async def _answers(port: int) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return
