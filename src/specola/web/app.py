"""The public application: the pages, and the REST API below /api/v1."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from specola.api.app import PREFIX, create_api
from specola.api.requests import LARGEST_BODY, CaughtFailures, LimitedBodies, NumberedRequests
from specola.domain.errors import SpecolaError
from specola.factory import Services
from specola.web import assets, pages, problems
from specola.web.guard import Guard
from specola.web.live import Feed
from specola.web.look import Look

__all__ = ["create_app"]


def create_app(services: Services, *, feed: Feed, look: Look) -> FastAPI:
    """Make what people and programs see.

    Parameters
    ----------
    feed
        What pages follow; the caller keeps it running.
    look
        Templates and static files, in memory.
    """
    settings = services.settings
    app = FastAPI(title="Specola", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services = services
    app.state.feed = feed
    app.state.look = look
    app.add_exception_handler(SpecolaError, _on_failure)
    app.add_exception_handler(HTTPException, _on_failure)
    app.mount(PREFIX, create_api(services))
    app.include_router(assets.router)
    app.include_router(pages.router, include_in_schema=False)
    # The last one added is the outermost.
    app.add_middleware(LimitedBodies, most=LARGEST_BODY)
    app.add_middleware(CaughtFailures, answer=_on_bug)
    app.add_middleware(Guard, url=settings.url, domain=settings.domain, apart=f"{PREFIX}/")
    app.add_middleware(NumberedRequests, clock=services.clock)
    return app


async def _on_failure(request: Request, error: Exception) -> Response:
    assert isinstance(error, SpecolaError | HTTPException)
    return await problems.page(request, error)


async def _on_bug(request: Request) -> Response:
    return await problems.page(request, None)
