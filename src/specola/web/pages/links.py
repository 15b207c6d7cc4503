"""Links: the sheet that makes them and takes them back, and the page by which guests come."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import InvalidError, LinkEndedError, MissingError, SpecolaError
from specola.domain.link import Link
from specola.domain.person import Actor
from specola.factory import Services
from specola.services.admissions import Shown
from specola.web.forms import Filled, read_form
from specola.web.look import look_of
from specola.web.problems import status_of
from specola.web.visitors import Visitor, Wiring, give_shared

__all__ = ["router"]

LIVES = {"1": "An hour", "8": "8 hours", "24": "A day", "168": "A week", "720": "30 days"}
USUAL = "24"

router = APIRouter()


@router.get("/tasks/{name}/interfaces/{interface}/share")
async def ask_share(request: Request, services: Wiring, actor: Visitor, name: str, interface: str) -> Response:
    """Show who may look at a desktop, and ask for how long another one may."""
    return await _sheet(request, services, actor, (name, interface), form=Filled(values={"hours": USUAL}))


@router.post("/tasks/{name}/interfaces/{interface}/share")
async def share(request: Request, services: Wiring, actor: Visitor, name: str, interface: str) -> Response:
    """Make a link; its address is shown on this one page only."""
    form = await read_form(request)
    task = await services.tasks.get(actor, name)
    try:
        made = await services.links.make(actor, task.id, interface, life=_life(form["hours"]))
    except SpecolaError as error:
        return await _sheet(request, services, actor, (name, interface), form=form.refused(error))
    return await _sheet(request, services, actor, (name, interface), form=form, made=made)


@router.post("/tasks/{name}/links/{link}/take-back")
async def take_back(services: Wiring, actor: Visitor, name: str, link: str) -> Response:
    """Take a link back, and send away whoever looks on by it."""
    task = await services.tasks.get(actor, name)
    await services.links.take_back(actor, task.id, link)
    return RedirectResponse(f"/tasks/{task.id}/interfaces", status_code=303)


@router.get("/shared")
async def show_shared(request: Request) -> Response:
    """Take the secret from the address's fragment and send it."""
    return look_of(request).page(request, "shared.html", error=None)


@router.post("/shared")
async def open_shared(request: Request, services: Wiring, secret: Annotated[str, Form()] = "") -> Response:
    """Send a guest on to the desktop's own origin, from where the browser comes back for a code."""
    secret = secret.strip()
    try:
        link = await services.links.shown_by(secret)
    except LinkEndedError as error:
        return look_of(request).page(request, "shared.html", status=status_of(error), error=error)
    response = RedirectResponse(services.addresses.origin(link.task, link.interface) + "/", status_code=303)
    give_shared(response, secret, seconds=int((link.expires - services.clock.now()).total_seconds()))
    return response


def _life(hours: str) -> timedelta:
    if hours not in LIVES:
        raise InvalidError("Choose how long the link lasts.", field="hours")
    return timedelta(hours=int(hours))


async def _sheet(
    request: Request,
    services: Services,
    actor: Actor,
    place: tuple[str, str],
    *,
    form: Filled,
    made: Shown[Link] | None = None,
) -> Response:
    name, interface = place
    task = await services.tasks.get(actor, name)
    if task.release.interface(interface) is None:
        raise MissingError("interface", interface)
    links = [one for one in await services.links.of(actor, task.id) if one.interface == interface]
    return look_of(request).page(
        request,
        "tasks/share.html",
        status=status_of(form.error) if form.error else 422 if form.faults else 200,
        actor=actor,
        task=task,
        interface=interface,
        links=links,
        lives=LIVES,
        form=form,
        address=services.addresses.shared(made.secret) if made else "",
        now=services.clock.now(),
    )
