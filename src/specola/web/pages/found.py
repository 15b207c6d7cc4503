"""Adding a port that was found in a task to its software."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import InvalidError, SpecolaError
from specola.domain.person import Actor
from specola.domain.software import Protocol
from specola.factory import Services
from specola.web.forms import Filled, read_form
from specola.web.look import look_of
from specola.web.problems import status_of
from specola.web.visitors import Visitor, Wiring

__all__ = ["router"]

router = APIRouter()


@router.get("/tasks/{name}/ports/{port}")
async def ask_declare(request: Request, services: Wiring, actor: Visitor, name: str, port: int) -> Response:
    """Ask what the interface is called and what it speaks."""
    return await _sheet(request, services, actor, name, port)


@router.post("/tasks/{name}/ports/{port}")
async def declare(request: Request, services: Wiring, actor: Visitor, name: str, port: int) -> Response:
    """Add it, and show the software with its new release."""
    form = await read_form(request)
    try:
        software = await services.found.declare(
            actor, name, port, interface=form["name"].strip(), protocol=_protocol(form["protocol"])
        )
    except InvalidError as error:
        return await _sheet(request, services, actor, name, port, form.refused(error))
    except SpecolaError as error:
        return await _sheet(request, services, actor, name, port, Filled(values=form.values, error=error))
    return RedirectResponse(f"/software/{software.name}", status_code=303)


def _protocol(word: str) -> Protocol:
    try:
        return Protocol(word)
    except ValueError as error:
        raise InvalidError(
            f"“{word[:40]}” is no protocol.", hint="Choose one of the list.", field="protocol"
        ) from error


async def _sheet(
    request: Request, services: Services, actor: Actor, name: str, port: int, form: Filled | None = None
) -> Response:
    task = await services.tasks.get(actor, name)
    made = await services.found.prepare(actor, name, port)
    shown = form or Filled(values={"name": made.name, "protocol": made.port.protocol.value})
    return look_of(request).page(
        request,
        "tasks/declare.html",
        status=status_of(shown.error) if shown.error else 422 if shown.faults else 200,
        actor=actor,
        task=task,
        made=made,
        form=shown,
        protocols=list(Protocol),
    )
