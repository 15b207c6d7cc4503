"""What our own pages on tasks' origins share: their headers, their files, and whom they are for."""

from typing import Annotated

from fastapi import Header, Request
from starlette.responses import Response

from specola.domain.errors import MissingError
from specola.web.look import look_of

__all__ = ["HEADERS", "STATIC", "MarksHeader", "PersonHeader", "asset"]

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


def asset(request: Request, name: str) -> Response:
    """Answer with a style or a script; the same bytes as on the platform's origin. Raises MissingError."""
    found = look_of(request).assets.get(name)
    if found is None:
        raise MissingError("file", name)
    return found.response(request.headers.get("accept-encoding", ""))
