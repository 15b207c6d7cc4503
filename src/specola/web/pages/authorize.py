"""The hand-over of a signed-in browser to a task's own origin."""

from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from specola.domain.errors import UnauthenticatedError
from specola.web.visitors import Wiring, visitor_of

__all__ = ["router"]

router = APIRouter()


@router.get("/authorize")
async def authorize(
    request: Request, services: Wiring, task: str, interface: str, nonce: str, path: str = "/"
) -> Response:
    """Send the browser back to the task's origin with a single-use code, or to sign in first."""
    try:
        actor = await visitor_of(request)
    except UnauthenticatedError:
        back = quote(f"/authorize?{request.url.query}", safe="/")
        return RedirectResponse(f"/sign-in?next={back}", status_code=303)
    address = await services.access.hand_over(actor, task=task, interface=interface, nonce=nonce, path=path)
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
