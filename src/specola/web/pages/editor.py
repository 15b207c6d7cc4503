"""Adding and editing software: any image as a draft, a definition as a form or as YAML, both checked the same way."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.computing import ImageDetails
from specola.domain.errors import DefinitionError, InvalidError, Problem, SpecolaError
from specola.domain.person import Actor
from specola.domain.software import (
    CAPABILITIES,
    CredentialWay,
    HomeAccess,
    Origin,
    ParameterKind,
    Protocol,
    RunsAs,
    Software,
)
from specola.domain.task import Wish
from specola.factory import Services
from specola.services.definition import read_definition
from specola.web.definitions import faults_of, grown, rows, shrunk, to_form, to_yaml
from specola.web.forms import Filled, read_form
from specola.web.look import look_of
from specola.web.pages.software import defaults, options_page, start_address
from specola.web.problems import status_of
from specola.web.visitors import Visitor, Wiring

__all__ = ["router"]

EMPTY = {
    "user": RunsAs.IMAGE.value,
    "home_access": HomeAccess.WRITE.value,
    "resources.cpus": "1",
    "resources.memory": "2GiB",
    "resources.shm": "64MiB",
}
TEMPLATE = "software: my-software\ntitle: My software\nimage: \ninterfaces:\n  - name: web\n    port: 8080\n"
CHOICES = {
    "protocols": [one for one in Protocol if one is not Protocol.TERMINAL],
    "ways": list(CredentialWay),
    "origins": list(Origin),
    "users": list(RunsAs),
    "accesses": list(HomeAccess),
    "kinds": list(ParameterKind),
    "capabilities": sorted(CAPABILITIES),
}

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What the editor shows: the form or the YAML, and what is wrong with it. `name`: the entry edited, if any."""

    name: str | None = None
    form: Filled | None = None
    text: str = ""
    problems: tuple[Problem, ...] = ()
    error: SpecolaError | None = None
    details: ImageDetails | None = None

    @property
    def action(self) -> str:
        """Where the editor's form is sent."""
        return f"/software/{self.name}/edit" if self.name else "/software/add"


@router.get("/software/add")
async def show_add(request: Request, services: Wiring, actor: Visitor, copy: str = "", by: str = "image") -> Response:
    """Ask for an image, or show an empty or copied definition."""
    if copy:
        software = await services.catalogue.get(actor, copy)
        values = {**to_form(software), "software": f"{software.name}-copy", "title": f"{software.title} (copy)"}
        return _editor(request, actor, Sheet(form=Filled(values=values)))
    if by == "form":
        return _editor(request, actor, Sheet(form=Filled(values=grown({**EMPTY}, "interfaces"))))
    if by == "yaml":
        return _editor(request, actor, Sheet(text=TEMPLATE))
    return await _any_image(request, services, actor, Filled())


@router.post("/software/draft")
async def draft(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Read an image, and show what was found as a draft to edit."""
    form = await read_form(request)
    reference = form["image"].strip()
    try:
        if not reference:
            raise InvalidError("Paste the reference of an image.", field="image")
        found = await services.catalogue.draft(actor, reference, computing=form["computing"] or None)
    except SpecolaError as error:
        return await _any_image(request, services, actor, form.refused(error))
    return _editor(request, actor, Sheet(form=Filled(values=to_form(found.software)), details=found.details))


@router.get("/software/{name}/edit")
async def show_edit(request: Request, services: Wiring, actor: Visitor, name: str, by: str = "form") -> Response:
    """Show an entry's definition to change."""
    software = await services.catalogue.get(actor, name)
    if by == "yaml":
        return _editor(request, actor, Sheet(name=name, text=await services.catalogue.export(actor, name)))
    return _editor(request, actor, Sheet(name=name, form=Filled(values=to_form(software))))


@router.post("/software/add")
async def add(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Save a definition as an entry of one's own."""
    return await _take(request, services, actor, None)


@router.post("/software/{name}/edit")
async def edit(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Save a changed definition."""
    return await _take(request, services, actor, name)


async def _take(request: Request, services: Services, actor: Actor, name: str | None) -> Response:
    """Do what the pressed button says: save, save and start, go between form and YAML, add or remove a row."""
    form = await read_form(request)
    action = form["action"] or "save"
    by_form = "text" not in form.values
    if by_form and action.startswith(("grow:", "shrink:")):
        return _editor(request, actor, Sheet(name=name, form=Filled(values=_other_rows(form, action))))
    sheet = Sheet(name=name, form=form if by_form else None, text=form["text"].replace("\r\n", "\n"))
    try:
        text = to_yaml(form) if by_form else sheet.text
        if action == "yaml":
            return _editor(request, actor, Sheet(name=name, text=text))
        if action == "form":
            values = to_form(read_definition(text).software)
            return _editor(request, actor, Sheet(name=name, form=Filled(values=values)))
        software = await _save(services, actor, name, text)
    except SpecolaError as error:
        return _editor(request, actor, _refused(sheet, error))
    if action != "start":
        return RedirectResponse(f"/software/{software.name}", status_code=303)
    return await _start(request, services, actor, software)


def _other_rows(form: Filled, action: str) -> dict[str, str]:
    verb, _, rest = action.partition(":")
    table, _, number = rest.partition(":")
    if table not in {"interfaces", "parameters"}:
        return dict(form.values)
    if verb == "grow":
        return grown(form.values, table)
    return shrunk(form.values, table, int(number)) if number.isdecimal() else dict(form.values)


async def _save(services: Services, actor: Actor, name: str | None, text: str) -> Software:
    if name is None:
        return await services.catalogue.add(actor, text)
    return await services.catalogue.edit(actor, name, text)


async def _start(request: Request, services: Services, actor: Actor, software: Software) -> Response:
    try:
        task = await services.tasks.request(Wish(software=software.name), actor=actor)
    except SpecolaError as error:
        # The entry is saved; its options say what is wrong and let it be tried again.
        form = defaults(software.current).refused(error)
        return await options_page(request, services, actor, software, form)
    return RedirectResponse(start_address(services, task), status_code=303)


def _refused(sheet: Sheet, error: SpecolaError) -> Sheet:
    if isinstance(error, DefinitionError):
        problems = error.problems
    elif isinstance(error, InvalidError) and error.field:
        problems = (Problem(error.field, error.sentence),)
    else:
        return Sheet(name=sheet.name, form=sheet.form, text=sheet.text, error=error)
    form = sheet.form
    if form is not None:
        form = Filled(values=form.values, faults=faults_of(problems, form.values))
    return Sheet(name=sheet.name, form=form, text=sheet.text, problems=problems, error=error)


def _editor(request: Request, actor: Actor, sheet: Sheet) -> Response:
    values: dict[str, Any] = dict(sheet.form.values) if sheet.form else {}
    return look_of(request).page(
        request,
        "software/editor.html",
        status=status_of(sheet.error) if sheet.error else 200,
        actor=actor,
        editor=sheet,
        form=sheet.form,
        choices=CHOICES,
        interface_rows=rows(values, "interfaces"),
        parameter_rows=rows(values, "parameters"),
    )


async def _any_image(request: Request, services: Services, actor: Actor, form: Filled) -> Response:
    return look_of(request).page(
        request,
        "software/any_image.html",
        status=status_of(form.error) if form.error else 422 if form.faults else 200,
        actor=actor,
        form=form,
        computings=await services.computings.list(actor),
    )
