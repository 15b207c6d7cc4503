"""Queues on the pages: the options of a start, what a task waits for, when it ends; and all that as it changes."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from specola.computing.memory.world import Waiting
from specola.domain.placement import Forecast
from specola.domain.task import Task, TaskState, Wish
from tests.support.clusters import becomes_a_cluster
from tests.support.harness import Platform, open_platform
from tests.support.pages import Pages, read_until, text_of

pytestmark = pytest.mark.anyio

WEB = "example.test/web:1"
ENTRY = """\
software: cluster
title: On a cluster
version: "1"
image: example.test/web:1
resources: {cpus: 2, memory: 1GiB}
time: 2h
interfaces: [{name: web, port: 8000}]
"""


@pytest.fixture(scope="module")
async def platform(anyio_backend: str) -> AsyncIterator[Platform]:
    async with open_platform(parts=("web", "connector", "worker")) as running:
        services = running.services
        operator = await running.person("operator")
        _ = await services.catalogue.add(operator, ENTRY)
        _ = await services.catalogue.set_shared(operator, "cluster", shared=True)
        _ = await services.computings.install("second", title="Another place", kind="memory", settings={"cpus": 16})
        forecast = Forecast(starts=datetime.now(UTC) + timedelta(hours=3, seconds=30), source="scheduler")
        waiting = Waiting(reason="priority", raw="PENDING (Priority)", forecast=forecast)
        await becomes_a_cluster(running, queue=waiting)
        yield running


@pytest.fixture
async def browser(pages: Pages) -> httpx.AsyncClient:
    return await pages.browser("ada")


async def test_the_options_show_what_the_computing_takes_with_its_most_and_its_usual(
    browser: httpx.AsyncClient,
) -> None:
    page = await browser.get("/software/cluster/start")
    said = text_of(page)
    for words in ("at most 4", "at most 8 GiB", "at most 1d", "Empty: 2h", "day: 3 CPUs free now", "qos", "constraint"):
        assert words in said, words
    for name in ("partition", "project", "time", "queue_options.qos"):
        assert f'name="{name}"' in page.text
    assert 'name="gpus"' not in page.text
    assert "specola run cluster --cpus 2 --memory 1GiB" in page.text


async def test_another_partition_or_computing_shows_what_it_takes_and_keeps_what_was_typed(
    browser: httpx.AsyncClient,
) -> None:
    typed = {"computing": "local", "partition": "gpu", "cpus": "3", "time": "90m", "environment": "TOKEN=secret"}
    page = await browser.post("/software/cluster/start/options", data=typed)
    assert page.status_code == 200
    said = text_of(page)
    assert "at most 16" in said
    assert 'name="gpus"' in page.text
    assert "a100" in said
    assert 'value="90m"' in page.text
    assert "TOKEN=secret" in page.text
    assert "secret" not in str(page.url)
    other = await browser.post("/software/cluster/start/options", data={**typed, "computing": "second"})
    assert 'name="partition"' not in other.text
    assert 'name="queue_options.qos"' not in other.text
    assert "specola run cluster --on second --cpus 3" in other.text
    small = await browser.post("/software/cluster/start/options", data={"computing": "local", "cpus": "16"})
    assert re.search(r'name="cpus"[^>]* value="4"', small.text)
    assert (await browser.get("/tasks")).text.count("In the queue") == 0


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"time": "30h"}, "at most 1d is allowed"),
        ({"time": "soon"}, "is not a duration. Write a number with a unit"),
        ({"cpus": "5"}, "You asked for 5 CPUs on one machine of “day”; at most 4 is allowed."),
        ({"partition": "moon"}, "has no partition “moon”. It has day, fat, gpu."),
        ({"partition": "gpu", "gpus": "9"}, "You asked for 9 GPUs; at most 4 is allowed."),
        ({"partition": "gpu", "gpus": "x"}, "is not a number of GPUs"),
        ({"queue_options.qos": "huge"}, "has no value for “qos” “huge”"),
    ],
)
async def test_what_cannot_be_is_told_at_its_field(
    browser: httpx.AsyncClient, typed: dict[str, str], told: str
) -> None:
    page = await browser.post("/software/cluster/start", data={"computing": "local", **typed})
    assert page.is_client_error
    assert told in text_of(page)
    assert 'aria-invalid="true"' in page.text


async def queued(pages: Pages) -> tuple[Task, str]:
    """Start a task that waits in the queue; return it with its handle."""
    ada = await pages.callers.actor("ada")
    task = await pages.platform.services.tasks.request(Wish(software="cluster"), actor=ada)
    async for states in _states(pages, task):
        if states.waits:
            assert states.handle is not None
            return states, states.handle
    raise AssertionError("it never waited")


async def _states(pages: Pages, task: Task) -> AsyncIterator[Task]:
    following = pages.platform.services.following
    async for state in following.follow(await pages.callers.actor("ada"), task.id):
        yield state


async def test_a_task_in_the_queue_says_why_on_each_page_and_then_when_it_ends(
    pages: Pages, browser: httpx.AsyncClient
) -> None:
    task, handle = await queued(pages)
    wanted = ("Others in the queue come first.", "In the queue", "Should start in 3 h 0 min", "as the scheduler")
    said = text_of(await browser.get(f"/tasks/{task.id}"))
    for words in (*wanted, "PENDING (Priority)"):
        assert words in said, words
    home = text_of(await browser.get("/"))
    for words in wanted:
        assert words in home, words
    ada = {"X-Specola-Person": (await pages.callers.actor("ada")).person.id}
    inner = await pages.client(ada, inner=True)
    async with inner.stream("GET", f"/waiting/{task.id}/web/events") as stream:
        lines = stream.aiter_lines()
        event = await read_until(lines, lambda event: "PENDING (Priority)" in event)
        for words in wanted:
            assert words in text_of(event), words
        held = Waiting(reason="held", raw="PENDING (JobHeldUser)")
        pages.platform.world.wait(handle, held)
        event = await read_until(lines, lambda event: "JobHeldUser" in event)
        assert "It is held back in the queue." in text_of(event)
        await pages.platform.world.start(handle, node="n1", deadline=datetime.now(UTC) + timedelta(hours=2, seconds=30))
        assert "event: ready" in [line async for line in lines]
    _ = await pages.platform.until_state(task.id, TaskState.RUNNING)
    page = text_of(await browser.get(f"/tasks/{task.id}"))
    assert "ends in 2 h 0 min" in page
    assert "n1" in page
    assert "ends in 2 h 0 min" in text_of(await browser.get("/"))
    record = text_of(await browser.get(f"/tasks/{task.id}/record"))
    assert "Waited for that" in record


async def test_ahead_of_its_end_a_task_says_so_on_its_pages_by_themselves_and_inside(
    pages: Pages, browser: httpx.AsyncClient
) -> None:
    task, handle = await queued(pages)
    world = pages.platform.world
    await world.start(handle, deadline=datetime.now(UTC) + timedelta(hours=5))
    _ = await pages.platform.until_state(task.id, TaskState.RUNNING)
    ada = {"X-Specola-Person": (await pages.callers.actor("ada")).person.id}
    inner = await pages.client(ada, inner=True)
    async with (
        browser.stream("GET", f"/live/tasks/{task.id}/overview") as stream,
        inner.stream("GET", f"/viewers/{task.id}/terminal/events") as strip,
    ):
        lines, strips = stream.aiter_lines(), strip.aiter_lines()
        _ = await read_until(lines, lambda event: "ends in 4 h 59 min" in text_of(event))
        # As if it had run for most of its time already.
        async with pages.platform.services.store.write() as tx:
            known = await tx.tasks.get(task.id)
            await tx.tasks.save(replace(known, begun=datetime.now(UTC) - timedelta(hours=4)))
        world.limit(handle, datetime.now(UTC) + timedelta(minutes=50, seconds=30))
        _ = await read_until(lines, lambda event: "It ends at its time limit" in event)
        _ = await read_until(strips, lambda event: "This task ends at its time limit" in event)
    page = await inner.get(f"/viewers/{task.id}/terminal/page")
    assert '<div class="ending" id="ending" role="status"><p>' in page.text
    await world.kill(handle, exit_code=0, reason="time_limit", raw="TIMEOUT")
    _ = await pages.platform.until_state(task.id, TaskState.STOPPED)
    ended = text_of(await browser.get(f"/tasks/{task.id}"))
    assert "time limit" in ended
    assert "TIMEOUT" in ended


async def test_run_again_with_changes_has_what_it_was_queued_with(pages: Pages, browser: httpx.AsyncClient) -> None:
    task, _ = await queued(pages)
    page = await browser.get(f"/tasks/{task.id}/again")
    assert 'name="time" type="text" value="2h"' in page.text
    changed = await browser.post(f"/tasks/{task.id}/again/options", data={"partition": "gpu"})
    assert 'name="gpus"' in changed.text
    answer = await browser.post(f"/tasks/{task.id}/again", data={"partition": "fat", "time": "3h"})
    assert answer.status_code == 303
    ada = await pages.callers.actor("ada")
    latest = (await pages.platform.services.tasks.list(ada)).tasks[0]
    assert (latest.placement.partition, latest.placement.time) == ("fat", timedelta(hours=3))
