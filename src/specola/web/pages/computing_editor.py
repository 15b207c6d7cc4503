"""Adding and editing computings: a definition as a form or as YAML, checked and tested the same way."""

from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.computing import Probe
from specola.domain.errors import DefinitionError, InvalidError, MissingError, Problem, SpecolaError
from specola.domain.person import Actor
from specola.factory import Services
from specola.ports.connector import ShownKey
from specola.services.definition.computings import read_computing
from specola.web.forms import Filled, read_form
from specola.web.look import look_of
from specola.web.place_forms import arranged, begun, faults_of, to_form, to_text
from specola.web.problems import status_of
from specola.web.visitors import Visitor, Wiring

__all__ = ["router"]

LAST_PORT = 65535

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What the editor shows: the form or the YAML, what is wrong with it, and what a test of it found.

    `name`: the record edited, if any. `kept`: the secrets that it keeps. `keys`: what `machine` has just shown.
    """

    name: str | None = None
    kept: tuple[str, ...] = ()
    form: Filled | None = None
    text: str = ""
    problems: tuple[Problem, ...] = ()
    error: SpecolaError | None = None
    probe: Probe | None = None
    keys: tuple[ShownKey, ...] = ()
    machine: str = ""

    @property
    def action(self) -> str:
        """Where the editor's form is sent."""
        return f"/computing/{self.name}/edit" if self.name else "/computing/add"


@router.get("/computing/add")
async def show_add(request: Request, services: Wiring, actor: Visitor, start: str = "", by: str = "form") -> Response:
    """Ask what to begin with, or show the form of that."""
    points = services.computings.kinds.starting_points(own=not actor.administers)
    if not start:
        return look_of(request).page(request, "computing/starts.html", actor=actor, points=points)
    point = next((one for one in points if one.name == start), None)
    if point is None:
        raise MissingError("starting point", start)
    sheet = Sheet(text=begun(point))
    return _editor(request, services, actor, sheet if by == "yaml" else _as_form(services, sheet))


@router.get("/computing/{name}/edit")
async def show_edit(request: Request, services: Wiring, actor: Visitor, name: str, by: str = "form") -> Response:
    """Show a record to change."""
    sheet = await _known(services, actor, name)
    if by != "yaml":
        try:
            sheet = _as_form(services, sheet)
        except SpecolaError as error:
            # What the form has no field for is changed as YAML.
            sheet = _refused(sheet, error)
    return _editor(request, services, actor, sheet)


@router.post("/computing/add")
async def add(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Save a definition as a further record, or try it."""
    return await _take(request, services, actor, Sheet())


@router.post("/computing/{name}/edit")
async def edit(request: Request, services: Wiring, actor: Visitor, name: str) -> Response:
    """Save a changed record, or try it."""
    return await _take(request, services, actor, await _known(services, actor, name))


async def _known(services: Services, actor: Actor, name: str) -> Sheet:
    text = await services.computings.definition(actor, name)
    place = await services.computings.get(actor, name)
    return Sheet(name=place.name, kept=place.secrets, text=text)


async def _take(request: Request, services: Services, actor: Actor, sheet: Sheet) -> Response:
    """Do what the pressed button says: save, test, fetch host keys, go between form and YAML."""
    form = await read_form(request)
    action = form["action"] or "save"
    by_form = "text" not in form.values
    sheet = replace(sheet, form=form if by_form else None, text=form["text"].replace("\r\n", "\n"))
    try:
        text = to_text(form, services.computings.kinds.settings(form["kind"])) if by_form else sheet.text
        if action == "yaml":
            return _editor(request, services, actor, replace(sheet, form=None, text=text))
        if action == "form":
            return _editor(request, services, actor, _as_form(services, replace(sheet, text=text)))
        if action.startswith("keys:"):
            return _editor(request, services, actor, await _with_host_keys(services, actor, sheet, action[5:]))
        if action == "test":
            probe = await services.computings.test_draft(actor, text, name=sheet.name)
            return _editor(request, services, actor, replace(sheet, probe=probe))
        if sheet.name is None:
            saved = await services.computings.add(actor, text)
        else:
            saved = await services.computings.change(actor, sheet.name, text)
    except SpecolaError as error:
        return _editor(request, services, actor, _refused(sheet, error))
    return RedirectResponse(f"/computing/{saved.name}", status_code=303)


async def _with_host_keys(services: Services, actor: Actor, sheet: Sheet, table: str) -> Sheet:
    """Return a sheet with the host keys that the machine of a table shows now, for a person to compare."""
    values = dict(sheet.form.values) if sheet.form else {}
    address, port = values.get(f"{table}.address", "").strip(), values.get(f"{table}.port", "").strip() or "22"
    if not address:
        raise InvalidError("Say first where the machine is.", field=f"{table}.address")
    if not port.isdecimal() or not 1 <= int(port) <= LAST_PORT:
        raise InvalidError("This is no port.", field=f"{table}.port")
    shown = await services.computings.host_keys(actor, address, int(port))
    values[f"{table}.keys"] = "\n".join(one.line for one in shown)
    return replace(sheet, form=Filled(values=values), keys=tuple(shown), machine=address)


def _as_form(services: Services, sheet: Sheet) -> Sheet:
    """Return a sheet as a form. Raises DefinitionError, InvalidError."""
    definition = read_computing(sheet.text)
    values = to_form(definition, services.computings.kinds.settings(definition.kind))
    return replace(sheet, form=Filled(values=values))


def _refused(sheet: Sheet, error: SpecolaError) -> Sheet:
    if isinstance(error, DefinitionError):
        problems = error.problems
    elif isinstance(error, InvalidError) and error.field:
        problems = (Problem(error.field, error.sentence),)
    else:
        return replace(sheet, error=error)
    form = sheet.form
    if form is not None:
        form = Filled(values=form.values, faults=faults_of(problems, form.values))
    return replace(sheet, form=form, problems=problems, error=error)


def _editor(request: Request, services: Services, actor: Actor, sheet: Sheet) -> Response:
    kinds = services.computings.kinds
    kind = sheet.form["kind"] if sheet.form else ""
    return look_of(request).page(
        request,
        "computing/editor.html",
        status=status_of(sheet.error) if sheet.error else 200,
        actor=actor,
        editor=sheet,
        form=sheet.form,
        kind=kinds.title(kind),
        arrangement=arranged(kinds.settings(kind), sheet.form) if sheet.form and kind in kinds.names() else None,
        probe=sheet.probe,
    )
