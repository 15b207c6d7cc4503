"""What our own pages on tasks' origins share: their headers, their files, and whom they are for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Header, Request
from starlette.responses import Response

from specola.domain.errors import MissingError
from specola.domain.software import Interface
from specola.domain.task import Task
from specola.factory import Services
from specola.web.look import look_of

__all__ = ["HEADERS", "STATIC", "MarksHeader", "PersonHeader", "Shown", "Viewer", "Viewing", "asset"]

STATIC = "/.specola/static/"
HEADERS = {
    # No address but this origin's; forms only to it; nothing inline; framed by nobody.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

PersonHeader = Annotated[str, Header(alias="x-specola-person")]
"""Id of the person, as the gateway says it."""
MarksHeader = Annotated[str, Header(alias="x-specola-marks")]
"""What the person's right hangs on."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page is about: an interface of a task; `guest`: the visitor came by a link and may only look."""

    task: Task
    interface: Interface
    guest: bool = False


@dataclass(frozen=True, slots=True)
class Viewer:
    """A page: its template, the script and the style it needs (plain names), what it shows, and its headers."""

    template: str
    script: str
    style: str
    context: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=lambda: HEADERS)


Viewing = Callable[[Services, Shown], Viewer]
"""Chooses the page of an interface."""


def asset(request: Request, name: str) -> Response:
    """Answer with a style or a script; the same bytes as on the platform's origin. Raises MissingError."""
    found = look_of(request).assets.get(name)
    if found is None:
        raise MissingError("file", name)
    return found.response(request.headers.get("accept-encoding", ""))
