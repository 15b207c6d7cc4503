"""A key in the browser's terminal beside one in the same engine's exec: from the key to its echo, in one run."""

import argparse
import asyncio
import json
import statistics
import struct
import tempfile
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.gateway import Target
from specola.clock import Clock
from specola.computing.engine.config import EngineSettings
from specola.computing.kinds import Context, open_computing
from specola.domain.computing import Terminal
from specola.ports.computing import Executes, Running
from specola.websocket import BINARY, TEXT, frame
from tests.support.installed import Installed, installed, until

__all__ = ["main", "measure"]

LIMIT_MS = 5.0
# One after another, so that an echo can be told from the one before.
KEYS = [bytes([key]) for key in b"abcdefghijklmnopqrstuvwxyz"]
# The driver of the terminal echoes it at once, and nothing else writes.
COMMAND = "exec sleep 10000\r"


async def direct_ms(running: Running, keys: int) -> float:
    """Return the median time of a key on an exec."""
    times = []
    for key in islice(cycle(KEYS), keys):
        began = perf_counter()
        await running.write(key)
        _, echo = await running.read()
        times.append(perf_counter() - began)
        assert echo == key, echo
    return statistics.median(times) * 1000


class Page:
    """A window on a session, as a browser has it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, platform: Installed, address: str) -> "Page":
        """Come by the public port, with a new session."""
        reader, writer = await asyncio.open_connection("127.0.0.1", platform.port)
        lines = (
            "GET /.specola/terminal HTTP/1.1",
            f"Host: {address.partition('//')[2]}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            f"Authorization: Bearer {platform.token}",
        )
        writer.write("\r\n".join((*lines, "", "")).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in answer, answer
        page = cls(reader, writer)
        page._writer.write(frame(TEXT, json.dumps({"type": "attach"}).encode(), masked=True))
        return page

    def type(self, data: bytes) -> None:
        """Press keys."""
        self._writer.write(frame(BINARY, data, masked=True))

    async def read(self) -> bytes:
        """Return the payload of the next frame."""
        _, length = await self._reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await self._reader.readexactly(2))
        return await self._reader.readexactly(length)

    async def key_ms(self, keys: int) -> float:
        """Return the median time of a key."""
        times = []
        for key in islice(cycle(KEYS), keys):
            began = perf_counter()
            self.type(key)
            echo = await self.read()
            times.append(perf_counter() - began)
            assert echo == key, echo
        return statistics.median(times) * 1000

    def close(self) -> None:
        """Close the window."""
        self._writer.close()


async def started(platform: Installed, image: str) -> dict[str, Any]:
    """Run a task of an image; return it once it runs."""
    async with platform.api() as api:
        answer = await api.post("/tasks", json={"image": image})
        assert answer.is_success, answer.text
        task = answer.json()["id"]

        async def runs() -> dict[str, Any] | None:
            found: dict[str, Any] = (await api.get(f"/tasks/{task}")).json()
            return found if found["state"] == "running" else None

        found: dict[str, Any] = await until(runs, what="a running task")
        return found


async def settled(running: Running | Page) -> None:
    """Read until nothing has come for a moment."""
    while True:
        try:
            async with asyncio.timeout(0.5):
                _ = await running.read()
        except TimeoutError:
            return


async def both(folder: Path, url: str, image: str, effort: tuple[int, int]) -> tuple[list[float], list[float]]:
    """Measure in so many rounds of so many keys; return milliseconds, by exec and in the terminal."""
    rounds, keys = effort
    ours: list[float] = []
    direct: list[float] = []
    async with installed(folder / "data", engine=url) as platform:
        task = await started(platform, image)
        context = Context(installation=platform.installation, data=folder / "bench", clock=Clock())
        computing = open_computing("engine", name="bench", settings={"url": url}, context=context)
        assert isinstance(computing, Executes)
        handle = (await computing.discover())[task["id"]]
        running = await computing.execute(handle, (), terminal=Terminal())
        page = await Page.open(platform, task["terminal"])
        try:
            await settled(running)
            await settled(page)
            await running.write(COMMAND.encode())
            page.type(COMMAND.encode())
            await settled(running)
            await settled(page)
            for _ in range(rounds):
                direct.append(await direct_ms(running, keys))
                ours.append(await page.key_ms(keys))
        finally:
            page.close()
            await running.close()
            await computing.close()
            async with platform.api() as api:
                await api.post(f"/tasks/{task['id']}/stop", params={"wait": 30})
    return direct, ours


def measure(url: str, image: str, rounds: int, keys: int) -> list[str]:
    """Measure both in turn; return the lines of the report."""
    with tempfile.TemporaryDirectory(prefix="specola-bench-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        direct, ours = asyncio.run(both(Path(name), url, image, (rounds, keys)))
    added = statistics.median(one - other for one, other in zip(ours, direct, strict=True))
    return [
        f"{'key to echo by exec, ms':32}{statistics.median(direct):8.3f}",
        f"{'key to echo in the terminal, ms':32}{statistics.median(ours):8.3f}",
        Target("terminal, added to a key's echo, ms", added, LIMIT_MS, at_least=False).line(),
    ]


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.terminals", description=__doc__)
    parser.add_argument("--engine", default=EngineSettings().address, help="unix:///PATH of the engine's socket")
    parser.add_argument("--image", default="localhost/specola/sum:1.0", help="an image that the engine has")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keys", type=int, default=200, help="keys of each round")
    chosen = parser.parse_args()
    print(*measure(chosen.engine, chosen.image, chosen.rounds, chosen.keys), sep="\n")


if __name__ == "__main__":
    main()
