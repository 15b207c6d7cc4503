"""`specola ports`: what was found in a task, and adding it to the software."""

import asyncio

import httpx
import pytest

from specola.computing.memory.serving import Counter, echo, speak_http
from specola.domain.found import FoundPort
from specola.domain.software import Protocol
from tests.cli.conftest import Program
from tests.cli.test_tunnels import echoed, forwarding
from tests.support.callers import Callers
from tests.support.harness import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

APP = FoundPort(port=8501, protocol=Protocol.HTTP, loopback=True)


async def test_found_ports_are_listed_opened_and_added(platform: Platform, ada: Program) -> None:
    task = (await ada("run", "example.test/web:1", "--name", "open-ports", "--wait", "30", "--json")).json
    nothing = await ada("ports", "open-ports")
    assert (nothing.code, nothing.out) == (0, "")
    assert "No ports were found" in nothing.err
    # What is told by hand stays, since nobody looks meanwhile.
    await platform.end("connector")
    await platform.services.found.report({task["id"]: [APP]})
    [port] = (await ada("ports", "open-ports", "--json")).json
    assert port["name"] == "port-8501"
    for command in (("ports", "open-ports"), ("show", "open-ports")):
        assert port["url"] in (await ada(*command)).out
    assert (await ada("open", "open-ports", "port-8501")).out.strip() == port["url"]
    assert (await ada("open", "open-ports", "port-22")).code == 4
    added = await ada("ports", "open-ports", "--declare", "8501", "--name", "app")
    assert (added.code, added.out) == (0, "web: port 8501 added, release 1. Start it: specola run web\n")
    assert (await ada("ports", "open-ports", "--declare", "22")).code == 4
    assert (await ada("ports", "open-ports", "--name", "app")).code == 2
    platform.begin("connector")


async def test_found_ports_are_reached_by_token_and_by_forwarding(
    platform: Platform, callers: Callers, ada: Program
) -> None:
    task = (await ada("run", "example.test/web:1", "--name", "busy", "--wait", "30", "--json")).json
    handle = (await platform.record(task["id"])).handle
    assert handle is not None
    newest = await platform.newest()
    await platform.world.listen(handle, 8501, speak_http(Counter(), {"app": "found"}))
    await platform.world.listen(handle, 9009, echo(Counter()))
    async with asyncio.timeout(30):
        async for _ in platform.services.store.changes(newest):
            async with platform.services.store.read() as tx:
                found = (await tx.found.of([task["id"]])).get(task["id"], ())
            if [one.protocol for one in found] == [Protocol.HTTP, Protocol.TCP]:
                break
    async with forwarding(ada, "busy", "9009:0", "port-8501:0") as (_, told):
        ports = {one["interface"]: one["port"] for one in told}
        assert await echoed(ports["port-9009"], b"hello") == b"hello"
        assert b'"app": "found"' in await echoed(ports["port-8501"], b"GET / HTTP/1.0\r\n\r\n")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{platform.port}") as visitor:
        host = f"port-8501--{task['id']}.localhost:{platform.port}"
        answer = await visitor.get(
            "/deep", headers={"Host": host, "Authorization": f"Bearer {await callers.token('ada')}"}
        )
        assert (answer.status_code, answer.json()["app"]) == (200, "found")
        refused = await visitor.get(
            "/deep", headers={"Host": host, "Authorization": f"Bearer {await callers.token('eve')}"}
        )
        assert refused.status_code == 404
        platform.world.hush(handle, 8501)
        newest = await platform.newest()
        async with asyncio.timeout(30):
            async for _ in platform.services.store.changes(newest):
                gone = await visitor.get(
                    "/", headers={"Host": host, "Authorization": f"Bearer {await callers.token('ada')}"}
                )
                if gone.status_code == 503:
                    break
