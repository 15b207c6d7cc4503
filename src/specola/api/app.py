"""The REST API as one application, to be mounted at /api/v1."""

from typing import Any

from fastapi import FastAPI
from typing_extensions import override

import specola
from specola.api import (
    account,
    account_links,
    certificates,
    computings,
    connections,
    found,
    groups,
    health,
    keys,
    links,
    offers,
    people,
    reference,
    software,
    task_records,
    tasks,
)
from specola.api.problems import MEDIA_TYPE, ProblemView, handle_failures
from specola.factory import Services

__all__ = ["PREFIX", "create_api"]

PREFIX = "/api/v1"
DESCRIPTION = """\
Everything the pages do, for programs. Send `Authorization: Bearer specola_…` with a personal token (Account, Tokens).

Failures are `application/problem+json`: a stable `code`, one sentence (`detail`), what to do next (`hint`) and the number of
the `request`. Lists come in pages: send the `cursor` of an answer to get the next one.
"""
ROUTERS = (
    health.router,
    tasks.router,
    task_records.router,
    connections.router,
    links.router,
    found.router,
    software.router,
    computings.router,
    offers.router,
    account.router,
    certificates.router,
    keys.router,
    account_links.router,
    people.router,
    groups.router,
    reference.router,
)


class Api(FastAPI):
    """An application whose description says that failures are problems."""

    @override
    def openapi(self) -> dict[str, Any]:
        description = super().openapi()
        for methods in description["paths"].values():
            for operation in methods.values():
                answer = operation["responses"]["default"]
                # The framework gives it the media type of the good answer.
                [content] = answer["content"].values()
                answer["content"] = {MEDIA_TYPE: content}
        return description


def create_api(services: Services) -> FastAPI:
    """Make the API; it needs no lifespan."""
    api = Api(
        title="Specola",
        summary="Start any software on any computing, and reach it over any TCP interface.",
        description=DESCRIPTION,
        version=specola.__version__,
        servers=[{"url": PREFIX}],
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        root_path_in_servers=False,
        responses={"default": {"model": ProblemView, "description": "A problem: see `code` and `hint`."}},
        generate_unique_id_function=lambda route: route.name,
    )
    api.state.services = services
    handle_failures(api)
    for router in ROUTERS:
        api.include_router(router)
    return api
