"""The waiting page: what gateways relay to a task's own origin."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from specola.computing.memory.images import Script, image
from specola.domain.person import Actor
from specola.domain.task import Task, TaskState
from specola.storage.changes import Topic
from tests.support.pages import Pages, read_until, text_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# An image whose launch goes on for as long as a test looks at it.
HELD = "example.test/held:1"


@pytest.fixture(autouse=True)
def held(pages: Pages) -> None:
    pages.platform.world.know(image(HELD), Script(held=True))


async def place(pages: Pages, name: str, image: str) -> tuple[Task, str]:
    task = await pages.platform.start(await pages.callers.actor(name), image)
    return task, f"/waiting/{task.id}/{task.release.interfaces[0].name}"


async def as_person(pages: Pages, name: str) -> dict[str, str]:
    return {"X-Specola-Person": (await pages.callers.actor(name)).person.id}


async def test_page_shows_steps_with_bytes_and_becomes_ready(pages: Pages) -> None:
    task, where = await place(pages, "ada", "example.test/slow:1")
    inner = await pages.client(await as_person(pages, "ada"), inner=True)
    async with inner.stream("GET", f"{where}/events") as stream:
        lines = stream.aiter_lines()
        event = await read_until(lines, lambda event: "MB of 4.2 MB" in event)
        assert "Opens here by itself when it is ready" in text_of(event)
        assert "<progress" in event
        page = await inner.get(f"{where}/page")
        assert page.status_code == 503
        assert page.headers["retry-after"]
        pages.platform.world.let_go("example.test/slow:1")
        _ = await pages.platform.until_state(task.id, TaskState.RUNNING)
        assert "event: ready" in [line async for line in lines]


async def test_page_carries_its_own_strict_policy_and_files(pages: Pages) -> None:
    _, where = await place(pages, "ada", "example.test/deaf:1")
    inner = await pages.client(await as_person(pages, "ada"), inner=True)
    page = await inner.get(f"{where}/page")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert " style=" not in page.text
    script = page.text.partition('<script src="/.specola/')[2].partition('"')[0]
    assert (await inner.get(f"{where}/{script}")).headers["content-type"].startswith("text/javascript")
    assert (await inner.get(f"{where}/static/none.js")).status_code == 404


async def test_failure_is_told_with_the_end_of_the_log_and_a_way_on(pages: Pages) -> None:
    task, where = await place(pages, "ada", "example.test/exits:1")
    _ = await pages.platform.until_state(task.id, TaskState.FAILED)
    inner = await pages.client(await as_person(pages, "ada"), inner=True)
    page = await inner.get(f"{where}/page")
    said = text_of(page)
    assert "The command ended with exit code 3." in said
    assert "no such setting" in said
    assert f'href="{pages.platform.settings.url}/tasks/{task.id}/again"' in page.text


async def test_cancel_stops_it(pages: Pages) -> None:
    task, where = await place(pages, "ada", "example.test/deaf:1")
    inner = await pages.client(await as_person(pages, "ada"), inner=True)
    answer = await inner.post(f"{where}/stop")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    _ = await pages.platform.until_state(task.id, TaskState.STOPPED)
    assert "Run again" in text_of(await inner.get(f"{where}/page"))


async def test_it_is_missing_for_others(pages: Pages) -> None:
    _, where = await place(pages, "ada", "example.test/deaf:1")
    inner = await pages.client(await as_person(pages, "grace"), inner=True)
    assert (await inner.get(f"{where}/page")).status_code == 404
    assert (await inner.get(f"{where}/events")).status_code == 404
    assert (await inner.post(f"{where}/stop")).status_code == 404


async def session_of(pages: Pages, name: str) -> Actor:
    """Return somebody as they are in a new session of their own."""
    return await pages.platform.services.people.actor_of_session(await pages.callers.session(name))


async def decided(pages: Pages, actor: Actor, task: Task) -> dict[str, str]:
    """Return the headers that gateways send, of the decision about a visitor with a session."""
    nonce = hashlib.sha256(b"nonce").hexdigest()
    [interface] = [one.name for one in task.release.interfaces]
    url = await pages.platform.services.access.hand_over(
        actor, task=task.id, interface=interface, nonce=nonce, path="/"
    )
    [code] = parse_qs(urlsplit(url).query)["code"]
    inner = await pages.client({}, inner=True)
    where = {"task": task.id, "interface": interface}
    cookie = (await inner.post("/redeem", json={**where, "code": code, "nonce": nonce})).json()["cookie"]
    decision = (await inner.post("/decide", json={**where, "cookie": cookie})).json()
    assert decision["outcome"] == "not_ready"
    marks = [one for one in decision["marks"] if not one.startswith("task:")]
    assert f"session:{actor.session}" in marks
    return {"X-Specola-Person": decision["person"], "X-Specola-Marks": ",".join(marks)}


@asynccontextmanager
async def watching(pages: Pages, where: str, headers: dict[str, str]) -> AsyncIterator[AsyncIterator[str]]:
    """Have a waiting page open that has shown its first state."""
    inner = await pages.client(headers, inner=True)
    async with inner.stream("GET", f"{where}/events") as stream:
        lines = stream.aiter_lines()
        _ = await read_until(lines, lambda event: event != "")
        yield lines


async def last_event(lines: AsyncIterator[str]) -> str:
    """Return the name of the event after which a stream ends by itself."""
    async with asyncio.timeout(10):
        return [line async for line in lines if line.startswith("event:")][-1]


async def next_look(lines: AsyncIterator[str]) -> str:
    """Return the beginning of the next event, or of what is sent instead when there is nothing new."""
    while not (line := await anext(lines)).startswith((":", "event:")):
        continue
    return line


async def test_page_left_open_ends_with_the_session_it_was_opened_in_and_no_other(pages: Pages) -> None:
    task, where = await place(pages, "joan", HELD)
    ended, kept = await session_of(pages, "joan"), await session_of(pages, "joan")
    async with (
        watching(pages, where, await decided(pages, ended, task)) as lines,
        watching(pages, where, await decided(pages, kept, task)) as others,
    ):
        await pages.platform.services.people.sign_out(ended)
        assert await last_event(lines) == "event: ready"
        # The other one goes on: it looks again and again.
        async with asyncio.timeout(20):
            looks = [await next_look(others) for _ in range(3)]
        assert "event: ready" not in looks


async def test_page_left_open_ends_also_when_its_task_changes_at_the_same_time(pages: Pages) -> None:
    task, where = await place(pages, "kate", HELD)
    actor = await session_of(pages, "kate")
    async with watching(pages, where, await decided(pages, actor, task)) as lines:
        async with pages.platform.services.store.write() as transaction:
            transaction.changes.note(Topic.TASK, task.id, actor.person.id)
            transaction.changes.revoke(f"session:{actor.session}")
        assert await last_event(lines) == "event: ready"


async def test_page_left_open_ends_with_its_persons_account(pages: Pages) -> None:
    task, where = await place(pages, "mary", HELD)
    headers = await decided(pages, await session_of(pages, "mary"), task)
    async with watching(pages, where, headers) as lines:
        admin = await session_of(pages, "admin-of-mary")
        await pages.platform.services.people.set_disabled(admin, "mary", disabled=True)
        assert await last_event(lines) == "event: ready"


async def test_page_left_open_ends_with_the_token_that_its_program_brought(pages: Pages) -> None:
    task, where = await place(pages, "tess", HELD)
    actor, secret = await pages.callers.actor("tess"), await pages.callers.token("tess")
    people = pages.platform.services.people
    inner = await pages.client({}, inner=True)
    question = {"task": task.id, "interface": where.rpartition("/")[2], "token": secret}
    decision = (await inner.post("/decide", json=question)).json()
    marks = [one for one in decision["marks"] if not one.startswith("task:")]
    headers = {"X-Specola-Person": actor.person.id, "X-Specola-Marks": ",".join(marks)}
    async with watching(pages, where, headers) as lines:
        for token in await people.tokens(actor):
            await people.revoke_token(actor, token.id)
        assert await last_event(lines) == "event: ready"
