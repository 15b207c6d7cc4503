"""Home: what runs now, what to start next, and the search over both."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from specola.domain.person import Actor
from specola.domain.software import Software
from specola.domain.task import Task
from specola.factory import Services
from specola.storage.changes import Change, Topic
from specola.web.live import event_stream, feed_of, fragments
from specola.web.look import Look, look_of
from specola.web.views import TaskView, task_views
from specola.web.visitors import Visitor, Wiring, ends, visitor_of

__all__ = ["router"]

MOST_CARDS = 7
MOST_HITS = 6
MOST_USED = 1000
USE_SECONDS = 4.0

router = APIRouter()


@router.get("/")
async def show_home(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Show live tasks, and cards to start more."""
    views = await _live_tasks(services, actor)
    software = await _cards(services, actor)
    return look_of(request).page(
        request,
        "home/home.html",
        actor=actor,
        software=software[:MOST_CARDS],
        more=len(software) > MOST_CARDS,
        **_running(services, views),
    )


@router.get("/live/home")
async def follow_home(request: Request, services: Wiring, actor: Visitor) -> Response:
    """Send the live parts of Home as they change."""
    look = look_of(request)

    async def render() -> Mapping[str, str]:
        # Asked anew each time, so that the stream ends with the session.
        return _fragments(look, services, await _live_tasks(services, await visitor_of(request)))

    def concerns(change: Change) -> bool:
        return ends(change, actor) or (change.topic == Topic.TASK and change.owner in {None, actor.person.id})

    return event_stream(
        fragments(feed_of(request), concerns, render, every=USE_SECONDS), feed=feed_of(request), person=actor.person.id
    )


@router.get("/search")
async def search(request: Request, services: Wiring, actor: Visitor, q: str = "") -> Response:
    """Find software and tasks by a few letters; Enter starts or opens the one that is chosen."""
    words = q.strip()[:100]
    scripted = "hx-request" in request.headers
    if not words and scripted:
        return Response("")
    found = await services.catalogue.visible(actor, search=words)
    software = sorted(found, key=lambda one: not _begins(one, words))
    page = await services.tasks.list(actor)
    tasks = [task for task in page.tasks if _matches(task, words)]
    views = await task_views(services, actor, tasks[:MOST_HITS])
    template = "home/hits.html" if scripted else "home/search.html"
    return look_of(request).page(
        request,
        template,
        actor=actor,
        words=words,
        software=software[:MOST_HITS] if scripted else software,
        views=views,
        now=services.clock.now(),
    )


async def _cards(services: Services, actor: Actor) -> list[Software]:
    """Return what to offer: what one used last, then what is here already, then what a registry has to give."""
    page = await services.tasks.list(actor)
    used = {name: place for place, name in reversed(list(enumerate(task.software for task in page.tasks)))}
    software = await services.catalogue.visible(actor)
    return sorted(software, key=lambda one: (used.get(one.id, used.get(one.name, MOST_USED)), one.needs_registry))


def _begins(software: Software, words: str) -> bool:
    return software.name.startswith(words.casefold()) or software.title.casefold().startswith(words.casefold())


def _matches(task: Task, words: str) -> bool:
    text = f"{task.name} {task.title} {task.id}".casefold()
    return all(word in text for word in words.casefold().split())


async def _live_tasks(services: Services, actor: Actor) -> list[TaskView]:
    page = await services.tasks.list(actor, live_only=True)
    return await task_views(services, actor, page.tasks)


def _running(services: Services, views: list[TaskView]) -> dict[str, Any]:
    return {
        "views": views,
        "now": services.clock.now(),
        "limits": services.settings.limits,
        "cpus": sum(view.task.resources.cpus for view in views),
        "memory": sum(view.task.resources.memory for view in views),
    }


def _fragments(look: Look, services: Services, views: list[TaskView]) -> Mapping[str, str]:
    context = _running(services, views)
    return {
        "running": look.render("home/running.html", context),
        "quota": look.render("home/quota.html", context),
    }
