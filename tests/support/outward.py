"""Both ends of the way by which agents dial out: the connector's socket behind a real gateway, and the packed agent."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import override

from specola.clock import Clock
from specola.computing.batch.agent.manifest import Image, Manifest, Platform
from specola.computing.batch.agent.proof import AGENT, SCHEME, proof
from specola.computing.batch.arrivals import Arrivals
from specola.computing.batch.enrolment import Enrolment
from specola.computing.batch.mux import Link, Request, Stream
from specola.computing.batch.parcel import parcel
from specola.computing.inside.fileserver import FileServer
from specola.computing.memory import MemoryComputing, World
from specola.computing.memory.config import MemorySettings
from specola.computing.tcp import SocketStream
from specola.connector.agents import HEAD_BYTES, AgentServer
from specola.connector.directory import Directory, Way
from specola.domain.computing import Handle
from specola.gateway.tls import PublicTls
from specola.listening import bind
from specola.ports.computing import Computing, Stream as ByteStream
from tests.support.sockets import HANDSHAKE
from tests.support.stage import Stage

__all__ = ["TASK", "Awaiting", "House", "Node", "head_of", "house"]

TASK = "k3f9x2ab4c"
NONCE = "0123456789abcdef" * 2


class Awaiting(MemoryComputing):
    """A computing that awaits agents of the tasks in `running`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.arrivals = Arrivals()
        self.running = {TASK}

    async def expects(self, handle: Handle) -> bool:
        """Tell whether a task runs."""
        return handle in self.running

    async def welcome(self, handle: Handle, stream: ByteStream) -> None:
        """Keep what an agent has opened."""
        await self.arrivals.welcome(handle, stream)

    @override
    async def close(self) -> None:
        await self.arrivals.close()
        await super().close()


@dataclass
class House:
    """The platform's side."""

    stage: Stage
    enrolment: Enrolment
    computing: Awaiting
    directory: Directory
    path: Path
    server: AgentServer
    listening: asyncio.AbstractServer

    async def hang_up(self) -> None:
        """Be a connector that is gone, with all its connections, and another that has taken its place."""
        self.listening.close()
        await self.server.close()
        await self.listen()

    async def listen(self) -> None:
        """Begin to listen."""
        self.server = AgentServer(self.directory, self.enrolment)
        self.listening = await asyncio.start_unix_server(self.server.accept, sock=bind(self.path), limit=HEAD_BYTES)

    def shown(self, task: str = TASK, *, secret: str | None = None) -> str:
        """Return what an agent shows, by its task's secret unless told otherwise."""
        known = self.enrolment.secret(task) if secret is None else secret
        return f"{SCHEME} {task} {NONCE} {proof(known, AGENT, task, NONCE)}"


@dataclass
class Node:
    """A compute node with one task, whose agent echoes."""

    folder: Path
    links: set["asyncio.Task[None]"] = field(default_factory=set)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    calling: asyncio.subprocess.Process | None = None

    @classmethod
    @asynccontextmanager
    async def opened(cls, *, url: str, secret: str, **platform: str) -> AsyncIterator["Node"]:
        """Have a task that calls `url` while the body runs."""
        with tempfile.TemporaryDirectory(prefix="node") as name:
            node = cls(Path(name))
            sockets = node.folder / "sockets"
            sockets.mkdir(mode=0o700)
            manifest = Manifest(task=TASK, installation="x", image=Image("a"), platform=Platform(url, **platform))
            (node.folder / "manifest.json").write_text(manifest.text(), encoding="utf-8")
            (node.folder / "enrolment").write_text(secret, encoding="ascii")
            agent = node.folder / "agent.pyz"
            agent.write_bytes(parcel(helper=node.folder / "none", files=FileServer(node.folder / "none")).content)
            server = await asyncio.start_unix_server(node.accept, sockets / "agent.sock")
            words = (sys.executable, "-I", "-S", str(agent), "call", str(node.folder), str(sockets))
            node.calling = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.PIPE)
            try:
                yield node
            finally:
                server.close()
                with contextlib.suppress(ProcessLookupError):
                    node.calling.kill()
                await node.calling.wait()
                for one in node.links:
                    one.cancel()
                await asyncio.gather(*node.links, return_exceptions=True)
                for writer in node.writers:
                    writer.transport.abort()
                # What was closed says so once the loop has gone round.
                await asyncio.sleep(0)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer as the agent does."""
        self.writers.append(writer)
        self.links.add(asyncio.create_task(Link(SocketStream(reader, writer), accept=_echo).run()))

    async def said(self) -> str:
        """Return the next line that the calling process wrote of what went wrong."""
        assert self.calling is not None
        assert self.calling.stderr is not None
        async with asyncio.timeout(20):
            return (await self.calling.stderr.readline()).decode().partition(" ")[2].strip()


async def _echo(request: Request, stream: Stream) -> None:
    await stream.reply({"ok": True, "said": request})
    while data := await stream.read():
        await stream.write(data)


def head_of(*fields: str) -> bytes:
    """Return the head of an agent's request with these fields."""
    lines = ("GET /.specola/agents HTTP/1.1", "Host: localhost:8080", *HANDSHAKE, *fields)
    return "\r\n".join((*lines, "", "")).encode()


@asynccontextmanager
async def house(*, tls: PublicTls | None = None, **settings: Any) -> AsyncIterator[House]:
    """Have the platform's side while the body runs."""
    async with Stage.open(tls=tls, **settings) as stage:
        made = stage.web.settings
        context: dict[str, Computing] = {}

        def opener(name: str, kind: str, values: Mapping[str, Any]) -> Computing:
            del kind, values
            return context[name]

        computing = _computing()
        context["cluster"] = computing
        directory = Directory(opener)
        await directory.add_computing("cluster", "batch", {})
        await directory.keep(computings={"cluster"}, tasks=())
        await directory.add_way(Way(task=TASK, computing="cluster", handle=TASK, ports=()))
        enrolment = Enrolment.make(made.data)
        server = AgentServer(directory, enrolment)
        listening = await asyncio.start_unix_server(server.accept, sock=bind(made.agents_socket), limit=HEAD_BYTES)
        found = House(stage, enrolment, computing, directory, made.agents_socket, server, listening)
        try:
            yield found
        finally:
            found.listening.close()
            await found.server.close()
            await directory.close()


def _computing() -> Awaiting:
    clock = Clock()
    return Awaiting(name="cluster", settings=MemorySettings(), installation="x", world=World(clock), clock=clock)
