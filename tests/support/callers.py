"""Those who call a platform in tests: programs with a token, browsers with a session, and strangers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx

from specola.domain.person import ALL_SCOPES, Actor, Role, Scope
from specola.local_http import over_socket
from specola.services.people import Client
from tests.support.harness import Platform

__all__ = ["Callers", "open_callers"]


@dataclass
class Callers:
    """Makes clients of one platform's API; all are closed in the end."""

    platform: Platform
    stack: AsyncExitStack
    actors: dict[str, Actor] = field(default_factory=dict)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    async def actor(self, name: str) -> Actor:
        """Return somebody with an account, made at the first time; `admin…` administers."""
        if name not in self.actors:
            role = Role.ADMINISTRATOR if name.startswith("admin") else Role.PERSON
            self.actors[name] = await self.platform.person(name, role=role)
        return self.actors[name]

    async def token(self, name: str, *scopes: Scope) -> str:
        """Return a token of somebody, for all scopes unless some are named; the same one each time."""
        actor = await self.actor(name)
        wanted = (frozenset(scopes) or ALL_SCOPES) & actor.scopes
        label = " ".join(sorted(wanted))
        if (name, label) not in self.tokens:
            shown = await self.platform.services.people.create_token(actor, name=label, scopes=wanted, days=1)
            self.tokens[name, label] = shown.secret
        return self.tokens[name, label]

    async def session(self, name: str) -> str:
        """Return the secret of a new session of somebody."""
        people = self.platform.services.people
        _ = await self.actor(name)
        link = await people.sign_in_link(name)
        return (await people.sign_in_by_link(link.secret, client=Client(agent="test"))).secret

    async def program(self, name: str, *scopes: Scope) -> httpx.AsyncClient:
        """Return a program with a token."""
        return await self._client({"Authorization": f"Bearer {await self.token(name, *scopes)}"})

    async def browser(self, name: str, **headers: str) -> httpx.AsyncClient:
        """Return a browser with a session, on one of the platform's own pages."""
        cookie = f"__Host-specola-session={await self.session(name)}"
        return await self._client({"Cookie": cookie, "Sec-Fetch-Site": "same-origin", **headers})

    async def stranger(self) -> httpx.AsyncClient:
        """Return somebody who is not signed in."""
        return await self._client({})

    async def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        settings = self.platform.settings
        client = httpx.AsyncClient(
            transport=over_socket(settings.web_socket),
            base_url=f"{settings.url}/api/v1",
            headers=headers,
            timeout=30,
        )
        return await self.stack.enter_async_context(client)


@asynccontextmanager
async def open_callers(platform: Platform) -> AsyncIterator[Callers]:
    """Give what makes clients, and close them in the end."""
    async with AsyncExitStack() as stack:
        yield Callers(platform=platform, stack=stack)
