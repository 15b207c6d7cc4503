"""One's own account: name, password, tokens for programs, SSH keys, signed-in browsers."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import InvalidError, SpecolaError
from specola.domain.person import Actor, Scope
from specola.factory import Services
from specola.services.groups import Gathered
from specola.web.forms import Filled, read_form
from specola.web.look import look_of
from specola.web.problems import status_of
from specola.web.visitors import Visitor, Wiring
from specola.web.words import PROOF_WORDS

__all__ = ["account_page", "router"]

LIVES = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "a year", "": "until it is revoked"}
SCOPE_WORDS = {
    Scope.READ: "look at software, tasks and logs",
    Scope.TASKS: "start, stop and delete tasks",
    Scope.SOFTWARE: "add and change software",
    Scope.CONNECT: "reach tasks through the gateway",
    Scope.COMPUTINGS: "add and change computings",
    Scope.ADMINISTRATION: "administer this installation",
}
USUAL = frozenset({Scope.READ, Scope.TASKS, Scope.CONNECT})

router = APIRouter()


@router.get("/account")
async def showaccount_page(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Show the account."""
    return await account_page(request, services, actor)


@router.post("/account/name")
async def rename(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Change one's full name."""
    form = await read_form(request)
    try:
        await services.people.rename(actor, form["full_name"].strip())
    except SpecolaError as error:
        return await account_page(request, services, actor, part="name", form=form.refused(error))
    return RedirectResponse("/account", status_code=303)


@router.post("/account/password")
async def change_password(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Set a password; other browsers are signed out."""
    form = await read_form(request)
    try:
        if form["wanted"] != form["repeated"]:
            raise InvalidError("The two passwords are not the same.", field="repeated")
        await services.people.change_password(actor, current=form["current"], wanted=form["wanted"])
    except SpecolaError as error:
        return await account_page(request, services, actor, part="password", form=form.refused(error))
    return RedirectResponse("/account?done=password#password", status_code=303)


@router.post("/account/tokens")
async def create_token(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Make a token and show its secret this once."""
    form = await read_form(request)
    scopes = frozenset(scope for scope in Scope if form[f"scope.{scope}"] == "true")
    try:
        if form["days"] not in LIVES:
            raise InvalidError("Choose how long the token lives.", field="days")
        days = int(form["days"]) if form["days"] else None
        made = await services.people.create_token(actor, name=form["name"].strip(), scopes=scopes, days=days)
    except SpecolaError as error:
        return await account_page(request, services, actor, part="token", form=form.refused(error))
    return await account_page(request, services, actor, secret=made.secret)


@router.post("/account/tokens/{token}/revoke")
async def revoke_token(services: Wiring, actor: Visitor, token: str) -> Response:
    """End a token at once."""
    await services.people.revoke_token(actor, token)
    return RedirectResponse("/account#tokens", status_code=303)


@router.post("/account/keys")
async def add_key(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Add a public key."""
    form = await read_form(request)
    try:
        await services.keys.add(actor, form["key"], title=form["title"].strip())
    except SpecolaError as error:
        # What was pasted may be a private key: it is not shown again.
        kept = Filled(values={"title": form["title"]}).refused(error)
        return await account_page(request, services, actor, part="key", form=kept)
    return RedirectResponse("/account#keys", status_code=303)


@router.post("/account/keys/{key}/remove")
async def remove_key(services: Wiring, actor: Visitor, key: str) -> Response:
    """Remove a public key, and close what is open by it."""
    await services.keys.remove(actor, key)
    return RedirectResponse("/account#keys", status_code=303)


@router.post("/account/sessions/{session}/end")
async def end_session(services: Wiring, actor: Visitor, session: str) -> Response:
    """Sign another browser out."""
    await services.people.end_session(actor, session)
    return RedirectResponse("/account#sessions", status_code=303)


async def account_page(
    request: Request,
    services: Services,
    actor: Actor,
    *,
    part: str = "",
    form: Filled | None = None,
    secret: str = "",
) -> Response:
    """Show the account, with what was refused in one of its parts, or a secret that is shown this once."""
    settings = services.settings
    context: dict[str, Any] = {
        "part": part,
        "form": form or Filled(),
        "secret": secret,
        "done": request.query_params.get("done", ""),
        "tokens": await services.people.tokens(actor),
        "sessions": await services.people.sessions(actor),
        "keys": await services.keys.of(actor),
        "known_hosts": services.keys.known_hosts(settings.ssh_names, settings.ssh_port) if settings.ssh_port else "",
        "places": await services.account_links.places(actor),
        "groups": await _own_groups(services, actor),
        "proofs": PROOF_WORDS,
        "lives": LIVES,
        "scopes": [(scope, words) for scope, words in SCOPE_WORDS.items() if actor.may(scope)],
        "usual": USUAL,
        "url": settings.url,
        "now": services.clock.now(),
    }
    refused = form is not None and (form.error or form.faults)
    status = status_of(form.error) if form is not None and form.error else 422 if refused else 200
    return look_of(request).page(request, "account/account.html", status=status, actor=actor, **context)


async def _own_groups(services: Services, actor: Actor) -> Sequence[Gathered]:
    """Return the groups that somebody belongs to; an administrator sees others elsewhere."""
    return [one for one in await services.groups.list(actor) if actor.person.id in one.group.members]
