"""Administration: people and invitations, everybody's tasks, and whether all is well."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import SpecolaError
from specola.domain.person import Actor, Role
from specola.factory import Services
from specola.storage.changes import Change, Topic
from specola.web.forms import Filled, read_form
from specola.web.live import event_stream, feed_of, fragments
from specola.web.look import look_of
from specola.web.problems import status_of
from specola.web.views import task_views
from specola.web.visitors import Administrator, Wiring, administrator_of, ends, visitor_of

__all__ = ["router"]

LOOK_SECONDS = 5.0

router = APIRouter(prefix="/administration")


@router.get("")
async def show_people(request: Request, services: Wiring, actor: Administrator) -> Response:
    """Show everybody, and the open invitations."""
    return await _people(request, services, actor)


@router.post("/people/{name}/role")
async def set_role(request: Request, services: Wiring, actor: Administrator, name: str) -> Response:
    """Change somebody's role."""
    form = await read_form(request)
    role = Role.ADMINISTRATOR if form["role"] == Role.ADMINISTRATOR else Role.PERSON
    try:
        await services.people.set_role(actor, name, role)
    except SpecolaError as error:
        return await _people(request, services, actor, error=error)
    return RedirectResponse("/administration", status_code=303)


@router.post("/people/{name}/disabled")
async def set_disabled(request: Request, services: Wiring, actor: Administrator, name: str) -> Response:
    """Switch an account off or on."""
    form = await read_form(request)
    try:
        await services.people.set_disabled(actor, name, disabled=form["disabled"] == "true")
    except SpecolaError as error:
        return await _people(request, services, actor, error=error)
    return RedirectResponse("/administration", status_code=303)


@router.post("/people/{name}/link")
async def make_link(request: Request, services: Wiring, actor: Administrator, name: str) -> Response:
    """Make a one-time sign-in link and show it this once."""
    try:
        made = await services.people.link_for(actor, name)
    except SpecolaError as error:
        return await _people(request, services, actor, error=error)
    link = f"{services.settings.url}/sign-in/link#{made.secret}"
    return await _people(request, services, actor, shown=("sign-in", made.value.name, link))


@router.post("/invitations")
async def invite(request: Request, services: Wiring, actor: Administrator) -> Response:
    """Make an invitation and show its link this once."""
    form = await read_form(request)
    role = Role.ADMINISTRATOR if form["role"] == Role.ADMINISTRATOR else Role.PERSON
    note = form["note"].strip()
    try:
        made = await services.people.invite(actor, role=role, note=note)
    except SpecolaError as error:
        return await _people(request, services, actor, form=form.refused(error))
    link = f"{services.settings.url}/invitation#{made.secret}"
    return await _people(request, services, actor, shown=("invitation", note, link))


@router.post("/invitations/{invitation}/withdraw")
async def withdraw(services: Wiring, actor: Administrator, invitation: str) -> Response:
    """Take an open invitation back."""
    await services.people.withdraw(actor, invitation)
    return RedirectResponse("/administration", status_code=303)


@router.get("/tasks")
async def show_tasks(request: Request, services: Wiring, actor: Administrator, cursor: str | None = None) -> Response:
    """Show everybody's tasks, the latest first."""
    page, people = await asyncio.gather(
        services.tasks.list(actor, everybody=True, cursor=cursor), services.people.list(actor)
    )
    return look_of(request).page(
        request,
        "administration/tasks.html",
        actor=actor,
        views=await task_views(services, actor, page.tasks),
        cursor=page.cursor,
        owners={person.id: person.name for person in people},
        now=services.clock.now(),
    )


@router.get("/computings")
async def show_computings(request: Request, services: Wiring, actor: Administrator) -> Response:
    """Show every computing, people's own included."""
    return look_of(request).page(
        request,
        "administration/computings.html",
        actor=actor,
        overseen=await services.computings.overseen(actor),
        kinds=services.computings.kinds,
        now=services.clock.now(),
    )


@router.get("/health")
async def show_health(request: Request, services: Wiring, actor: Administrator) -> Response:
    """Show the platform's parts, the computings, and what runs without a record."""
    return look_of(request).page(
        request, "administration/health.html", actor=actor, **await _health(services, actor), error=None
    )


@router.get("/live/health")
async def follow_health(request: Request, services: Wiring, actor: Administrator) -> Response:
    """Send the state of health as it changes."""
    look = look_of(request)

    async def render() -> dict[str, str]:
        # Asked anew each time, so that the stream ends with the session and with the role.
        now = await administrator_of(await visitor_of(request))
        return {"health": look.render("administration/health_parts.html", await _health(services, now))}

    def concerns(change: Change) -> bool:
        return ends(change, actor) or change.topic == Topic.COMPUTING

    return event_stream(
        fragments(feed_of(request), concerns, render, every=LOOK_SECONDS), feed=feed_of(request), person=actor.person.id
    )


@router.post("/computings/{name}/test")
async def test_computing(request: Request, services: Wiring, actor: Administrator, name: str) -> Response:
    """Probe a computing now."""
    try:
        await services.computings.test(actor, name)
    except SpecolaError as error:
        return look_of(request).page(
            request,
            "administration/health.html",
            status=status_of(error),
            actor=actor,
            **await _health(services, actor),
            error=error,
        )
    return RedirectResponse("/administration/health", status_code=303)


@router.post("/computings/{name}/orphans/{task}/remove")
async def remove_orphan(services: Wiring, actor: Administrator, name: str, task: str) -> Response:
    """Want an unrecorded task of ours removed."""
    await services.computings.remove_orphan(actor, name, task)
    return RedirectResponse("/administration/health", status_code=303)


async def _health(services: Services, actor: Actor) -> dict[str, Any]:
    parts, computings, orphans = await asyncio.gather(
        services.health.parts(), services.computings.list(actor), services.computings.orphans(actor)
    )
    return {"parts": parts, "computings": computings, "orphans": orphans, "now": services.clock.now()}


async def _people(
    request: Request,
    services: Services,
    actor: Actor,
    *,
    form: Filled | None = None,
    error: SpecolaError | None = None,
    shown: tuple[str, str, str] | None = None,
) -> Response:
    form = form or Filled()
    error = error or form.error
    return look_of(request).page(
        request,
        "administration/people.html",
        status=status_of(error) if error else 422 if form.faults else 200,
        actor=actor,
        people=await services.people.list(actor),
        invitations=await services.people.invitations(actor),
        form=form,
        error=error,
        shown=shown,
        roles=Role,
        now=services.clock.now(),
    )
