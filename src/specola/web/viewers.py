"""Pages on the origins of interfaces that are no HTTP: a client in the browser, or how else each is reached."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from specola.domain.errors import MissingError, UnauthenticatedError
from specola.domain.software import TERMINAL, Interface, Protocol
from specola.domain.task import Desired, Task, TaskState
from specola.factory import Services
from specola.storage.changes import Change, Topic
from specola.web.commands import command_lines
from specola.web.guests import HEADERS, STATIC, MarksHeader, PersonHeader, asset
from specola.web.live import BEAT_SECONDS, event_stream, feed_of, message
from specola.web.look import look_of
from specola.web.visitors import Wiring

__all__ = ["declared", "is_reachable", "router"]

router = APIRouter(prefix="/viewers/{task}/{interface}")


@dataclass(frozen=True, slots=True)
class Viewer:
    """A page: its template, the script and the style it needs (plain names), and what it shows."""

    template: str
    script: str
    style: str
    context: Mapping[str, Any]


def commands(services: Services, task: Task, interface: Interface) -> Viewer:
    """Show how an interface without a client in the browser is reached."""
    context = {"lines": command_lines(task, interface), "platform": services.addresses.url}
    return Viewer("viewers/commands.html", "viewer.js", "viewer.css", context)


VIEWERS: Mapping[Protocol, Callable[[Services, Task, Interface], Viewer]] = {}
"""Protocols with a client in the browser, and what chooses its page; all others show their command lines."""


@router.get("/page")
async def show_page(services: Wiring, request: Request, task: str, interface: str, person: PersonHeader) -> Response:
    """Show the page of an interface."""
    found, which = await _found(services, person, task, interface)
    look = look_of(request)
    viewer = VIEWERS.get(which.protocol, commands)(services, found, which)
    html = look.render(
        viewer.template,
        {
            "task": found,
            "interface": which,
            "reachable": is_reachable(found, which),
            "style": look.asset(STATIC, viewer.style),
            "script": look.asset(STATIC, viewer.script),
            "mark": look.asset(STATIC, "mark.svg"),
            **viewer.context,
        },
    )
    return Response(html, media_type="text/html; charset=utf-8", headers=HEADERS)


@router.get("/events")
async def follow(
    services: Wiring, request: Request, task: str, interface: str, person: PersonHeader, marks: MarksHeader = ""
) -> Response:
    """Send `over` once the interface cannot be reached any more, or the visitor has lost the right to it."""
    found, which = await _found(services, person, task, interface)
    events = _events(request, services, (found.id, which), person, frozenset(marks.split(",")))
    return event_stream(events, feed=feed_of(request), person=person)


@router.get("/static/{name}")
async def get_asset(request: Request, name: str) -> Response:
    """Answer with a style or a script."""
    return asset(request, name)


async def _events(
    request: Request, services: Services, where: tuple[str, Interface], person: str, came_with: frozenset[str]
) -> AsyncIterator[bytes]:
    task, interface = where
    ended = False

    def concerns(change: Change) -> bool:
        nonlocal ended
        # What a gap hides may be the one that matters: whoever still may gets the page again.
        ended = ended or change.topic == Topic.GAP or (change.topic == Topic.REVOKED and change.key in came_with)
        return ended or change.key == task

    with feed_of(request).following(concerns) as wakes:
        while not ended:
            try:
                # Asked anew each time, so that a page left open ends with its visitor's right to see it.
                now, _ = await _found(services, person, task, interface.name)
            except (UnauthenticatedError, MissingError):
                break
            if not is_reachable(now, interface):
                break
            yield b":\n\n"
            await wakes.wait(BEAT_SECONDS)
    yield message("", event="over")


async def _found(services: Services, person: str, task: str, interface: str) -> tuple[Task, Interface]:
    actor = await services.people.actor_of(person)
    found = await services.tasks.get(actor, task)
    which = declared(found, interface)
    if which.protocol.opens_in_browser:
        raise MissingError("page", interface)
    return found, which


def declared(task: Task, interface: str) -> Interface:
    """Return an interface of a task, the platform's own among them. Raises MissingError."""
    found = TERMINAL if interface == TERMINAL.name else task.release.interface(interface)
    if found is None:
        raise MissingError("interface", interface)
    return found


def is_reachable(task: Task, interface: Interface) -> bool:
    """Tell whether an interface can be reached now."""
    if task.state is not TaskState.RUNNING or task.desired is not Desired.RUNNING:
        return False
    state = task.interface(interface.name)
    return interface is TERMINAL or (state is not None and state.ready)
