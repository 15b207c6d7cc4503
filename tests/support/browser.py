"""A real Chromium, in a network namespace of its own.

A browser that sees an address of its machine come or go breaks off what it is loading (net::ERR_NETWORK_CHANGED), and every
container that starts or ends makes that happen. In a namespace of its own nothing changes; the ports that a test wants to
look at are relayed from there to this machine's loopback.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect

from tests.support.relay import carry

__all__ = ["chromium"]

# What a page shows in the end counts, not how soon on a machine that does much else.
expect.set_options(timeout=30_000)

PROGRAM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
CLONE_NEWNET = 0x40000000
# An address beside loopback's, from a range for documentation (RFC 5737), or the browser takes itself to be offline.
LINKS = (
    "link set lo up",
    "link add outside type veth peer name beside",
    "address add 192.0.2.1/24 dev outside",
    "link set outside up",
    "link set beside up",
)


@asynccontextmanager
async def chromium(*ports: int, flags: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """Give a browser that reaches these ports of 127.0.0.1, and nothing else."""
    with apart(ports) as (namespace, listening):
        async with contextlib.AsyncExitStack() as stack:
            for port, one in zip(ports, listening, strict=True):
                await stack.enter_async_context(relayed_to(port, one))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            program = folder / "chromium"
            program.write_text(f'#!/bin/sh\nexec nsenter --net={namespace} {PROGRAM} "$@"\n', encoding="ascii")
            program.chmod(0o700)
            playwright = await stack.enter_async_context(async_playwright())
            browser = await playwright.chromium.launch(executable_path=program, args=[*FLAGS, *flags])
            try:
                yield browser
            finally:
                await browser.close()


@contextmanager
def apart(ports: Sequence[int]) -> Iterator[tuple[Path, list[socket.socket]]]:
    """Give the path of a fresh network namespace, and sockets that listen in it; it ends with whoever uses it last."""
    # Only the thread moves there, and it ends; what it has opened stays where it was opened.
    with ThreadPoolExecutor(max_workers=1) as elsewhere:
        namespace = elsewhere.submit(enter).result()
        listening = list(elsewhere.map(lambda port: socket.create_server(("127.0.0.1", port)), ports))
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{namespace}"), listening
    finally:
        for one in listening:
            one.close()
        os.close(namespace)


def enter() -> int:
    """Move the calling thread into a network namespace of its own, where loopback is up; return a descriptor of it."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise failed("unshare")
    for link in LINKS:
        subprocess.run(["ip", *link.split()], check=True)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def failed(what: str) -> OSError:
    """Make the error of a system call that the C library has just made."""
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


@asynccontextmanager
async def relayed_to(port: int, listening: socket.socket) -> AsyncIterator[None]:
    """Relay what comes at a socket to this machine's loopback for the body."""
    carrying: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(carry(reader, writer, lambda: asyncio.open_connection("127.0.0.1", port)))
        carrying.add(task)
        task.add_done_callback(carrying.discard)

    server = await asyncio.start_server(accept, sock=listening)
    try:
        yield
    finally:
        server.close()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
