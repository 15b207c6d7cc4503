"""A whole gateway in the test's own process, between a stand-in for `web` and peers that the test plays."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from typing_extensions import override

from specola.clock import Clock, ManualClock
from specola.config import Settings
from specola.gateway.hub import Hub
from specola.gateway.main import serve_hub
from specola.gateway.port import bind_port
from specola.gateway.tls import PublicTls
from tests.support.peers import Answer, Peer, Task, connect
from tests.support.web_side import TASK, WebSide, settings_in

__all__ = ["COOKIE", "HOST", "ORIGIN", "TOKEN", "Leaping", "Stage", "request"]

COOKIE = "entry-of-ada"
TOKEN = "specola_" + "t" * 43
HOST = f"lab--{TASK}.localhost:8080"
ORIGIN = f"http://{HOST}"


def request(
    target: str = "/",
    *headers: str,
    method: str = "GET",
    host: str = HOST,
    cookie: str | None = COOKIE,
    body: bytes = b"",
) -> bytes:
    """Make a request, with our cookie unless told otherwise."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if cookie is not None:
        lines.append(f"Cookie: __Host-specola={cookie}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


class Leaping(ManualClock):
    """A clock for rules about minutes; short pauses stay real."""

    @override
    async def sleep(self, seconds: float) -> None:
        await Clock.sleep(self, min(seconds, 0.01))


class Stage:
    """What a test plays on."""

    def __init__(self, *, web: WebSide, task: Task, port: int, hub: Hub) -> None:
        self.web = web
        self.task = task
        self.port = port
        self.hub = hub
        self.peers: list[Peer] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        clock: Clock | None = None,
        play: Callable[[Peer], Awaitable[None]] | None = None,
        tls: PublicTls | None = None,
        web: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> AsyncIterator[Self]:
        """Set everything up; `play` plays the task's connections; `web` is what the stand-in for `web` knows beforehand."""
        with tempfile.TemporaryDirectory(prefix="gateway") as folder:
            made = settings_in(Path(folder), **settings)
            side = WebSide(settings=made, cookies={COOKIE: "ada"}, tokens={TOKEN: "ada"}, **(web or {}))
            async with side.serving(), Task.listening(play) as task, served(made, clock or Clock(), tls) as (port, hub):
                side.serve_interface("lab", task.endpoint)
                stage = cls(web=side, task=task, port=port, hub=hub)
                await side.until(lambda: side.followers == 1)
                try:
                    yield stage
                finally:
                    for peer in stage.peers:
                        peer.reset()

    async def visitor(self) -> Peer:
        """Connect a visitor."""
        peer = await connect(self.port)
        self.peers.append(peer)
        return peer

    async def pair(self, sent: bytes) -> tuple[Peer, Peer, bytes]:
        """Send a request on a connection of its own; return (visitor, task's side, head as the task saw it)."""
        visitor = await self.visitor()
        await visitor.send(sent)
        task = await self.task.accept()
        return visitor, task, await task.head()

    def sweep(self) -> None:
        """Let the gateway look now for connections whose time has run out."""
        self.hub.sweep()

    def tend(self) -> None:
        """Let the gateway look now after what has outlived `web`."""
        self.hub.revocations.tend()

    async def report(self) -> None:
        """Let the gateway report now what it carried."""
        await self.hub.report()

    async def refused(self, sent: bytes) -> Answer:
        """Send a request on a connection of its own that is to be answered by the gateway itself."""
        visitor = await self.visitor()
        return await visitor.ask(sent)


@asynccontextmanager
async def served(settings: Settings, clock: Clock, tls: PublicTls | None) -> AsyncIterator[tuple[int, Hub]]:
    """Serve in this process for the body of the statement; yields the port, and what its connections share."""
    listening = bind_port(settings)[0]
    stop = asyncio.Event()
    hub = Hub(settings=settings, clock=clock)
    serving = asyncio.create_task(serve_hub(hub, listening=listening, tls=tls, stop=stop))
    try:
        yield listening.getsockname()[1], hub
    finally:
        stop.set()
        await serving
