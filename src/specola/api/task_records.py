"""What a task leaves behind while it runs and after: its history, its logs, its use, its credential."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from starlette.responses import StreamingResponse

from specola.api.dependencies import Connecting, Reader, Wiring
from specola.api.streaming import JSON_LINES, event, events_response, line, lines_response, paced, text_response, within
from specola.api.task_views import CredentialView, EventView, LogLineView, TaskView, UsageView
from specola.api.tasks import TaskName
from specola.api.use_views import UseView
from specola.domain.computing import LogLine
from specola.domain.errors import SpecolaError
from specola.domain.person import Actor
from specola.factory import Services

__all__ = ["router"]

BEAT_SECONDS = 15.0
Paced: TypeAlias = AsyncGenerator[EventView | TaskView | None, None]
router = APIRouter(prefix="/tasks/{task}", tags=["tasks"])
Accept = Annotated[str, Header(include_in_schema=False)]


def _after(
    after: Annotated[int, Query(ge=0, description="only those after this sequence")] = 0,
    last_event_id: Annotated[int, Header(ge=0, description="where a broken stream of events goes on")] = 0,
) -> int:
    return max(after, last_event_id)


@dataclass(frozen=True, slots=True)
class Follow:
    """Whether, and for how long, an answer goes on."""

    wanted: bool
    seconds: float | None


def _follow(
    *,
    follow: Annotated[bool, Query(description="go on telling what happens")] = False,
    seconds: Annotated[float | None, Query(gt=0, description="follow no longer than this")] = None,
) -> Follow:
    return Follow(wanted=follow, seconds=seconds)


@router.get(
    "/events",
    summary="Read a task's history",
    description="Events, oldest first, as JSON. With `follow`, an endless answer until the task ends: server-sent events "
    "where asked for by `Accept: text/event-stream` (named `event` and `task`), else JSON lines with one key each, "
    "`event` or `task`; the task comes first and whenever it changes.",
    response_model=list[EventView],
    responses={200: {"content": {JSON_LINES: {}, "text/event-stream": {}}}},
)
async def list_events(
    task: TaskName,
    services: Wiring,
    actor: Reader,
    *,
    after: Annotated[int, Depends(_after)],
    follow: Annotated[Follow, Depends(_follow)],
    accept: Accept = "",
) -> list[EventView] | Response:
    found = await services.tasks.get(actor, task)
    if follow.wanted:
        happenings = _happenings(services, actor, found.id, after)
        paces = paced(within(happenings, follow.seconds), BEAT_SECONDS)
        return events_response(_server_sent(paces)) if "text/event-stream" in accept else lines_response(_json(paces))
    return [EventView.of(one) for one in await services.tasks.events(actor, found.id, after=after)]


async def _server_sent(happenings: Paced) -> AsyncGenerator[bytes, None]:
    async with aclosing(happenings):
        async for one in happenings:
            match one:
                case None:
                    yield b":\n\n"
                case EventView():
                    yield event("event", one.model_dump(mode="json"), number=one.sequence)
                case TaskView():
                    yield event("task", one.model_dump(mode="json"))


async def _json(happenings: Paced) -> AsyncGenerator[bytes, None]:
    async with aclosing(happenings):
        async for one in happenings:
            match one:
                case None:
                    yield b"\n"
                case EventView():
                    yield line({"event": one.model_dump(mode="json")})
                case TaskView():
                    yield line({"task": one.model_dump(mode="json")})


async def _happenings(
    services: Services, actor: Actor, task: str, after: int
) -> AsyncGenerator[EventView | TaskView, None]:
    """Yield a task's events and the task itself as they change, until it has ended."""
    shown = None
    try:
        async with aclosing(services.following.follow(actor, task)) as states:
            async for state in states:
                for one in await services.tasks.events(actor, task, after=after):
                    after = one.sequence
                    yield EventView.of(one)
                view = TaskView.of(state, services.addresses)
                if view != shown:
                    shown = view
                    yield view
                if not state.is_live:
                    return
    except SpecolaError:
        # Signed out or removed meanwhile: the reader finds out by asking again.
        return


@router.get(
    "/logs",
    summary="Read a task's logs",
    description="What the task wrote, oldest first: of a live task from its computing, of an ended one from the record. "
    "JSON lines, or plain text where asked for by `Accept: text/plain`. A failure on the way is a last line with the "
    "key `problem`.",
    response_class=StreamingResponse,
    responses={200: {"content": {JSON_LINES: {}, "text/plain": {}}}},
)
async def read_logs(
    task: TaskName,
    services: Wiring,
    actor: Reader,
    *,
    follow: Annotated[bool, Query(description="go on until the task ends")] = False,
    tail: Annotated[int | None, Query(ge=0, le=100_000, description="only the last lines, so many")] = None,
    accept: Accept = "",
) -> StreamingResponse:
    lines = await services.tasks.logs(actor, task, follow=follow, tail=tail)
    if not follow:
        # A computing that does not answer is told as a problem, which a stream that has begun cannot do.
        lines = await _begun(lines)
    if "text/plain" in accept:
        return text_response(_as_text(lines))
    return lines_response(_as_json(lines))


async def _begun(lines: AsyncIterator[LogLine]) -> AsyncIterator[LogLine]:
    first = await anext(lines, None)

    async def rest() -> AsyncIterator[LogLine]:
        if first is not None:
            yield first
            async for one in lines:
                yield one

    return rest()


async def _as_json(lines: AsyncIterator[LogLine]) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(paced(lines, BEAT_SECONDS)) as paced_lines:
            async for one in paced_lines:
                yield line(LogLineView.of(one).model_dump(mode="json")) if one else b"\n"
    except SpecolaError as error:
        yield line({"problem": {"code": error.code, "detail": error.sentence, "hint": error.hint}})


async def _as_text(lines: AsyncIterator[LogLine]) -> AsyncGenerator[bytes, None]:
    try:
        async for one in lines:
            yield one.text.encode() + b"\n"
    except SpecolaError as error:
        yield f"[{error.sentence}]\n".encode()


@router.get(
    "/usage",
    summary="Read what a task uses",
    description="CPU and memory of a live task, oldest first, over at most 10 minutes; empty for an ended one.",
)
async def read_usage(task: TaskName, services: Wiring, actor: Reader) -> list[UsageView]:
    found = await services.tasks.get(actor, task)
    usage = await services.tasks.usage(actor, [found.id])
    return [UsageView.of(one) for one in usage.get(found.id, ())]


@router.get(
    "/use",
    summary="Tell whether a task is in use",
    description="A task is in use while a person has used it, or it has computed, or it was started, within the last 10 "
    "minutes. With bytes and last use by interface and person.",
)
async def read_use(task: TaskName, services: Wiring, actor: Reader) -> UseView:
    return UseView.of(await services.uses.of(actor, task))


@router.get(
    "/interfaces/{interface}/credential",
    summary="Read an interface's credential",
    description="The task's random credential, for a client that has to be told it, such as one of a database. "
    "Only for the task's owner.",
)
async def read_credential(
    task: TaskName,
    interface: Annotated[str, Path(description="name of the interface")],
    services: Wiring,
    actor: Connecting,
    response: Response,
) -> CredentialView:
    response.headers["Cache-Control"] = "no-store"
    return CredentialView(credential=await services.tasks.credential(actor, task, interface))
