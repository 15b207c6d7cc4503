"""The internal application: decisions, hand-off, revocations, traffic, streams, names, SSH, and pages on tasks' origins."""

from fastapi import FastAPI

from specola.api.problems import handle_failures
from specola.api.requests import LARGEST_BODY, LimitedBodies, NumberedRequests
from specola.factory import Services
from specola.internal import access, accounts, changes, connections, found, names, ssh, streams
from specola.web import viewers, waiting
from specola.web.live import Feed
from specola.web.look import Look

__all__ = ["create_app"]

ROUTERS = (
    access.router,
    connections.router,
    changes.router,
    found.router,
    streams.router,
    names.router,
    ssh.router,
    accounts.router,
    waiting.router,
    viewers.router,
)


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
    for router in ROUTERS:
        app.include_router(router)
    return app
