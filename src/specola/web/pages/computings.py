"""Computing: each place that runs tasks, what was found there, and what is done with its record."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.computing import Intake
from specola.domain.errors import DeniedError, SpecolaError
from specola.domain.person import Actor
from specola.factory import Services
from specola.services.computing_rights import may_change
from specola.storage.changes import Change, Topic
from specola.web.forms import read_form
from specola.web.live import event_stream, feed_of, fragments
from specola.web.look import look_of
from specola.web.problems import status_of
from specola.web.visitors import Visitor, Wiring, ends, visitor_of

__all__ = ["place_page", "router"]

LOOK_SECONDS = 15.0

router = APIRouter()


@router.get("/computing")
async def show_places(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Show every place that the visitor may use."""
    return look_of(request).page(request, "computing/places.html", actor=actor, **await _places(services, actor))


@router.get("/live/computing")
async def follow_places(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Send the places as they change."""
    look = look_of(request)

    async def render() -> dict[str, str]:
        # Asked anew each time, so that the stream ends with the session.
        now = await visitor_of(request)
        return {"places": look.render("computing/places_parts.html", await _places(services, now))}

    def concerns(change: Change) -> bool:
        return ends(change, actor) or change.topic == Topic.COMPUTING

    return event_stream(
        fragments(feed_of(request), concerns, render, every=LOOK_SECONDS), feed=feed_of(request), person=actor.person.id
    )


@router.get("/live/computing/{name}")
async def follow_place(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Send what is known of one place as it changes: whether it answers, and what was found."""
    look = look_of(request)
    await services.computings.get(actor, name)

    async def render() -> dict[str, str]:
        place = await services.computings.get(await visitor_of(request), name)
        told = {"place": place, "probe": place.state.probe, "tested": False, "error": None, "now": services.clock.now()}
        return {
            "standing": look.render("computing/place_standing.html", told),
            "seen": look.render("computing/place_parts.html", told),
        }

    def concerns(change: Change) -> bool:
        return ends(change, actor) or (change.topic == Topic.COMPUTING and change.key == name)

    return event_stream(
        fragments(feed_of(request), concerns, render, every=LOOK_SECONDS), feed=feed_of(request), person=actor.person.id
    )


@router.get("/computing/{name}")
async def show_place(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Show one place: whether it answers, what it is and has, what is missing."""
    return await place_page(request, services, actor, name)


@router.post("/computing/{name}/test")
async def test(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Ask a place now, and show what it said."""
    try:
        probe = await services.computings.test(actor, name)
    except SpecolaError as error:
        return await place_page(request, services, actor, name, error=error)
    return await place_page(request, services, actor, name, tested=probe)


@router.post("/computing/{name}/intake")
async def set_intake(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Let a place take no new tasks, or take them again."""
    form = await read_form(request)
    intake = Intake.PAUSED if form["intake"] == Intake.PAUSED else Intake.OPEN
    await services.computings.set_intake(actor, name, intake)
    return RedirectResponse(_back(form["back"], f"/computing/{name}"), status_code=303)


@router.get("/computing/{name}/remove")
async def ask_remove(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Ask once before a record is removed."""
    return await _remove_page(request, services, actor, name)


@router.post("/computing/{name}/remove")
async def remove(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Remove a record; nothing is done on the place itself."""
    form = await read_form(request)
    try:
        await services.computings.remove(actor, name)
    except SpecolaError as error:
        return await _remove_page(request, services, actor, name, error=error)
    return RedirectResponse(_back(form["back"], "/computing"), status_code=303)


def _back(wanted: str, otherwise: str) -> str:
    return wanted if wanted in {"/administration/computings", "/computing"} else otherwise


async def _places(services: Services, actor: Actor) -> dict[str, Any]:
    return {
        "computings": await services.computings.list(actor),
        "kinds": services.computings.kinds,
        "now": services.clock.now(),
    }


async def place_page(
    request: Request,
    services: Services,
    actor: Actor,
    name: str,
    **told: object,
) -> Response:
    """Show one place; `tested` is what it has just said, `error` why it said nothing."""
    place = await services.computings.get(actor, name)
    error = told.get("error")
    return look_of(request).page(
        request,
        "computing/place.html",
        status=status_of(error) if isinstance(error, SpecolaError) else 200,
        actor=actor,
        place=place,
        probe=told.get("tested") or place.state.probe,
        tested="tested" in told,
        error=error,
        may_change=may_change(actor, place),
        kind=services.computings.kinds.title(place.kind),
        now=services.clock.now(),
    )


async def _remove_page(
    request: Request, services: Services, actor: Actor, name: str, *, error: SpecolaError | None = None
) -> Response:
    overseen = next((one for one in await services.computings.overseen(actor) if one.computing.name == name), None)
    if overseen is None:
        place = await services.computings.get(actor, name)
        raise DeniedError(f"Only administrators may remove “{place.title}”.")
    return look_of(request).page(
        request,
        "computing/remove.html",
        status=status_of(error) if error else 200,
        actor=actor,
        place=overseen.computing,
        live=overseen.live,
        owner=overseen.owner,
        error=error,
        back="/administration/computings" if actor.administers else "/computing",
    )
