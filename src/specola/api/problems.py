"""Failures as `application/problem+json` (RFC 9457): one table from kind to status, one way to write them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from specola.api.requests import CaughtFailures, request_id
from specola.domain.errors import DefinitionError, InvalidError, Kind, LimitError, SpecolaError, TooManyAttemptsError

__all__ = ["MEDIA_TYPE", "STATUS", "ProblemView", "handle_failures", "internal_problem", "problem", "problem_of"]

MEDIA_TYPE = "application/problem+json"
STATUS: Mapping[Kind, HTTPStatus] = {
    Kind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.DENIED: HTTPStatus.FORBIDDEN,
    Kind.MISSING: HTTPStatus.NOT_FOUND,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
# What the framework itself refuses before a handler is reached.
REFUSALS: Mapping[int, tuple[str, str, str]] = {
    400: ("malformed", "The request cannot be read.", "Check that the body is valid JSON."),
    404: ("no_such_address", "There is nothing at this address.", "The reference at /api/v1/docs lists all addresses."),
    405: ("method", "This address does not know that method.", "The reference at /api/v1/docs lists all methods."),
    413: ("too_large", "The request's body is too large.", "A body may have up to 2 MiB."),
    415: ("media_type", "This kind of body is not understood here.", "Send JSON with its Content-Type."),
}


class FaultView(BaseModel):
    """One fault among several."""

    field: str
    sentence: str
    line: int = Field(description="from 1; 0: unknown")
    column: int = Field(description="from 1; 0: unknown")


class ProblemView(BaseModel):
    """Why a request failed (RFC 9457)."""

    type: str = Field(description="address of the code's entry in the reference")
    title: str = Field(description="the status in words")
    status: int
    code: str = Field(description="stable; what programs go by")
    detail: str = Field(description="one sentence")
    hint: str = Field(description="what to do next")
    request: str = Field(description="number of the request, which the log has too")
    field: str | None = Field(default=None, description="the part at fault, when there is one")
    problems: list[FaultView] | None = Field(default=None, description="each fault, when there are several")


def problem(
    request: Request, status: int, *, code: str, sentence: str, hint: str = "", extra: Mapping[str, Any] | None = None
) -> JSONResponse:
    """Write one failure; `type` points to the code's entry in the reference page."""
    body = {
        "type": f"/api/v1/docs#problem-{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": sentence,
        "hint": hint,
        "request": request_id(request.scope),
        **(extra or {}),
    }
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


def problem_of(request: Request, error: SpecolaError) -> JSONResponse:
    """Write a failure that a person can meet."""
    status = STATUS[error.kind]
    response = problem(
        request, status, code=error.code, sentence=error.sentence, hint=error.hint, extra=_particulars(error)
    )
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="Specola"'
    if isinstance(error, TooManyAttemptsError):
        response.headers["Retry-After"] = str(error.seconds)
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "2"
    return response


def _particulars(error: SpecolaError) -> dict[str, Any]:
    if isinstance(error, DefinitionError):
        return {
            "problems": [
                {"field": one.field, "sentence": one.sentence, "line": one.line, "column": one.column}
                for one in error.problems
            ]
        }
    if isinstance(error, InvalidError | LimitError) and error.field:
        return {"field": error.field}
    return {}


def handle_failures(app: FastAPI) -> None:
    """Let `app` answer every failure with a problem."""
    app.add_exception_handler(SpecolaError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_refusal)
    app.add_middleware(CaughtFailures, answer=internal_problem)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, SpecolaError)
    return problem_of(request, error)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [
        {"field": _field(fault["loc"]), "sentence": f"{fault['msg']}.", "line": 0, "column": 0}
        for fault in error.errors()
    ]
    if any(fault["type"] == "json_invalid" for fault in error.errors()):
        code, sentence, hint = REFUSALS[400]
        return problem(request, 400, code=code, sentence=sentence, hint=hint)
    first = faults[0]
    named = f"{first['field']}: {first['sentence']}" if first["field"] else str(first["sentence"])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return problem(
        request,
        STATUS[Kind.INVALID],
        code=InvalidError.code,
        sentence=f"The request is not valid: {named}{more}",
        hint="Change the fields named and send it again.",
        extra={"field": first["field"], "problems": faults},
    )


def _field(location: tuple[int | str, ...]) -> str:
    # The first part says where it stood: body, query, header or path.
    return ".".join(str(part) for part in location[1:])


async def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    code, sentence, hint = REFUSALS.get(error.status_code, ("refused", f"{phrase}.", ""))
    response = problem(request, error.status_code, code=code, sentence=sentence, hint=hint)
    response.headers.update(error.headers or {})
    return response


async def internal_problem(request: Request) -> Response:
    """Write a failure that is a bug of ours; the log has the rest under the request's number."""
    number = request_id(request.scope)
    return problem(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal",
        sentence="Something went wrong on our side.",
        hint=f"Tell an administrator the request's number: {number}.",
    )
