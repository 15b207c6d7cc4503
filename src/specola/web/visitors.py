"""Who looks at a page: the session cookie, and what handlers ask for."""

from typing import Annotated, TypeAlias

from fastapi import Depends, Request
from starlette.responses import Response

from specola.api.cookies import give_session, take_session
from specola.api.origins import SESSION_COOKIE
from specola.domain.errors import DeniedError, UnauthenticatedError
from specola.domain.person import Actor
from specola.factory import Services
from specola.services.people import Client
from specola.storage.changes import Change, Topic

__all__ = [
    "SESSION_COOKIE",
    "SHARED_COOKIE",
    "Administrator",
    "Origin",
    "Visitor",
    "Wiring",
    "client_of",
    "ends",
    "give_session",
    "give_shared",
    "local_path",
    "take_session",
    "take_shared",
    "visitor_of",
]

SHARED_COOKIE = "__Host-specola-shared"


def services_of(request: Request) -> Services:
    """Return the services of this process."""
    services: Services = request.app.state.services
    return services


async def visitor_of(request: Request) -> Actor:
    """Return who is signed in. Raises UnauthenticatedError."""
    secret = request.cookies.get(SESSION_COOKIE)
    if not secret:
        raise UnauthenticatedError
    return await services_of(request).people.actor_of_session(secret)


async def administrator_of(actor: Annotated[Actor, Depends(visitor_of)]) -> Actor:
    """Return who is signed in, if it is an administrator. Raises DeniedError."""
    if not actor.person.is_administrator:
        raise DeniedError("Only administrators may see this page.")
    return actor


def client_of(request: Request) -> Client:
    """Return where a request came from; the server has it from the gateway's headers, which no visitor can set."""
    return Client(
        address=request.client.host if request.client else "", agent=request.headers.get("user-agent", "")[:200]
    )


Wiring: TypeAlias = Annotated[Services, Depends(services_of)]
Visitor: TypeAlias = Annotated[Actor, Depends(visitor_of)]
Administrator: TypeAlias = Annotated[Actor, Depends(administrator_of)]
Origin: TypeAlias = Annotated[Client, Depends(client_of)]


def give_shared(response: Response, secret: str, *, seconds: int) -> None:
    """Let a browser come back as the guest of a link, until the link ends."""
    response.set_cookie(
        SHARED_COOKIE, secret, max_age=max(1, seconds), path="/", secure=True, httponly=True, samesite="lax"
    )


def take_shared(response: Response) -> None:
    """Forget what link a browser came by."""
    response.delete_cookie(SHARED_COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def ends(change: Change, actor: Actor) -> bool:
    """Tell whether a change takes from somebody what they are looking with; whoever follows has to ask again."""
    marks = {f"session:{actor.session}", f"person:{actor.person.id}"}
    return change.topic == Topic.REVOKED and change.key in marks


def local_path(wanted: str | None, otherwise: str = "/") -> str:
    """Return a path of ours to go to next, or `otherwise` if `wanted` could lead anywhere else.

    Browsers read a backslash like a slash and drop tabs and line breaks, so a path with any of these could leave us.
    """
    if not wanted or not wanted.startswith("/") or wanted.startswith("//") or "\\" in wanted:
        return otherwise
    if any(character <= " " or character == "\x7f" for character in wanted):
        return otherwise
    return wanted
