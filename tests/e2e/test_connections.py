"""Who reached a task, all the way: from a visitor at the public port to the owner's list."""

import httpx
import pytest
import websockets

from specola.domain.person import Actor, Scope
from specola.domain.task import Task
from specola.domain.use import UseSign
from tests.support.harness import Platform, open_platform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def token(platform: Platform, actor: Actor) -> dict[str, str]:
    scopes = frozenset({Scope.CONNECT, Scope.READ})
    made = await platform.services.people.create_token(actor, name="t", scopes=scopes, days=1)
    return {"Authorization": f"Bearer {made.secret}"}


async def visit(platform: Platform, task: Task, headers: dict[str, str]) -> int:
    host = {"Host": f"web--{task.id}.localhost:{platform.port}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{platform.port}") as client:
        return (await client.get("/", headers={**host, **headers})).status_code


async def test_visits_websockets_and_strangers_are_on_record() -> None:
    async with open_platform() as platform:
        ada, bob = await platform.person("ada"), await platform.person("bob")
        task = await platform.started(ada, cpus=0.25)
        own, other = await token(platform, ada), await token(platform, bob)
        assert await visit(platform, task, own) == 200
        assert await visit(platform, task, other) == 404
        assert await visit(platform, task, {"Authorization": f"Bearer specola_{'x' * 43}"}) == 401
        assert await visit(platform, task, {}) == 401
        address = f"ws://web--{task.id}.localhost:{platform.port}/echo"
        async with websockets.connect(
            address, host="127.0.0.1", port=platform.port, additional_headers=own
        ) as connection:
            await connection.send("hello")
            assert await connection.recv() == "hello"
        # A gateway that ends says all that it knows.
        await platform.end("gateway")
        found = (await platform.services.connections.list(ada, task.id)).connections
        told = {(one.kind.value, one.name, one.refused, one.times) for one in found}
        assert told == {
            ("http", "ada", "", 1),
            ("websocket", "ada", "", 1),
            ("http", "bob", "missing", 1),
            ("http", "", "sign_in", 1),
        }
        assert all(one.ended and one.address == "127.0.0.1" for one in found)
        use = await platform.services.uses.of(ada, task.id)
        assert (use.sign, [(one.interface, one.name) for one in use.parts]) == (UseSign.PERSON, [("web", "ada")])
