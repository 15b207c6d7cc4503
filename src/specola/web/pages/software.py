"""Software: the catalogue's cards, one entry, starting it with options, sharing and removing it."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import SpecolaError
from specola.domain.person import Actor
from specola.domain.placement import Placement
from specola.domain.sizes import format_size
from specola.domain.software import ParameterKind, Release, Software
from specola.domain.task import Task
from specola.factory import Services
from specola.web.forms import Filled, queue_values, read_form, read_wish
from specola.web.look import look_of
from specola.web.pages.starting import start_context
from specola.web.problems import status_of
from specola.web.visitors import Visitor, Wiring

__all__ = ["defaults", "options_page", "router", "start_address"]

router = APIRouter()


@router.get("/software")
async def show_catalogue(request: Request, services: Wiring, actor: Visitor, q: str = "") -> Response:
    """Show everything the visitor may start."""
    words = q.strip()[:100]
    software = await services.catalogue.visible(actor, search=words)
    return look_of(request).page(request, "software/catalogue.html", actor=actor, software=software, words=words)


@router.get("/software/{name}")
async def show_software(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Show one entry: what it is, its releases and interfaces, who may use it."""
    software = await services.catalogue.get(actor, name)
    return look_of(request).page(
        request,
        "software/entry.html",
        actor=actor,
        software=software,
        may_edit=services.catalogue.may_edit(actor, software),
    )


@router.get("/software/{name}/start")
async def show_options(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Ask where, how big, which release, which parameters."""
    software = await services.catalogue.get(actor, name)
    return await options_page(request, services, actor, software, defaults(software.current))


@router.post("/software/{name}/start/options")
async def change_options(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Show the options again, as another computing or partition takes them; nothing is started."""
    form = await read_form(request)
    software = await services.catalogue.get(actor, name)
    values = {**defaults(software.current).values, **form.values}
    return await options_page(request, services, actor, software, Filled(values=values))


@router.post("/software/{name}/start")
async def start(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Start it, and go to the task's own address at once: it waits there and becomes the application."""
    form = await read_form(request)
    try:
        wish = read_wish(form, software=name)
        task = await services.tasks.request(wish, actor=actor)
    except SpecolaError as error:
        software = await services.catalogue.get(actor, name)
        values = {**defaults(software.current).values, **form.values}
        return await options_page(request, services, actor, software, Filled(values=values).refused(error))
    return RedirectResponse(start_address(services, task), status_code=303)


@router.get("/software/{name}/export")
async def export(services: Wiring, actor: Visitor, name: str) -> Response:
    """Hand out the definition as a file."""
    text = await services.catalogue.export(actor, name)
    software = await services.catalogue.get(actor, name)
    return Response(
        text,
        media_type="application/yaml",
        headers={"Content-Disposition": f'attachment; filename="{software.name}.yaml"', "Cache-Control": "no-store"},
    )


@router.post("/software/{name}/share")
async def share(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Let everybody use it, or only its owner."""
    form = await read_form(request)
    software = await services.catalogue.set_shared(actor, name, shared=form["shared"] == "true")
    return RedirectResponse(f"/software/{software.name}", status_code=303)


@router.get("/software/{name}/delete")
async def ask_delete(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Ask once before an entry is removed."""
    software = await services.catalogue.get(actor, name)
    return look_of(request).page(request, "software/delete.html", actor=actor, software=software)


@router.post("/software/{name}/delete")
async def delete(services: Wiring, actor: Visitor, name: str) -> Response:
    """Remove an entry; its tasks go on."""
    await services.catalogue.remove(actor, name)
    return RedirectResponse("/software", status_code=303)


def start_address(services: Services, task: Task) -> str:
    """Return where somebody who has just started a task goes: its first web interface, else its page here."""
    for interface in task.release.interfaces:
        if interface.protocol.shows_in_browser:
            return services.tasks.address(task, interface)
    return f"/tasks/{task.id}"


def defaults(release: Release) -> Filled:
    """Return the options as a release has them."""
    values = {
        "name": "",
        "computing": "",
        "release": release.version,
        "cpus": f"{release.resources.cpus:g}",
        "memory": format_size(release.resources.memory),
        "shm": format_size(release.resources.shm),
        "home": "",
        **queue_values(release.resources, Placement()),
        "environment": "",
    }
    values |= {f"parameters.{parameter.name}": parameter.default for parameter in release.parameters}
    return Filled(values=values)


async def options_page(
    request: Request, services: Services, actor: Actor, software: Software, form: Filled
) -> Response:
    """Show the options of a start, with what was typed and what is wrong with it."""
    release = next((one for one in software.releases if one.version == form["release"]), software.current)
    return look_of(request).page(
        request,
        "software/options.html",
        status=status_of(form.error) if form.error else 422 if form.faults else 200,
        actor=actor,
        software=software,
        release=release,
        kinds=ParameterKind,
        **await start_context(services, actor, form, release, command=f"specola run {software.name}"),
    )
