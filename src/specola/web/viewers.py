"""The pages of interfaces that are no HTTP, on their own origins."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from specola.domain.errors import MissingError
from specola.web.desktops import desktop_page
from specola.web.look import look_of
from specola.web.visitors import Wiring

__all__ = ["router"]

router = APIRouter(prefix="/viewers/{task}/{interface}")
PersonHeader = Annotated[str, Header(alias="x-specola-person")]


@router.get("/page")
async def show_page(request: Request, services: Wiring, task: str, interface: str, person: PersonHeader) -> Response:
    """Show what opens an interface in the browser."""
    return await desktop_page(request, services, task=task, interface=interface, person=person)


@router.get("/static/{name}")
async def get_asset(request: Request, name: str) -> Response:
    """Answer with a style or a script; the same bytes as on the platform's origin."""
    asset = look_of(request).assets.get(name)
    if asset is None:
        raise MissingError("file", name)
    return asset.response(request.headers.get("accept-encoding", ""))
