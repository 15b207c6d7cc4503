"""The hand-over of a browser to a task's own origin: signed in, or come by a link."""

from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import LinkEndedError, MissingError, UnauthenticatedError
from specola.factory import Services
from specola.web.look import look_of
from specola.web.problems import status_of
from specola.web.visitors import SHARED_COOKIE, Wiring, take_shared, visitor_of

__all__ = ["router"]

router = APIRouter()


@router.get("/authorize")
async def authorize(
    request: Request, services: Wiring, task: str, interface: str, nonce: str, path: str = "/"
) -> Response:
    """Send the browser back to the task's origin with a single-use code, or to sign in first."""
    try:
        actor = await visitor_of(request)
        address = await services.access.hand_over(actor, task=task, interface=interface, nonce=nonce, path=path)
    except (UnauthenticatedError, MissingError) as error:
        # Somebody's own right comes first; but who is signed in may be a guest of others too.
        guest = await _as_guest(request, services, task=task, interface=interface, nonce=nonce)
        if guest is not None:
            return guest
        if isinstance(error, MissingError):
            raise
        back = quote(f"/authorize?{request.url.query}", safe="/")
        return RedirectResponse(f"/sign-in?next={back}", status_code=303)
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


async def _as_guest(request: Request, services: Services, *, task: str, interface: str, nonce: str) -> Response | None:
    """Hand a guest over, or say that the link has ended; None: nobody's guest, or not here."""
    secret = request.cookies.get(SHARED_COOKIE)
    if not secret:
        return None
    try:
        address = await services.access.hand_over_guest(secret, task=task, interface=interface, nonce=nonce)
    except MissingError:
        return None
    except LinkEndedError as error:
        # Said once: the next time whoever has an account here is asked to sign in.
        ended = look_of(request).page(request, "shared.html", status=status_of(error), error=error)
        take_shared(ended)
        return ended
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
