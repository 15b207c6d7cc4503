"""Connections of a task: who reached it, from where, by what, and when."""

from typing import Annotated

from fastapi import APIRouter, Query

from specola.api.connection_views import ConnectionList, ConnectionView
from specola.api.dependencies import Reader, Wiring
from specola.api.tasks import TaskName

__all__ = ["router"]

router = APIRouter(prefix="/tasks/{task}", tags=["tasks"])


@router.get(
    "/connections",
    summary="List a task's connections",
    description="Who reached the task, or was refused, the latest first, in pages. A visit of a browser or a program "
    "is one connection of kind `http`: all requests of one person from one address, until a minute after the last "
    "connection closed. Kept for 90 days, at most 1000 that were let in and 200 that were refused.",
)
async def list_connections(
    task: TaskName,
    services: Wiring,
    actor: Reader,
    *,
    cursor: Annotated[str | None, Query(description="the `cursor` of the page before")] = None,
    most: Annotated[int, Query(ge=1, le=200, description="how many on one page")] = 50,
) -> ConnectionList:
    page = await services.connections.list(actor, task, cursor=cursor, most=most)
    now = services.clock.now()
    return ConnectionList(connections=[ConnectionView.of(one, now) for one in page.connections], cursor=page.cursor)
