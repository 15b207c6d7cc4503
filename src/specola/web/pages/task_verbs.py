"""What can be done to a task: stop it, run it again, rename it, delete it, ask for its credential."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import SpecolaError
from specola.domain.person import Actor
from specola.domain.sizes import format_size
from specola.domain.task import Task
from specola.factory import Services
from specola.web.forms import Filled, queue_values, read_form, read_wish, write_pairs
from specola.web.look import look_of
from specola.web.pages.software import start_address
from specola.web.pages.starting import start_context
from specola.web.pages.tasks import show_tab
from specola.web.problems import status_of
from specola.web.visitors import Visitor, Wiring

__all__ = ["router"]

router = APIRouter()


@router.post("/tasks/{name}/stop")
async def stop(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Want a task stopped."""
    task = await services.tasks.stop(actor, name)
    if "hx-request" in request.headers:
        return Response(status_code=204)
    return RedirectResponse(f"/tasks/{task.id}", status_code=303)


@router.get("/tasks/{name}/again")
async def show_again(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Ask what to change before it runs again."""
    task = await services.tasks.get(actor, name)
    return await _again(request, services, actor, task, _options_of(task))


@router.post("/tasks/{name}/again/options")
async def change_options(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Show the options again, as another computing or partition takes them; nothing is started."""
    form = await read_form(request)
    task = await services.tasks.get(actor, name)
    return await _again(request, services, actor, task, Filled(values={**_options_of(task).values, **form.values}))


@router.post("/tasks/{name}/again")
async def again(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Run exactly this again, or with what the form changed."""
    form = await read_form(request)
    task = await services.tasks.get(actor, name)
    try:
        started = await services.tasks.request(read_wish(form, again_of=task.id), actor=actor)
    except SpecolaError as error:
        values = {**_options_of(task).values, **form.values}
        return await _again(request, services, actor, task, Filled(values=values).refused(error))
    return RedirectResponse(start_address(services, started), status_code=303)


@router.get("/tasks/{name}/rename")
async def ask_rename(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Ask for another name."""
    task = await services.tasks.get(actor, name)
    return look_of(request).page(
        request, "tasks/rename.html", actor=actor, task=task, form=Filled(values={"wanted": task.name})
    )


@router.post("/tasks/{name}/rename")
async def rename(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Give a task another name."""
    form = await read_form(request)
    task = await services.tasks.get(actor, name)
    try:
        await services.tasks.rename(actor, task.id, form["wanted"].strip())
    except SpecolaError as error:
        return look_of(request).page(
            request, "tasks/rename.html", status=status_of(error), actor=actor, task=task, form=form.refused(error)
        )
    return RedirectResponse(f"/tasks/{task.id}", status_code=303)


@router.get("/tasks/{name}/delete")
async def ask_delete(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Ask once before a record is removed."""
    task = await services.tasks.get(actor, name)
    return look_of(request).page(request, "tasks/delete.html", actor=actor, task=task)


@router.post("/tasks/{name}/delete")
async def delete(services: Wiring, actor: Visitor, name: str) -> Response:
    """Remove an ended task, its record and its logs."""
    await services.tasks.delete(actor, name)
    return RedirectResponse("/tasks", status_code=303)


@router.post("/tasks/{name}/credential")
async def show_credential(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Show the credential of an interface whose client has to be told it; it is in no address and no live part."""
    form = await read_form(request)
    credential = await services.tasks.credential(actor, name, form["interface"])
    shown = {"interface": form["interface"], "credential": credential}
    return await show_tab(request, services, actor, name, "interfaces", shown)


def _options_of(task: Task) -> Filled:
    values = {
        "name": task.name,
        "computing": task.computing,
        "cpus": f"{task.resources.cpus:g}",
        "memory": format_size(task.resources.memory),
        "shm": format_size(task.resources.shm),
        "home": "",
        **queue_values(task.resources, task.placement),
        "environment": write_pairs(task.environment),
    }
    values |= {f"parameters.{name}": value for name, value in task.parameters.items()}
    return Filled(values=values)


async def _again(request: Request, services: Services, actor: Actor, task: Task, form: Filled) -> Response:
    return look_of(request).page(
        request,
        "tasks/again.html",
        status=status_of(form.error) if form.error else 422 if form.faults else 200,
        actor=actor,
        task=task,
        **await start_context(services, actor, form, task.release, command=""),
    )
