"""A node of the lab on which agents run tasks, driven directly: no scheduler is needed for that."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.machine import ENVIRONMENT, Machine
from specola.computing.batch.agent.manifest import Manifest
from specola.computing.batch.session import Session

__all__ = ["Node", "NodeTask", "Output", "Pipe", "until"]

PERSON = "ann"


async def until(answer: Callable[[], bool | Awaitable[bool]], *, seconds: float = 30) -> None:
    """Ask again and again until the answer is yes."""
    async with asyncio.timeout(seconds):
        while True:
            said = answer()
            if said if isinstance(said, bool) else await said:
                return
            await asyncio.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Output:
    """What a command on the node gave."""

    code: int
    text: str


class Pipe:
    """A `Stream` over the input and output of a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes; empty at the end."""
        return await self._output.read(most)

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while it is slow."""
        self._input.write(data)
        await self._input.drain()

    async def end(self) -> None:
        """End its input."""
        self._input.close()

    async def close(self) -> None:
        """End it."""
        self._input.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the lab, and where on this one the home of its person is."""

    machine: Machine
    home: Path

    def place(self, name: str, content: bytes) -> str:
        """Write a file into the person's home; return its path over there."""
        file = self.home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        owner = self.home.stat()
        for one in (file, file.parent):
            os.chown(one, owner.st_uid, owner.st_gid)
        file.chmod(0o600)
        return f"/home/{PERSON}/{name}"

    async def start(
        self,
        *argv: str,
        user: str = PERSON,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> asyncio.subprocess.Process:
        """Start a command over there."""
        environment = {**ENVIRONMENT, "HOME": f"/home/{user}"}
        command = self.machine.command(*argv, user=user)
        return await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=stdin, stdout=stdout, stderr=stderr
        )

    async def run(self, *argv: str, user: str = PERSON) -> Output:
        """Run a command over there to its end; return what it printed, errors and all."""
        process = await self.start(*argv, user=user, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        written, _ = await process.communicate()
        return Output(process.returncode or 0, written.decode(errors="replace"))

    async def left(self) -> list[str]:
        """Return what of tasks is still there: processes of the person, folders of tasks."""
        listed = await self.run(
            "sh", "-c", f"ps -u {PERSON} -o args=; ls -d /run/user/*/specola-* /scratch/specola-*", user="root"
        )
        return [
            line for line in listed.text.splitlines() if not line.endswith(("<defunct>", "No such file or directory"))
        ]

    @contextlib.asynccontextmanager
    async def task(self, agent: str, manifest: Manifest) -> AsyncIterator["NodeTask"]:
        """Have a task while the body runs, once it runs, or has ended before."""
        folder = f"tasks/{manifest.task}"
        self.place(f"{folder}/credential", b"canary-credential")
        self.place(f"{folder}/manifest.json", manifest.text().encode())
        process = await self.start("python3", agent, "run", f"/home/{PERSON}/{folder}")
        task = NodeTask(self, agent, self.home / folder, process)
        try:
            await task.is_in("running", "ended")
            yield task
        finally:
            if process.returncode is None:
                await self.run("kill", "-TERM", str(task.status()["pid"]))
            async with asyncio.timeout(60):
                await process.wait()


@dataclass(frozen=True, slots=True)
class NodeTask:
    """A task whose agent runs on a node."""

    node: Node
    agent: str
    folder: Path
    process: asyncio.subprocess.Process

    def status(self) -> Mapping[str, Any]:
        """Return what its status says."""
        file = self.folder / "status.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}

    async def is_in(self, *phases: str, seconds: float = 60) -> Mapping[str, Any]:
        """Wait until it is in one of some phases; return its status."""
        await until(lambda: self.status().get("phase") in phases, seconds=seconds)
        return self.status()

    def written(self) -> list[tuple[str, str]]:
        """Return what its log has: outputs and lines."""
        lines = (self.folder / "log").read_text(encoding="utf-8").splitlines()
        return [(channel, text) for _, channel, text in map(json.loads, lines)]

    async def relayed(self, *, user: str = PERSON) -> Pipe:
        """Return the stream of a relay to it."""
        argv = ("python3", self.agent, "relay", str(self.status()["sockets"]))
        pipe = asyncio.subprocess.PIPE
        return Pipe(await self.node.start(*argv, user=user, stdin=pipe, stdout=pipe))

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Have a session with its agent while the body runs."""
        session = await Session.over(await self.relayed())
        try:
            yield session
        finally:
            await session.close()
