"""Pages on the origins of interfaces that are no HTTP: a client in the browser, or how else each is reached."""

from collections.abc import AsyncIterator, Mapping

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from specola.domain.errors import MissingError, UnauthenticatedError
from specola.domain.link import GUEST
from specola.domain.software import Protocol
from specola.domain.task import Task
from specola.factory import Services
from specola.storage.changes import Change, Topic
from specola.web.commands import command_lines
from specola.web.desktops import desktop
from specola.web.guests import STATIC, MarksHeader, PersonHeader, Shown, Viewer, Viewing, asset
from specola.web.live import BEAT_SECONDS, event_stream, feed_of, message
from specola.web.look import Look, look_of
from specola.web.visitors import Wiring

__all__ = ["router"]

router = APIRouter(prefix="/viewers/{task}/{interface}")


def commands(services: Services, shown: Shown) -> Viewer:
    """Show how an interface without a client in the browser is reached."""
    context = {"lines": command_lines(shown.task, shown.interface), "platform": services.addresses.url}
    return Viewer("viewers/commands.html", "viewer.js", "viewer.css", context)


def terminal(services: Services, shown: Shown) -> Viewer:
    """Show shells inside the task."""
    del shown
    return Viewer("viewers/terminal.html", "terminal.js", "terminal.css", {"platform": services.addresses.url})


VIEWERS: Mapping[Protocol, Viewing] = {Protocol.RFB: desktop, Protocol.TERMINAL: terminal}
"""Protocols with a client in the browser, and what chooses its page; all others show their command lines."""


@router.get("/page")
async def show_page(services: Wiring, request: Request, task: str, interface: str, person: PersonHeader) -> Response:
    """Show the page of an interface."""
    shown = await _shown(services, person, task, interface)
    look = look_of(request)
    viewer = VIEWERS.get(shown.interface.protocol, commands)(services, shown)
    html = look.render(
        viewer.template,
        {
            "task": shown.task,
            "interface": shown.interface,
            "reachable": await services.found.is_reachable(shown.task, shown.interface),
            "style": look.asset(STATIC, viewer.style),
            "script": look.asset(STATIC, viewer.script),
            "icon_file": look.asset(STATIC, "mark.svg"),
            "ending": Markup(_ending(look, services, shown.task)),  # noqa: S704 - a template's own text
            **viewer.context,
        },
    )
    return Response(html, media_type="text/html; charset=utf-8", headers=dict(viewer.headers))


@router.get("/events")
async def follow(
    services: Wiring, request: Request, task: str, interface: str, person: PersonHeader, marks: MarksHeader = ""
) -> Response:
    """Send `over` once the interface cannot be reached any more, or the visitor has lost the right to it."""
    shown = await _shown(services, person, task, interface)
    events = _events(request, services, shown, person, frozenset(marks.split(",")))
    return event_stream(events, feed=feed_of(request), person=person)


@router.get("/static/{name}")
async def get_asset(request: Request, name: str) -> Response:
    """Answer with a style or a script."""
    return asset(request, name)


async def _events(
    request: Request, services: Services, shown: Shown, person: str, came_with: frozenset[str]
) -> AsyncIterator[bytes]:
    task, interface = shown.task.id, shown.interface.name
    ended, strip, look = False, "", look_of(request)

    def concerns(change: Change) -> bool:
        nonlocal ended
        # What a gap hides may be the one that matters: whoever still may gets the page again.
        ended = ended or change.topic == Topic.GAP or (change.topic == Topic.REVOKED and change.key in came_with)
        return ended or change.key == task

    with feed_of(request).following(concerns) as wakes:
        while not ended:
            try:
                # Asked anew each time, so that a page left open ends with its visitor's right to see it.
                now = await _shown(services, person, task, interface)
            except (UnauthenticatedError, MissingError):
                break
            if not await services.found.is_reachable(now.task, now.interface):
                break
            html = _ending(look, services, now.task)
            yield message(html, event="ending") if html != strip else b":\n\n"
            strip = html
            await wakes.wait(BEAT_SECONDS)
    yield message("", event="over")


def _ending(look: Look, services: Services, task: Task) -> str:
    """Return the strip that says that the task's time is nearly over; empty before that."""
    return look.render("viewers/ending.html", {"task": task, "now": services.clock.now()}).strip()


async def _shown(services: Services, person: str, task: str, interface: str) -> Shown:
    """Return what the page is about, to a person or, by a link's mark, to a guest: who sees only what it leads to."""
    guest = person.startswith(GUEST)
    if guest:
        link, found = await services.links.shown(person)
        which = found.release.interface(interface)
        if which is None or (link.task, link.interface) != (task, interface):
            raise MissingError("interface", interface)
        which = found.release.interface(interface)
    else:
        actor = await services.people.actor_of(person)
        found = await services.tasks.get(actor, task)
        which = await services.found.interface(actor, found, interface)
    if which is None or which.protocol.opens_in_browser:
        raise MissingError("page", interface)
    return Shown(found, which, guest)
