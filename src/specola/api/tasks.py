"""Tasks: start, list, show, stop, rename, run again, remove."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from specola.api.dependencies import Reader, TaskWriter, Wiring
from specola.api.task_views import AgainView, NewTask, Renaming, TaskList, TaskView
from specola.domain.person import Actor
from specola.domain.task import Task, Wish
from specola.factory import Services
from specola.services.following import has_ended, is_ready

__all__ = ["LONGEST_WAIT", "TaskName", "router"]

LONGEST_WAIT = 60.0
router = APIRouter(prefix="/tasks", tags=["tasks"])

TaskName: TypeAlias = Annotated[
    str, Path(description="id, or name: the latest live task of that name, else the latest")
]
Wait: TypeAlias = Annotated[
    float,
    Query(ge=0, le=LONGEST_WAIT, description="answer once it is so far, or after this many seconds as it is then"),
]
Key: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="the same key within 24 h returns the task that was made the first time",
    ),
]


@dataclass(frozen=True, slots=True)
class Starting:
    """How a task is started: waited for, and safe to repeat."""

    wait: float
    key: str | None


def _starting(wait: Wait = 0, key: Key = None) -> Starting:
    return Starting(wait=wait, key=key)


Start: TypeAlias = Annotated[Starting, Depends(_starting)]


class Until(StrEnum):
    """What to wait for."""

    READY = "ready"
    ENDED = "ended"


async def _started(services: Services, actor: Actor, wish: Wish, start: Starting, response: Response) -> TaskView:
    task = await services.tasks.request(wish, actor=actor, key=start.key)
    response.headers["Location"] = f"/api/v1/tasks/{task.id}"
    return await _settled(services, actor, task, Until.READY, start.wait)


async def _settled(services: Services, actor: Actor, task: Task, until: Until, wait: float) -> TaskView:
    done = is_ready if until is Until.READY else has_ended
    if wait and not done(task):
        task = await services.following.until(actor, task.id, done, seconds=wait)
    return TaskView.of(task, services.addresses)


@router.post(
    "",
    status_code=201,
    summary="Start a task",
    description="Writes down that you want a task, and returns it, queued; with `wait` once all its interfaces are "
    "ready or it has failed. Send an `Idempotency-Key` to be able to repeat the request without starting twice.",
)
async def create_task(
    wanted: NewTask, services: Wiring, actor: TaskWriter, start: Start, response: Response
) -> TaskView:
    return await _started(services, actor, wanted.wish(), start, response)


@router.get(
    "",
    summary="List tasks",
    description="Your tasks, the latest first, in pages; with `everybody` all tasks, for administrators.",
)
async def list_tasks(
    services: Wiring,
    actor: Reader,
    *,
    live: Annotated[bool, Query(description="only those that have not ended")] = False,
    everybody: Annotated[bool, Query(description="everybody's; administrators only")] = False,
    cursor: Annotated[str | None, Query(description="the `cursor` of the page before")] = None,
    most: Annotated[int, Query(ge=1, le=200, description="how many on one page")] = 50,
) -> TaskList:
    page = await services.tasks.list(actor, live_only=live, everybody=everybody, cursor=cursor, most=most)
    return TaskList(tasks=[TaskView.of(task, services.addresses) for task in page.tasks], cursor=page.cursor)


@router.get(
    "/{task}",
    summary="Show a task",
    description="With `wait`, answers once the task is `ready` (every interface answers, or it has failed) or has "
    "`ended`, or as it is after that many seconds.",
)
async def get_task(
    task: TaskName,
    services: Wiring,
    actor: Reader,
    wait: Wait = 0,
    until: Annotated[Until, Query(description="what to wait for")] = Until.READY,
) -> TaskView:
    found = await services.tasks.get(actor, task)
    return await _settled(services, actor, found, until, wait)


@router.patch("/{task}", summary="Rename a task", description="Gives a task another name.")
async def rename_task(task: TaskName, wanted: Renaming, services: Wiring, actor: TaskWriter) -> TaskView:
    return TaskView.of(await services.tasks.rename(actor, task, wanted.name), services.addresses)


@router.post(
    "/{task}/stop",
    summary="Stop a task",
    description="Wants a task stopped; one that has ended already stays as it is. With `wait`, answers once it has ended.",
)
async def stop_task(task: TaskName, services: Wiring, actor: TaskWriter, wait: Wait = 0) -> TaskView:
    stopped = await services.tasks.stop(actor, task)
    return await _settled(services, actor, stopped, Until.ENDED, wait)


@router.post(
    "/{task}/again",
    status_code=201,
    summary="Run a task again",
    description="Starts another task with the same image, by its id, and the same options.",
)
async def run_task_again(
    task: TaskName, wanted: AgainView, services: Wiring, actor: TaskWriter, start: Start, response: Response
) -> TaskView:
    earlier = await services.tasks.get(actor, task)
    return await _started(services, actor, Wish(again_of=earlier.id, name=wanted.name), start, response)


@router.delete(
    "/{task}",
    status_code=204,
    summary="Remove a task",
    description="Removes an ended task, its record and its logs. The home stays. A live task has to be stopped first.",
)
async def delete_task(task: TaskName, services: Wiring, actor: TaskWriter) -> None:
    await services.tasks.delete(actor, task)
