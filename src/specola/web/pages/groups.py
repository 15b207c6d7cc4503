"""Groups: the page of one, and all of them for administrators."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import MissingError, SpecolaError
from specola.domain.person import Actor
from specola.factory import Services
from specola.web.forms import Filled, read_form
from specola.web.look import look_of
from specola.web.problems import status_of
from specola.web.visitors import Administrator, Visitor, Wiring

__all__ = ["router"]

router = APIRouter()


@router.get("/administration/groups")
async def show_groups(request: Request, services: Wiring, actor: Administrator) -> Response:
    """Show all groups."""
    return await _groups(request, services, actor, form=Filled())


@router.post("/administration/groups")
async def create_group(request: Request, services: Wiring, actor: Administrator) -> Response:
    """Make a group."""
    form = await read_form(request)
    try:
        made = await services.groups.create(actor, form["name"].strip(), title=form["title"])
    except SpecolaError as error:
        return await _groups(request, services, actor, form=form.refused(error))
    return RedirectResponse(f"/groups/{made.group.name}", status_code=303)


@router.get("/groups/{name}")
async def show_group(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Show who is in a group."""
    return await _group(request, services, actor, name, form=Filled())


@router.post("/groups/{name}")
async def retitle(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Give it another title."""
    form = await read_form(request)
    await services.groups.retitle(actor, name, form["title"])
    return RedirectResponse(f"/groups/{name}", status_code=303)


@router.post("/groups/{name}/members")
async def join(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Add somebody, or change whether they manage it."""
    form = await read_form(request)
    try:
        _ = await services.groups.join(actor, name, form["person"].strip(), manages=form["manages"] == "true")
    except SpecolaError as error:
        return await _group(request, services, actor, name, form=form.refused(error))
    return RedirectResponse(f"/groups/{name}", status_code=303)


@router.post("/groups/{name}/members/{person}/remove")
async def leave(services: Wiring, actor: Visitor, name: str, person: str) -> Response:
    """Take somebody out, or leave."""
    await services.groups.leave(actor, name, person)
    try:
        _ = await services.groups.get(actor, name)
    except MissingError:
        return RedirectResponse("/account", status_code=303)
    return RedirectResponse(f"/groups/{name}", status_code=303)


@router.post("/groups/{name}/remove")
async def remove(services: Wiring, actor: Administrator, name: str) -> Response:
    """Remove a group."""
    await services.groups.remove(actor, name)
    return RedirectResponse("/administration/groups", status_code=303)


async def _group(request: Request, services: Services, actor: Actor, name: str, *, form: Filled) -> Response:
    gathered = await services.groups.get(actor, name)
    manages = actor.administers or actor.person.id in gathered.group.managers
    return look_of(request).page(
        request,
        "groups/group.html",
        status=_status(form),
        actor=actor,
        gathered=gathered,
        manages=manages,
        form=form,
    )


async def _groups(request: Request, services: Services, actor: Actor, *, form: Filled) -> Response:
    return look_of(request).page(
        request,
        "administration/groups.html",
        status=_status(form),
        actor=actor,
        groups=await services.groups.list(actor),
        form=form,
    )


def _status(form: Filled) -> int:
    return status_of(form.error) if form.error else 422 if form.faults else 200
