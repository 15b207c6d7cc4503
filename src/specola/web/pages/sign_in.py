"""Signing in: by password, by a one-time link, by an invitation; and signing out."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import InvalidError, NameTakenError, SpecolaError, UnauthenticatedError
from specola.domain.person import Session
from specola.services.people import Shown
from specola.web.forms import Filled, read_form
from specola.web.look import look_of
from specola.web.problems import status_of
from specola.web.visitors import Origin, Visitor, Wiring, give_session, local_path, take_session, visitor_of

__all__ = ["router"]

router = APIRouter()
Text = Annotated[str, Form()]


def signed_in(session: Shown[Session], target: str) -> Response:
    """Go on as somebody."""
    response = RedirectResponse(target, status_code=303)
    give_session(response, session)
    return response


@router.get("/sign-in")
async def show_sign_in(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Ask for name and password, unless that is not needed."""
    try:
        await visitor_of(request)
    except UnauthenticatedError:
        return look_of(request).page(request, "sign_in/sign_in.html", next=local_path(next), name="", error=None)
    return RedirectResponse(local_path(next), status_code=303)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    services: Wiring,
    client: Origin,
    name: Text = "",
    password: Text = "",
    next: Text = "/",  # noqa: A002 - the name of the field
) -> Response:
    """Check name and password."""
    try:
        session = await services.people.sign_in(name.strip(), password, client=client)
    except SpecolaError as error:
        return look_of(request).page(
            request,
            "sign_in/sign_in.html",
            status=status_of(error),
            next=local_path(next),
            name=name,
            error=error,
        )
    return signed_in(session, local_path(next))


@router.get("/sign-in/link")
async def show_link(request: Request) -> Response:
    """Take the secret from the address's fragment and send it; what is only looked at is not spent."""
    return look_of(request).page(request, "sign_in/link.html", error=None)


@router.post("/sign-in/link")
async def sign_in_by_link(request: Request, services: Wiring, client: Origin, secret: Text = "") -> Response:
    """Spend a one-time link."""
    try:
        session = await services.people.sign_in_by_link(secret.strip(), client=client)
    except SpecolaError as error:
        return look_of(request).page(request, "sign_in/link.html", status=status_of(error), error=error)
    return signed_in(session, "/")


@router.get("/invitation")
async def show_invitation(request: Request) -> Response:
    """Ask what an account needs; the secret comes from the address's fragment."""
    return _invitation(request, Filled())


@router.post("/invitation")
async def accept_invitation(request: Request, services: Wiring, client: Origin) -> Response:
    """Make an account and sign in."""
    form = await read_form(request)
    try:
        session = await services.people.accept(
            form["secret"].strip(),
            name=form["name"].strip(),
            full_name=form["full_name"].strip(),
            password=form["password"],
            client=client,
        )
    except SpecolaError as error:
        return _invitation(request, form.refused(_at_field(error)))
    return signed_in(session, "/")


def _at_field(error: SpecolaError) -> SpecolaError:
    # A name that is taken is a conflict with others, and still something to change in that one field.
    return InvalidError(error.sentence, hint=error.hint, field="name") if isinstance(error, NameTakenError) else error


def _invitation(request: Request, form: Filled) -> Response:
    status = status_of(form.error) if form.error else 422 if form.faults else 200
    return look_of(request).page(request, "sign_in/invitation.html", status=status, form=form)


@router.post("/sign-out")
async def sign_out(services: Wiring, actor: Visitor) -> Response:
    """End this session, and with it every task page that was entered by it."""
    await services.people.sign_out(actor)
    response = RedirectResponse("/sign-in", status_code=303)
    take_session(response)
    return response
