"""The static files of the pages, each under a name that carries a hash of its content."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from specola.domain.errors import MissingError
from specola.web.look import look_of

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/static/{name}")
async def get_asset(request: Request, name: str) -> Response:
    """Answer with one built file."""
    asset = look_of(request).assets.get(name)
    if asset is None:
        raise MissingError("file", name)
    return asset.response(request.headers.get("accept-encoding", ""))
