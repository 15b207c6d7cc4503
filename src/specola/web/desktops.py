"""The page of a desktop: noVNC in the browser, for those who work with it and for guests who look on."""

from specola.factory import Services
from specola.web.guests import HEADERS, Shown, Viewer

__all__ = ["desktop"]

POLICY = "Content-Security-Policy"
# Parts of the screen and the pointer's shape come as data: out of the viewer.
PICTURES = {POLICY: HEADERS[POLICY].replace("img-src 'self'", "img-src 'self' data:")}


def desktop(services: Services, shown: Shown) -> Viewer:
    """Show the screen; a guest learns of the task what software it is."""
    task, guest = shown.task, shown.guest
    context = {
        "title": task.title if guest else task.name,
        "view_only": guest,
        "platform": None if guest else services.addresses.task(task.id),
    }
    return Viewer("viewers/desktop.html", "desktop.js", "desktop.css", context, headers=HEADERS | PICTURES)
