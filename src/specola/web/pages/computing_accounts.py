"""Everybody's accounts on computings, for administrators."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.authorities.accounts import trusted_line
from specola.domain.errors import AccountNameError, SpecolaError
from specola.domain.person import Actor
from specola.factory import Services
from specola.hosts.config import Identity
from specola.services.accounts import OWN
from specola.web.forms import Filled, read_form
from specola.web.look import look_of
from specola.web.problems import status_of
from specola.web.visitors import Administrator, Wiring
from specola.web.words import PROOF_WORDS

__all__ = ["router"]

IDENTITY_WORDS = {
    Identity.CERTIFICATE: "own accounts, by certificates",
    Identity.KEY: "own accounts, by keys",
    Identity.SHARED: "one shared account",
    Identity.LOCAL: "this machine",
}

router = APIRouter(prefix="/administration/accounts")


@router.get("")
async def show_accounts(request: Request, services: Wiring, actor: Administrator) -> Response:
    """Show the authority, and all accounts of each computing on a host."""
    return await _accounts(request, services, actor, form=Filled())


@router.post("/{computing}")
async def enter(request: Request, services: Wiring, actor: Administrator, computing: str) -> Response:
    """Enter somebody's account."""
    form = await read_form(request)
    person, account = f"person-{computing}", f"account-{computing}"
    try:
        _ = await services.account_links.enter(
            actor, computing, person=form[person].strip(), account=form[account].strip()
        )
    except AccountNameError as error:
        form = Filled(values=form.values, faults={account: error.sentence})
        return await _accounts(request, services, actor, form=form)
    except SpecolaError as error:
        return await _accounts(request, services, actor, form=form.refused(error))
    return RedirectResponse("/administration/accounts", status_code=303)


@router.post("/{computing}/{person}/end")
async def end(services: Wiring, actor: Administrator, computing: str, person: str) -> Response:
    """End somebody's link."""
    await services.account_links.remove(actor, computing, person=person)
    return RedirectResponse("/administration/accounts", status_code=303)


async def _accounts(request: Request, services: Services, actor: Actor, *, form: Filled) -> Response:
    people = await services.people.list(actor)
    return look_of(request).page(
        request,
        "administration/accounts.html",
        status=status_of(form.error) if form.error else 422 if form.faults else 200,
        actor=actor,
        authority=trusted_line(services.settings.data),
        placed=await services.account_links.everywhere(actor),
        names={person.id: person.name for person in people},
        identities=IDENTITY_WORDS,
        proofs=PROOF_WORDS,
        own=OWN,
        form=form,
    )
