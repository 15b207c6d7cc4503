"""Ports found in real containers: seen, recognised, told, and reached through the connector's socket."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from specola.computing.engine.ports import Ports
from specola.computing.kinds import open_computing
from specola.computing.tcp import SocketStream
from specola.connector.directory import Directory, Way
from specola.connector.relay import Relays
from specola.connector.scout import Scout
from specola.domain.found import FoundPort
from specola.domain.software import Protocol
from specola.domain.task import TaskId
from tests.support.harness import short_folder
from tests.support.places import ECHO, HTTP, SERVE, EnginePlace, until

pytestmark = pytest.mark.anyio

TASK = "task000001"
SITE = FoundPort(port=8501, protocol=Protocol.HTTP, loopback=True)
GREETER = FoundPort(port=2200, protocol=Protocol.SSH, loopback=False)


async def test_server_started_inside_a_running_task_is_found_and_reached(local_engine: EnginePlace) -> None:
    handle = await local_engine.launch(local_engine.shell(f"nc -ll -p 2200 -e echo SSH-2.0-test & {SERVE}"))
    told: asyncio.Queue[Sequence[FoundPort]] = asyncio.Queue()

    async def tell(found: Mapping[TaskId, Sequence[FoundPort]]) -> None:
        told.put_nowait(found[TASK])
        # As `web` does, so that the port is offered.
        ports = tuple({HTTP, ECHO, *(one.port for one in found[TASK])})
        await directory.add_way(way(ports))

    def way(ports: tuple[int, ...]) -> Way:
        return Way(task=TASK, computing="here", handle=handle, ports=ports, declared=(HTTP, ECHO))

    directory = Directory(
        lambda name, kind, settings: open_computing(kind, name=name, settings=settings, context=local_engine.context)
    )
    with short_folder() as folder:
        relays, scout = Relays(folder, directory), Scout(directory, tell)
        await directory.add_computing("here", "engine", local_engine.settings)
        await directory.add_way(way((HTTP, ECHO)))
        await directory.keep(computings={"here"}, tasks={TASK})
        running = [asyncio.create_task(scout.run()), asyncio.create_task(relays.run())]
        try:
            async with asyncio.timeout(60):
                while await told.get() != (GREETER,):
                    pass
                await local_engine.listen(handle, SITE.port, loopback=True)
                while SITE not in await told.get():
                    pass
                await until(lambda: exists(relays, SITE.port))
                reader, writer = await asyncio.open_unix_connection(relays.path(TASK, SITE.port))
                writer.write(b"GET /index.html HTTP/1.0\r\n\r\n")
                assert (await reader.read()).endswith(b"hello\n")
                writer.close()
                await local_engine.hush(handle, SITE.port)
                while await told.get() != (GREETER,):
                    pass
        finally:
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await directory.close()


async def exists(relays: Relays, port: int) -> bool:
    return relays.path(TASK, port).exists()


async def test_ports_are_seen_from_inside_where_the_engine_is_elsewhere(local_engine: EnginePlace) -> None:
    handle = await local_engine.launch(local_engine.web())
    over = await local_engine.launch(local_engine.exits())
    await local_engine.ended(over)
    await local_engine.listen(handle, 8092, loopback=True)
    ports = Ports(local_engine.engine, local=False)

    async def shows() -> bool:
        return await ports.look([handle, over, "nobody"]) == {handle: {HTTP: False, ECHO: False, 8092: True}}

    await until(shows)


async def test_host_is_asked_for_a_container_only_once_while_it_runs(local_engine: EnginePlace) -> None:
    handle = await local_engine.launch(local_engine.web())
    ports = Ports(local_engine.engine, local=True)

    async def shows() -> bool:
        return await ports.look([handle]) == {handle: {HTTP: False, ECHO: False}}

    await until(shows)
    # An engine that cannot be asked any more does not matter.
    await local_engine.engine.close()
    assert await shows()
    ports.close()


async def test_nothing_is_started_inside_to_reach_loopback_from_this_host(local_engine: EnginePlace) -> None:
    handle = await local_engine.launch(local_engine.shell("nc -ll -p 9800 -e sleep 1000 & exec sleep 1000"))
    ports = Ports(local_engine.engine, local=True)

    async def shows() -> bool:
        return await ports.look([handle]) == {handle: {9800: False}}

    await until(shows)
    stream = await local_engine.computing.dial(handle, 9800)
    assert isinstance(stream, SocketStream)
    await stream.close()
    assert not [one for one in await processes(local_engine, handle) if "busybox nc" in one]
    near = await ports.connect(handle, "127.0.0.1", 9800)
    assert near is not None
    await near.close()
    with pytest.raises(ConnectionRefusedError):
        await ports.connect(handle, "127.0.0.1", 9801)
    await local_engine.kill(handle)
    await local_engine.ended(handle)
    assert await ports.connect(handle, "127.0.0.1", 9800) is None
    assert await ports.look([handle]) == {}
    ports.close()


async def processes(engine: EnginePlace, handle: str) -> list[str]:
    told = await engine.engine.get(f"containers/{handle}/top", {"ps_args": "ax"})
    return [" ".join(one) for one in told["Processes"]]
