"""Failures as pages: the sentence, the hint, and where to go from here, in the look of every other page."""

from http import HTTPStatus
from urllib.parse import quote, urlsplit

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from specola.api.problems import STATUS
from specola.api.requests import request_id
from specola.domain.errors import SpecolaError, UnauthenticatedError
from specola.web.look import look_of
from specola.web.visitors import local_path

__all__ = ["page", "status_of"]

REFUSALS = {
    400: ("This request cannot be read.", "Go back, load the page again, and repeat it."),
    404: ("There is nothing at this address.", "Check the address, or start from Home."),
    405: ("This address cannot be used like that.", "Go back and use the page's own buttons."),
    413: ("That is too much to send at once.", "Shorten what you typed; two MiB are the most."),
}


def status_of(error: SpecolaError) -> int:
    """Return the HTTP status of a failure."""
    return int(STATUS[error.kind])


async def page(request: Request, error: Exception | None) -> Response:
    """Answer with the page of a failure.

    Parameters
    ----------
    error
        A failure that a person can meet, a refusal of the framework, or None: a bug of ours.
    """
    scripted = "hx-request" in request.headers
    if isinstance(error, UnauthenticatedError) and type(error) is UnauthenticatedError:
        return _to_sign_in(request, scripted=scripted)
    number = ""
    if isinstance(error, SpecolaError):
        status, sentence, hint = status_of(error), error.sentence, error.hint
    elif isinstance(error, RequestValidationError):
        status, (sentence, hint) = 422, REFUSALS[400]
    elif isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        status, (sentence, hint) = error.status_code, REFUSALS.get(error.status_code, (f"{phrase}.", ""))
    else:
        status, number = 500, request_id(request.scope)
        sentence, hint = "Something went wrong on our side.", "Try again; if it stays, tell an administrator."
    look = look_of(request)
    template = "parts/notice.html" if scripted else "problem.html"
    response = look.page(request, template, status=status, sentence=sentence, hint=hint, number=number)
    if scripted:
        response.headers["HX-Retarget"] = "#notices"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


def _to_sign_in(request: Request, *, scripted: bool) -> Response:
    # A form cannot be sent again after signing in, so the way back leads to a page that can be looked at.
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method != "GET" or scripted:
        current = urlsplit(request.headers.get("hx-current-url", ""))
        back = local_path(current.path + (f"?{current.query}" if current.query else ""))
    target = "/sign-in" if back == "/" else f"/sign-in?next={quote(back, safe='/')}"
    if scripted:
        return Response(status_code=401, headers={"HX-Redirect": target})
    if request.headers.get("accept", "").startswith("text/event-stream"):
        return Response(status_code=401)
    return RedirectResponse(target, status_code=303)
