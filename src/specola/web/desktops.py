"""The page of a desktop: noVNC in the browser, for those who work with it and for guests who look on."""

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from specola.domain.errors import MissingError
from specola.domain.link import GUEST
from specola.domain.software import Protocol
from specola.domain.task import Task
from specola.factory import Services
from specola.web.look import look_of

__all__ = ["desktop_page"]

PREFIX = "/.specola/static/"
HEADERS = {
    # No address but this origin's; nothing inline. Pictures may be data: parts of the screen and the pointer's shape
    # come so out of the viewer.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


async def desktop_page(request: Request, services: Services, *, task: str, interface: str, person: str) -> Response:
    """Show the page; a guest learns of the task what software it is.

    Parameters
    ----------
    person
        Whom the gateway has let in: a person's id, or a link's mark.

    Raises
    ------
    UnauthenticatedError, LinkEndedError
        The right has gone meanwhile.
    MissingError
        There is no such desktop.
    """
    is_guest = person.startswith(GUEST)
    if is_guest:
        link, found = await services.links.shown(person)
        if (link.task, link.interface) != (task, interface):
            raise MissingError("interface", interface)
    else:
        found = await services.tasks.get(await services.people.actor_of(person), task)
    _check_desktop(found, interface)
    look = look_of(request)
    html = look.render(
        "viewers/desktop.html",
        {
            "title": found.title if is_guest else found.name,
            "view_only": is_guest,
            "platform": None if is_guest else services.addresses.task(found.id),
            "style": look.asset(PREFIX, "desktop.css"),
            "script": look.asset(PREFIX, "desktop.js"),
            "drawing": look.asset(PREFIX, "mark.svg"),
        },
    )
    return HTMLResponse(html, headers=HEADERS)


def _check_desktop(task: Task, interface: str) -> None:
    declared = task.release.interface(interface)
    if declared is None or declared.protocol is not Protocol.RFB:
        raise MissingError("interface", interface)
