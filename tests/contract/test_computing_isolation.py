"""What a task cannot reach: other tasks, this host, the engine."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from specola.computing.engine.firewall import Firewall, forget
from specola.domain.computing import Finding, Phase
from tests.support.commands import run
from tests.support.places import ECHO, EnginePlace, budget, command, context, until

pytestmark = [pytest.mark.anyio, pytest.mark.containers]

Address = tuple[str, int]


@pytest.fixture
async def host_port() -> AsyncIterator[int]:
    """A listener on every address of this host, as any daemon may be; it greets whoever comes."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"secret")
        writer.close()

    server = await asyncio.start_server(greet, "0.0.0.0", 0)  # noqa: S104 -- the very thing that must not be reached
    async with server:
        yield server.sockets[0].getsockname()[1]


async def reaches(place: EnginePlace, handle: str, host: str, port: int) -> bool:
    """Tell whether a process in the task can connect there; a closed port answers too, so it must be an open one."""
    script = 'nc -w 2 "$1" "$2" </dev/null'
    done = await run(place.computing, handle, ["sh", "-c", script, "reach", host, str(port)])
    return done.code == 0 or bool(done.output)


async def test_task_reaches_itself_but_no_other_task(local_engine: EnginePlace) -> None:
    one, other = await asyncio.gather(local_engine.launch(local_engine.web()), local_engine.launch(local_engine.web()))
    own = (await local_engine.observe(one)).addresses[ECHO]
    foreign = (await local_engine.observe(other)).addresses[ECHO]
    await until(lambda: reaches(local_engine, one, *own))
    await until(lambda: reaches(local_engine, other, *foreign))
    assert not any(await asyncio.gather(reaches(local_engine, one, *foreign), reaches(local_engine, other, *own)))


async def test_task_reaches_no_listener_of_this_host(local_engine: EnginePlace, host_port: int) -> None:
    handle = await local_engine.launch(local_engine.web())
    output = (await run(local_engine.computing, handle, ["ip", "route"])).output
    gateway = output.decode().split("default via ")[1].split()[0]
    reader, writer = await asyncio.open_connection(gateway, host_port)
    assert await reader.read() == b"secret"
    writer.close()
    await writer.wait_closed()
    addresses = [gateway, *await host_addresses()]
    reached = await asyncio.gather(*(reaches(local_engine, handle, one, host_port) for one in addresses))
    assert not any(reached), dict(zip(addresses, reached, strict=True))


async def test_task_has_no_address_that_the_rules_do_not_cover(local_engine: EnginePlace) -> None:
    handle = await local_engine.launch(local_engine.web())
    done = await run(local_engine.computing, handle, ["cat", "/proc/net/if_inet6"])
    assert (done.code, done.output) == (0, b"")


async def test_engine_socket_is_not_in_the_container(local_engine: EnginePlace) -> None:
    handle = await local_engine.launch(local_engine.web())
    mounts = (await run(local_engine.computing, handle, ["cat", "/proc/mounts"])).output
    assert b".sock" not in mounts
    assert str(local_engine.context.data).encode() not in mounts


async def test_rules_are_put_in_place_once_and_again_if_they_are_lost(local_engine: EnginePlace) -> None:
    await local_engine.launch(local_engine.web())
    (jump,) = await jumps(local_engine)
    chain = jump.split("-j ")[1]
    await command("iptables", "-w", "-D", *jump.split()[1:])
    await command("iptables", "-w", "-F", chain)
    handle = await local_engine.launch(local_engine.web())
    assert jump in await rules()
    assert f"-A {chain} -j DROP" in await rules()
    assert (await local_engine.observe(handle)).phase is Phase.RUNNING


async def test_rules_in_place_are_left_alone(local_engine: EnginePlace) -> None:
    await local_engine.launch(local_engine.web())

    async def ours() -> list[str]:
        """Those of this installation: engines and other tests change theirs meanwhile."""
        return [rule for rule in await rules() if local_engine.context.installation in rule]

    before = await ours()
    pool, podman = IPv4Network(local_engine.settings["networks"]), local_engine.name == "podman"
    await Firewall(local_engine.context.installation, pool, names_from_bridge=podman).ensure()
    assert before
    assert await ours() == before


async def test_jump_as_an_earlier_release_made_it_gives_way(local_engine: EnginePlace) -> None:
    await local_engine.launch(local_engine.web())
    (jump,) = await jumps(local_engine)
    # It held for what this host sends to itself, too.
    await command("iptables", "-w", "-I", *jump.replace(" ! -i lo", "").split()[1:])
    await local_engine.launch(local_engine.web())
    assert await jumps(local_engine) == [jump]


async def test_rules_for_a_pool_that_is_no_longer_set_are_forgotten(local_engine: EnginePlace) -> None:
    installation, pool, earlier = local_engine.context.installation, local_engine.settings["networks"], "10.217.0.0/24"
    await local_engine.launch(local_engine.web())
    await Firewall(installation, IPv4Network(earlier), names_from_bridge=False).ensure()
    assert len(await jumps(local_engine)) == 2
    await forget(installation, keep=[IPv4Network(pool)])
    (jump,) = await jumps(local_engine)
    assert pool in jump
    assert not [line for line in await rules() if installation in line and earlier in line]
    await forget(installation)
    assert not [line for line in await rules() if installation in line]


async def test_pool_that_another_installation_uses_is_noticed(local_engine: EnginePlace) -> None:
    # A pool that no test running beside this one has.
    pool = f"10.218.{os.getpid() % 256}.0/24"
    local_engine.settings = local_engine.settings | {"networks": pool}
    local_engine.computing = local_engine.open()
    assert "networks_shared" not in await findings(local_engine)
    stranger = context(local_engine.context.data).installation
    try:
        await Firewall(stranger, IPv4Network(pool), names_from_bridge=False).ensure()
        found = await findings(local_engine)
        assert stranger in found["networks_shared"].sentence
        assert found["networks_shared"].hint
    finally:
        await forget(stranger)


async def findings(place: EnginePlace) -> dict[str, Finding]:
    return {one.code: one for one in (await place.computing.probe(budget())).findings}


async def test_addresses_rest_before_they_are_used_again(local_engine: EnginePlace) -> None:
    launch, seen = local_engine.web(), set()
    for task in ("first00000", "second0000", "third00000"):
        handle = await local_engine.launch(replace(launch, task=task))
        seen.add((await local_engine.observe(handle)).addresses[ECHO][0])
        await local_engine.computing.remove(handle)
        local_engine.computing = local_engine.open()
    assert len(seen) == 3


async def host_addresses() -> list[str]:
    """Return this host's own addresses, except the loopback's."""
    text = await command("ip", "-4", "-o", "addr")
    found = [line.split()[3].partition("/")[0] for line in text.splitlines()]
    return [one for one in found if not one.startswith("127.")][:3]


async def jumps(place: EnginePlace) -> list[str]:
    """Return the installation's jumps from INPUT."""
    return [line for line in await rules() if place.context.installation in line and line.startswith("-A INPUT")]


async def rules() -> list[str]:
    return (await command("iptables", "-w", "-S")).splitlines()
