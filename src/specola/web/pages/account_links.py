"""One's accounts on computings: linked, checked and ended, on the account's page."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import AccountNameError, SpecolaError
from specola.web.forms import Filled, read_form
from specola.web.pages.account import account_page
from specola.web.visitors import Visitor, Wiring

__all__ = ["router"]

router = APIRouter(prefix="/account/links")


@router.post("/{computing}")
async def link(request: Request, services: Wiring, actor: Visitor, computing: str) -> Response:
    """Say which account is one's own."""
    form = await read_form(request)
    field = f"account-{computing}"
    try:
        _ = await services.account_links.link(actor, computing, form[field].strip())
    except AccountNameError as error:
        form = Filled(values=form.values, faults={field: f"{error.sentence} {error.hint}"})
        return await account_page(request, services, actor, part=f"link {computing}", form=form)
    except SpecolaError as error:
        return await account_page(request, services, actor, part=f"link {computing}", form=form.refused(error))
    return _back(computing)


@router.post("/{computing}/check")
async def check(request: Request, services: Wiring, actor: Visitor, computing: str) -> Response:
    """Look whether it is proven by now."""
    try:
        _ = await services.account_links.check(actor, computing)
    except SpecolaError as error:
        form = Filled(error=error)
        return await account_page(request, services, actor, part=f"link {computing}", form=form)
    return _back(computing)


@router.post("/{computing}/end")
async def end(services: Wiring, actor: Visitor, computing: str) -> Response:
    """End a link, and close what is open by it."""
    await services.account_links.end(actor, computing)
    return RedirectResponse("/account#links", status_code=303)


def _back(computing: str) -> Response:
    return RedirectResponse(f"/account#link-{computing}", status_code=303)
