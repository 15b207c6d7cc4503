"""The waiting page on a task's own origin: what is going on, until it becomes the application."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import MissingError, SpecolaError, UnauthenticatedError
from specola.domain.person import Actor
from specola.domain.task import Task, TaskState
from specola.factory import Services
from specola.storage.changes import Change, Topic
from specola.web.guests import HEADERS, STATIC, MarksHeader, PersonHeader, asset
from specola.web.live import BEAT_SECONDS, PACE_SECONDS, event_stream, feed_of, message
from specola.web.look import Look, look_of
from specola.web.steps import start_steps
from specola.web.visitors import Wiring

__all__ = ["router"]

LINES = 6
FAILED_LINES = 30
LINES_SECONDS = 1.0
PATIENCE_SECONDS = 1.0
RETRY = {"Retry-After": "2"}
router = APIRouter(prefix="/waiting/{task}/{interface}")


@router.get("/page")
async def show_page(request: Request, services: Wiring, task: str, interface: str, person: PersonHeader) -> Response:
    """Show the page; 503, since the application is not there yet."""
    actor = await services.people.actor_of(person)
    look = look_of(request)
    shown = await _render(look, services, actor, task, interface)
    html = look.render(
        "waiting/page.html",
        {
            "task": await services.tasks.get(actor, task),
            "shown": shown,
            "style": look.asset(STATIC, "waiting.css"),
            "script": look.asset(STATIC, "waiting.js"),
            "mark": look.asset(STATIC, "mark.svg"),
        },
    )
    return Response(html, status_code=503, media_type="text/html; charset=utf-8", headers=HEADERS | RETRY)


@router.get("/events")
async def follow(
    request: Request, services: Wiring, task: str, interface: str, person: PersonHeader, marks: MarksHeader = ""
) -> Response:
    """Send the page's content as it changes, and `ready` in the end."""
    actor = await services.people.actor_of(person)
    found = await services.tasks.get(actor, task)
    _ = await services.found.interface(actor, found, interface)
    events = _events(request, services, actor, found.id, interface, marks)
    return event_stream(events, feed=feed_of(request), person=actor.person.id)


@router.post("/stop")
async def stop(services: Wiring, task: str, person: PersonHeader) -> Response:
    """Want the task stopped, and go on showing how that goes."""
    actor = await services.people.actor_of(person)
    await services.tasks.stop(actor, task)
    return RedirectResponse("/", status_code=303)


@router.get("/static/{name}")
async def get_asset(request: Request, name: str) -> Response:
    """Answer with a style or a script; the same bytes as on the platform's origin."""
    return asset(request, name)


async def _events(
    request: Request, services: Services, actor: Actor, task: str, interface: str, marks: str
) -> AsyncIterator[bytes]:
    feed, look = feed_of(request), look_of(request)
    came_with, ended = frozenset(marks.split(",")), False

    def concerns(change: Change) -> bool:
        nonlocal ended
        # What a gap hides may be the one that matters: whoever still may gets the page again.
        ended = ended or change.topic == Topic.GAP or (change.topic == Topic.REVOKED and change.key in came_with)
        return ended or change.key == task

    sent = ""
    with feed.following(concerns) as wakes:
        while True:
            if ended:
                yield message("", event="ready")
                return
            try:
                # Asked anew each time, so that a page left open ends with its visitor's right to see it.
                actor = await services.people.actor_of(actor.person.id)
                now = await services.tasks.get(actor, task)
                html = await _render(look, services, actor, task, interface)
            except (UnauthenticatedError, MissingError):
                yield message("", event="ready")
                return
            which = await services.found.interface(actor, now, interface) if now.is_live else None
            if which is not None and await services.found.is_reachable(now, which):
                yield message("", event="ready")
                return
            yield message(html, event="state") if html != sent else b":\n\n"
            sent = html
            await asyncio.sleep(PACE_SECONDS)
            await wakes.wait(LINES_SECONDS if now.state is TaskState.STARTING else BEAT_SECONDS)


async def _render(look: Look, services: Services, actor: Actor, name: str, interface: str) -> str:
    task = await services.tasks.get(actor, name)
    events = await services.tasks.events(actor, task.id)
    return look.render(
        "waiting/content.html",
        {
            "task": task,
            "steps": start_steps(task, events, only=interface),
            "lines": await _lines(services, actor, task),
            "platform": services.addresses.url,
            "now": services.clock.now(),
        },
    )


async def _lines(services: Services, actor: Actor, task: Task) -> list[str]:
    """Return the last lines it wrote; none while there is no container, or nobody answers soon."""
    if task.is_live and task.handle is None:
        return []
    most = FAILED_LINES if task.state is TaskState.FAILED else LINES
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            lines = await services.tasks.logs(actor, task.id, tail=most)
            return [line.text async for line in lines]
    except (SpecolaError, TimeoutError):
        return []
