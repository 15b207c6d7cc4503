"""Those who look at a platform's pages in tests: signed-in browsers and strangers, over the pages' real socket."""

import html
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from specola.local_http import over_socket
from tests.support.callers import Callers
from tests.support.harness import Platform

__all__ = ["SESSION", "Pages", "open_pages", "read_until", "text_of"]

SESSION = "__Host-specola-session"
TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Makes browsers for one platform; all are closed in the end."""

    platform: Platform
    callers: Callers
    stack: AsyncExitStack

    async def browser(self, name: str, **headers: str) -> httpx.AsyncClient:
        """Return a browser in which somebody is signed in; `admin…` administers."""
        return await self.client({"Cookie": f"{SESSION}={await self.callers.session(name)}", **headers})

    async def stranger(self, **headers: str) -> httpx.AsyncClient:
        """Return a browser in which nobody is signed in."""
        return await self.client(headers)

    async def client(self, headers: dict[str, str], *, inner: bool = False) -> httpx.AsyncClient:
        """Return a client of the pages, or (`inner`) of what gateways ask; it keeps no cookies of its own."""
        settings = self.platform.settings
        socket = settings.internal_socket if inner else settings.web_socket
        client = httpx.AsyncClient(
            transport=over_socket(socket),
            base_url=settings.url,
            headers={"Sec-Fetch-Site": "same-origin", **headers},
            timeout=30,
        )
        return await self.stack.enter_async_context(client)


@asynccontextmanager
async def open_pages(platform: Platform) -> AsyncIterator[Pages]:
    """Give what makes browsers, and close them in the end."""
    async with AsyncExitStack() as stack:
        yield Pages(platform=platform, callers=Callers(platform=platform, stack=stack), stack=stack)


def text_of(page: httpx.Response | str) -> str:
    """Return what a page says, without its tags and with single spaces."""
    source = page if isinstance(page, str) else page.text
    return " ".join(html.unescape(TAG.sub(" ", source)).split())


async def read_until(lines: AsyncIterator[str], met: Callable[[str], bool]) -> str:
    """Read the lines of server-sent events until one of them meets a condition; return its data."""
    data: list[str] = []
    async for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line:
            event, data = "\n".join(data), []
            if met(event):
                return event
    raise AssertionError("the stream ended before what was waited for")
