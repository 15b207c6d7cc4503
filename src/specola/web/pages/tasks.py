"""Tasks: the list of all, and one task's page with its tabs, each kept live."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from specola.domain.computing import LogLine
from specola.domain.errors import MissingError, SpecolaError
from specola.domain.person import Actor
from specola.domain.task import Task, TaskState
from specola.factory import Services
from specola.storage.changes import Change, Topic
from specola.web.found import found_views
from specola.web.live import batches, event_stream, feed_of, fragments, message, swap
from specola.web.look import Look, look_of
from specola.web.steps import start_steps
from specola.web.views import WAITING, task_views
from specola.web.visitors import Visitor, Wiring, ends, visitor_of

__all__ = ["router", "show_tab"]

TABS = ("overview", "interfaces", "connections", "logs", "record")
USE_SECONDS = 3.0
FAILED_LINES = 30
PATIENCE_SECONDS = 2.0
MOST_LINES = 2000
STANDARD_PORT = 22

router = APIRouter()


@router.get("/tasks")
async def show_tasks(request: Request, services: Wiring, actor: Visitor, cursor: str | None = None) -> Response:
    """Show all one's tasks, the latest first."""
    page = await services.tasks.list(actor, cursor=cursor)
    views = await task_views(services, actor, page.tasks)
    return look_of(request).page(
        request, "tasks/tasks.html", actor=actor, views=views, cursor=page.cursor, now=services.clock.now()
    )


@router.get("/tasks/{name}")
async def show_overview(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Show how a task is."""
    return await show_tab(request, services, actor, name, "overview")


@router.get("/tasks/{name}/interfaces")
async def show_interfaces(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Show the ways into a task."""
    return await show_tab(request, services, actor, name, "interfaces")


@router.get("/tasks/{name}/connections")
async def show_connections(
    request: Request, services: Wiring, actor: Visitor, name: str, cursor: str | None = None
) -> Response:
    """Show who reached a task."""
    context = await _context(services, actor, name, "connections", cursor=cursor)
    return look_of(request).page(request, "tasks/task.html", actor=actor, tabs=TABS, **context)


@router.get("/tasks/{name}/logs")
async def show_logs(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Show what a task writes and what has happened to it."""
    return await show_tab(request, services, actor, name, "logs")


@router.get("/tasks/{name}/record")
async def show_record(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Show exactly what runs, where, and with which options."""
    return await show_tab(request, services, actor, name, "record")


@router.get("/live/tasks/{name}/{tab}")
async def follow_task(request: Request, services: Wiring, actor: Visitor, name: str, tab: str) -> Response:
    """Send the live parts of a task's page as they change."""
    look = look_of(request)
    task = await services.tasks.get(actor, name)

    async def render() -> Mapping[str, str]:
        # Asked anew each time, so that the stream ends with the session.
        context = await _context(services, await visitor_of(request), task.id, tab)
        return {part: look.render(f"tasks/{part}.html", context) for part in ("head", tab)}

    def concerns(change: Change) -> bool:
        return ends(change, actor) or (change.topic == Topic.TASK and change.key == task.id)

    if tab not in TABS:
        raise MissingError("page", tab)
    return event_stream(
        fragments(feed_of(request), concerns, render, every=USE_SECONDS), feed=feed_of(request), person=actor.person.id
    )


@router.get("/live/tasks/{name}/logs/lines")
async def follow_lines(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Send the lines a task writes: the last ones first, then each as it comes."""
    look = look_of(request)
    lines = await services.tasks.logs(actor, name, follow=True, tail=MOST_LINES)
    return event_stream(_line_events(request, look, lines), feed=feed_of(request), person=actor.person.id)


async def _line_events(request: Request, look: Look, lines: AsyncIterator[LogLine]) -> AsyncIterator[bytes]:
    # The first fragment replaces what the page shows, since after a break the same lines come once more.
    how = "innerHTML"
    try:
        async for batch in batches(lines, most=MOST_LINES):
            # A silent log asks too, by its empty handfuls.
            _ = await visitor_of(request)
            html = look.render("tasks/lines.html", {"lines": batch})
            yield message(swap("lines", html, how=how)) if batch else b":\n\n"
            how = "beforeend" if batch else how
    except SpecolaError:
        return  # the page asks again
    yield message("", event="end")


@router.get("/tasks/{name}/log.txt")
async def download_log(services: Wiring, actor: Visitor, name: str) -> Response:
    """Hand out what a task wrote as a text file."""
    task = await services.tasks.get(actor, name)
    lines = await services.tasks.logs(actor, task.id)

    async def text() -> AsyncIterator[str]:
        async for line in lines:
            yield f"{line.text}\n"

    headers = {"Content-Disposition": f'attachment; filename="{task.id}.log"', "Cache-Control": "no-store"}
    return StreamingResponse(text(), media_type="text/plain; charset=utf-8", headers=headers)


async def show_tab(
    request: Request,
    services: Services,
    actor: Actor,
    name: str,
    tab: str,
    shown: Mapping[str, str] | None = None,
) -> Response:
    """Show a task's page with one tab open.

    Parameters
    ----------
    shown
        `interface` and its `credential`, on the one page that shows it.
    """
    context = await _context(services, actor, name, tab)
    return look_of(request).page(request, "tasks/task.html", actor=actor, tabs=TABS, **{**context, "shown": shown})


async def _context(
    services: Services, actor: Actor, name: str, tab: str, *, cursor: str | None = None
) -> dict[str, Any]:
    task = await services.tasks.get(actor, name)
    (view,) = await task_views(services, actor, [task])
    events = await services.tasks.events(actor, task.id)
    return {
        "task": task,
        "view": view,
        "tab": tab,
        "events": events,
        "steps": start_steps(task, events) if task.waits or task.state in WAITING else [],
        "lines": await _last_lines(services, actor, name) if _wants_lines(task.state, tab) else [],
        "now": services.clock.now(),
        "shown": None,
        "mine": task.owner == actor.person.id,
        "found": await found_views(services, actor, task),
        "paged": cursor is not None,
        "use": await services.uses.of(actor, task.id, usage=view.usage) if tab == "overview" else None,
        **(await _connections(services, actor, task.id, cursor) if tab == "connections" else {}),
        "ssh": _ssh(services, task),
        "is_shared": tab == "record" and bool(task.account) and task.computing in await services.account_links.shared(),
    }


async def _connections(services: Services, actor: Actor, task: str, cursor: str | None) -> dict[str, Any]:
    page = await services.connections.list(actor, task, cursor=cursor)
    return {"connections": page.connections, "earlier": page.cursor}


def _ssh(services: Services, task: Task) -> str:
    """Return the command line that opens a shell in a task; empty where there is no way to."""
    settings = services.settings
    if not settings.ssh_port or not task.is_live:
        return ""
    port = f" -p {settings.ssh_port}" if settings.ssh_port != STANDARD_PORT else ""
    return f"ssh {task.id}@{settings.ssh_names[0]}{port}"


def _wants_lines(state: TaskState, tab: str) -> bool:
    # The page of logs has a stream of its own; here they help to see why it failed.
    return tab == "overview" and state is TaskState.FAILED


async def _last_lines(services: Services, actor: Actor, name: str) -> list[LogLine]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            lines = await services.tasks.logs(actor, name, tail=FAILED_LINES)
            return [line async for line in lines]
    except (SpecolaError, TimeoutError):
        # What happened stands above; the page is worth showing without the log.
        return []
