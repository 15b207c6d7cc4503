"""The internal application: decisions, hand-off, revocations, traffic, streams, SSH and the waiting page."""

from fastapi import FastAPI

from specola.api.problems import handle_failures
from specola.api.requests import LARGEST_BODY, LimitedBodies, NumberedRequests
from specola.factory import Services
from specola.internal import access, changes, ssh, streams
from specola.web import waiting
from specola.web.live import Feed
from specola.web.look import Look

__all__ = ["create_app"]


def create_app(services: Services, *, feed: Feed, look: Look) -> FastAPI:
    """Make what `docs/developer/internal-protocol.md` describes; only for a socket in a 0700 folder."""
    app = FastAPI(
        title="Specola, between the processes",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.feed = feed
    app.state.look = look
    handle_failures(app)
    app.add_middleware(LimitedBodies, most=LARGEST_BODY)
    app.add_middleware(NumberedRequests, clock=services.clock)
    for router in (access.router, changes.router, ssh.router, streams.router, waiting.router):
        app.include_router(router)
    return app
