"""Ports found, on a task's page, and the sheet that adds one to the software."""

import asyncio

import pytest

from specola.computing.memory.serving import Counter, Serve, speak_http
from specola.domain.software import Protocol
from specola.domain.task import Task
from tests.support.pages import Pages, read_until, text_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ENTRY = "software: lab\ntitle: The lab\nimage: example.test/web:1\ninterfaces:\n  - {name: web, port: 8000}\n"


HTTP: Serve = speak_http(Counter(), {})


def greets(greeting: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()

    return serve


async def listening(
    pages: Pages, task: Task, port: int = 8501, serve: Serve = HTTP, protocol: Protocol = Protocol.HTTP
) -> None:
    """Let a program of the task begin to listen, and wait until it was found."""
    assert task.handle is not None
    services = pages.platform.services
    newest = await pages.platform.newest()
    await pages.platform.world.listen(task.handle, port, serve)
    async with asyncio.timeout(30):
        async for _ in services.store.changes(newest):
            async with services.store.read() as tx:
                found = (await tx.found.of([task.id])).get(task.id, ())
            if [one.protocol for one in found if one.port == port] == [protocol]:
                return


async def test_page_shows_a_port_as_it_comes_and_goes(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada)
    assert task.handle is not None
    browser = await pages.browser("ada")
    assert "Found" not in text_of(await browser.get(f"/tasks/{task.id}/interfaces"))
    async with asyncio.timeout(60), browser.stream("GET", f"/live/tasks/{task.id}/interfaces") as stream:
        lines = stream.aiter_lines()
        await listening(pages, task)
        html = await read_until(lines, lambda event: "Port 8501" in event)
        address = pages.platform.services.addresses.origin(task.id, "port-8501")
        assert f'href="{address}/"' in html
        assert f"specola forward {task.id} port-8501" in html
        assert "inside the task only" in html
        pages.platform.world.hush(task.handle, 8501)
        await read_until(lines, lambda event: "#interfaces" in event and "Port 8501" not in event)


async def test_port_is_added_to_the_software_by_its_sheet(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    entry = await pages.platform.services.catalogue.add(ada, ENTRY)
    task = await pages.platform.started(ada)
    await listening(pages, task)
    browser = await pages.browser("ada")
    assert "Something listens on port 8501" in text_of(await browser.get(f"/tasks/{task.id}"))
    sheet = await browser.get(f"/tasks/{task.id}/ports/8501")
    assert 'value="web-8501"' in sheet.text
    assert '<option value="http" selected>' in sheet.text
    path = f"/tasks/{task.id}/ports/8501"
    refused = await browser.post(path, data={"name": "Not a name", "protocol": "http"})
    assert refused.status_code == 422
    assert "does not fit into a host name" in refused.text
    assert (await browser.post(path, data={"name": "app", "protocol": "gopher"})).status_code == 422
    done = await browser.post(path, data={"name": "app", "protocol": "http"})
    assert (done.status_code, done.headers["location"]) == (303, "/software/web")
    made = await pages.platform.services.catalogue.get(ada, "web")
    assert [one.name for one in made.current.interfaces] == ["web", "app"]
    assert made.id != entry.id


async def test_ports_are_missing_for_others_and_those_that_nobody_found(pages: Pages) -> None:
    task = await pages.platform.started(await pages.callers.actor("ada"))
    await listening(pages, task)
    grace = await pages.browser("grace")
    assert (await grace.get(f"/tasks/{task.id}/ports/8501")).status_code == 404
    assert (await grace.post(f"/tasks/{task.id}/ports/8501", data={"name": "x", "protocol": "tcp"})).status_code == 404
    ada = await pages.browser("ada")
    assert (await ada.get(f"/tasks/{task.id}/ports/22")).status_code == 404


async def test_waiting_page_of_a_port_ends_when_something_listens_there(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada)
    gateway = await pages.client({"X-Specola-Person": ada.person.id}, inner=True)
    assert (await gateway.get(f"/waiting/{task.id}/port-8501/page")).status_code == 503
    assert (await gateway.get(f"/waiting/{task.id}/no-such/events")).status_code == 404
    async with asyncio.timeout(60), gateway.stream("GET", f"/waiting/{task.id}/port-8501/events") as stream:
        lines = stream.aiter_lines()
        await read_until(lines, lambda event: "does not answer here" in event)
        await listening(pages, task)
        assert "event: ready" in [line async for line in lines]


async def test_found_ports_that_are_no_web_have_the_pages_of_their_protocols(pages: Pages) -> None:
    ada = await pages.callers.actor("ada")
    task = await pages.platform.started(ada)
    await listening(pages, task, 5901, greets(b"RFB 003.008\n"), Protocol.RFB)
    await listening(pages, task, 2200, greets(b"SSH-2.0-test\r\n"), Protocol.SSH)
    gateway = await pages.client({"X-Specola-Person": ada.person.id}, inner=True)
    desktop = await gateway.get(f"/viewers/{task.id}/port-5901/page")
    assert (desktop.status_code, "desktop" in desktop.text) == (200, True)
    shell = text_of(await gateway.get(f"/viewers/{task.id}/port-2200/page"))
    assert f"specola forward {task.id} port-2200" in shell
    async with asyncio.timeout(60), gateway.stream("GET", f"/viewers/{task.id}/port-2200/events") as stream:
        assert task.handle is not None
        pages.platform.world.hush(task.handle, 2200)
        assert "event: over" in [line async for line in stream.aiter_lines()]
