"""The connector's socket: its port as HTTP, for `web` and `worker`."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from specola.connector.wire import IMAGE, KEYS, LINE, PROBE, PROBLEM, SEEN, USAGE
from specola.domain.computing import LogLine
from specola.domain.errors import InvalidError, Kind, SpecolaError
from specola.ports.connector import Connector
from specola.problems import problem_of

__all__ = ["create_app"]

STATUS = {Kind.MISSING: 404, Kind.UNAVAILABLE: 503}
LONGEST_TEXT = 1000


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Probe(_Question):
    computing: str
    kind: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict, repr=False)
    own: bool = False


class _HostKeys(_Question):
    address: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)]
    own: bool = False


class _Inspect(_Question):
    computing: str
    reference: str


class _Prove(_Question):
    computing: str
    account: str
    person: str


class _Tell(_Question):
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class _Usage(_Question):
    tasks: list[str]


class _Logs(_Question):
    follow: bool = False
    tail: int | None = Field(default=None, ge=0)


def create_app(connector: Connector) -> Starlette:
    """Make the application; see `docs/developer/internal-protocol.md`."""

    async def probe(request: Request) -> Response:
        asked = _Probe.model_validate_json(await request.body())
        if asked.kind is None:
            found = await connector.probe(asked.computing)
        else:
            found = await connector.probe_draft(asked.computing, asked.kind, asked.settings, own=asked.own)
        return JSONResponse(PROBE.dump_python(found, mode="json"))

    async def host_keys(request: Request) -> Response:
        asked = _HostKeys.model_validate_json(await request.body())
        shown = list(await connector.host_keys(asked.address, asked.port, own=asked.own))
        return JSONResponse(KEYS.dump_python(shown, mode="json"))

    async def inspect(request: Request) -> Response:
        asked = _Inspect.model_validate_json(await request.body())
        details = await connector.inspect_image(asked.computing, asked.reference)
        return JSONResponse(IMAGE.dump_python(details, mode="json"))

    async def prove(request: Request) -> Response:
        asked = _Prove.model_validate_json(await request.body())
        seen = await connector.prove(asked.computing, asked.account, asked.person)
        return JSONResponse(SEEN.dump_python(seen, mode="json"))

    async def tell(request: Request) -> Response:
        asked = _Tell.model_validate_json(await request.body())
        await connector.tell(request.path_params["task"], asked.text)
        return JSONResponse({})

    async def usage(request: Request) -> Response:
        asked = _Usage.model_validate_json(await request.body())
        kept = {task: list(measured) for task, measured in (await connector.usage(asked.tasks)).items()}
        return JSONResponse(USAGE.dump_python(kept, mode="json"))

    async def logs(request: Request) -> Response:
        asked = _Logs.model_validate(dict(request.query_params))
        lines = connector.logs(request.path_params["task"], follow=asked.follow, tail=asked.tail)
        return StreamingResponse(_written(lines), media_type="application/x-ndjson")

    async def health(_request: Request) -> Response:
        await connector.health()
        return JSONResponse({"up": True})

    return Starlette(
        routes=[
            Route("/probe", _answering(probe), methods=["POST"]),
            Route("/host-keys", _answering(host_keys), methods=["POST"]),
            Route("/images/inspect", _answering(inspect), methods=["POST"]),
            Route("/accounts/prove", _answering(prove), methods=["POST"]),
            Route("/usage", _answering(usage), methods=["POST"]),
            Route("/tasks/{task}/tell", _answering(tell), methods=["POST"]),
            Route("/tasks/{task}/logs", _answering(logs)),
            Route("/health", _answering(health)),
        ]
    )


def _answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Turn what a handler raises into a problem that the asking side raises again."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except SpecolaError as error:
            return _problem(error)
        except ValidationError as error:
            return _problem(InvalidError("The question to the connector is malformed.", hint=str(error)))

    return answer


def _problem(error: SpecolaError) -> Response:
    return JSONResponse(problem_of(error), status_code=STATUS.get(error.kind, 422), media_type=PROBLEM)


async def _written(lines: AsyncIterator[LogLine]) -> AsyncGenerator[bytes, None]:
    """Write log lines as they come; a failure is the last line, since the status has been sent by then."""
    # An empty line goes first, so that the asking side knows at once that its question has arrived.
    yield b"\n"
    try:
        async with aclosing(_generator(lines)) as source:
            async for line in source:
                yield _line(LINE.dump_python(line, mode="json"))
    except SpecolaError as error:
        yield _line({"problem": problem_of(error)})


async def _generator(lines: AsyncIterator[LogLine]) -> AsyncGenerator[LogLine, None]:
    async for line in lines:
        yield line


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
