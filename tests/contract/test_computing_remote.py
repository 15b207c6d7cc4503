"""Engines on other hosts: what is not there, what breaks on the way, and that tasks are found again when it is mended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from specola.computing.engine.config import EngineSettings
from specola.domain.computing import Capability, Handle, LogLine, Phase
from specola.domain.errors import ComputingUnreachableError
from specola.ports.computing import HasLogs, HasPorts, Watches
from tests.contract.test_computing import ask, served
from tests.support.places import ECHO, HTTP, RemotePlace, budget, until

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.slow]

SECOND = timedelta(seconds=1)


async def test_probe_tells_what_is_there_and_what_is_missing(remote: RemotePlace) -> None:
    probe = await remote.computing.probe(budget())
    assert probe.product == "podman"
    assert {Capability.HOMES, Capability.SCRATCH, Capability.EXECUTE, Capability.FILES} <= probe.capabilities
    assert not {Capability.DIRECT_TCP, Capability.ISOLATION} & probe.capabilities
    codes = {one.code for one in probe.findings}
    assert ("no_firewall" if remote.name == "ssh" else "rootless") in codes
    assert not {"no_start", "no_helper", "helper_architecture", "clock_skew"} & codes
    assert probe.images is not None
    assert probe.images >= 1
    assert probe.skew is not None
    assert abs(probe.skew) < 1


async def test_socket_is_found_where_nobody_has_named_it(remote: RemotePlace) -> None:
    computing = remote.open_with({"socket": ""})
    assert (await computing.probe(budget())).version == (await remote.computing.probe(budget())).version


async def test_tasks_do_not_reach_each_other(remote: RemotePlace) -> None:
    one, other = await remote.launch(remote.web()), await remote.launch(remote.web())
    await served(remote, other)
    networks = await remote.inspect(other)
    settings = networks["NetworkSettings"]
    assert isinstance(settings, dict)
    (address,) = [network["IPAddress"] for network in settings["Networks"].values()]
    script = f"/.specola/busybox nc -w 2 {address} {ECHO} </dev/null && echo reached || echo kept apart"
    assert "kept apart" in await remote.as_root(one, script)
    assert "reached" in await remote.as_root(other, script)


async def test_task_goes_on_while_the_way_to_it_is_cut(remote: RemotePlace) -> None:
    handle = await remote.launch(remote.web())
    await served(remote, handle)
    before = await remote.observe(handle)
    assert isinstance(remote.computing, HasLogs)
    assert isinstance(remote.computing, Watches)
    lines: list[object] = []
    events: list[object] = []
    following = asyncio.create_task(read(remote.computing.logs(handle, follow=True), lines))
    watching = asyncio.create_task(read(remote.computing.watch(), events))
    # Both have begun once something has come.
    await remote.say(handle, "begun")
    while not (lines and events):
        await remote.computing.remove(await remote.launch(remote.exits()))
    held = await remote.computing.dial(handle, ECHO)
    await held.write(b"x")
    assert await held.read() == b"x"
    await remote.passage.cut()
    # What was open ends, and says that it was not for the task's own end.
    for one in (following, watching):
        with pytest.raises(ComputingUnreachableError):
            async with asyncio.timeout(10):
                await one
    with pytest.raises(ConnectionResetError):
        await held.read()
    await held.close()
    async with asyncio.timeout(10):
        await until(lambda: answers(remote, handle))
    assert await remote.observe(handle) == before


async def test_launch_during_which_the_way_is_cut_is_mended_by_the_next(remote: RemotePlace) -> None:
    launch = remote.web()

    async def cut_soon() -> None:
        await until(lambda: exists(remote, launch.task))
        await remote.passage.cut()

    cutting = asyncio.create_task(cut_soon())
    with contextlib.suppress(ComputingUnreachableError):
        await remote.launch(launch)
    await cutting

    async def launched() -> bool:
        try:
            return (await remote.observe(await remote.launch(launch))).phase is Phase.RUNNING
        except ComputingUnreachableError:
            return False

    await until(launched)
    assert await remote.starts(launch) == 1


async def test_what_has_gone_is_not_dialled_at_an_address_that_was_known(remote: RemotePlace) -> None:
    handle = await remote.launch(remote.web())
    await served(remote, handle)
    await remote.computing.stop(handle, grace=SECOND)
    with pytest.raises(ComputingUnreachableError):
        await ask(remote, handle, HTTP, b"")


async def test_ports_that_nobody_declared_are_found_and_reached(remote: RemotePlace) -> None:
    assert isinstance(remote.computing, HasPorts)
    handle = await remote.launch(replace(remote.asleep(), interfaces=()))
    for port, loopback in ((8091, False), (8092, True)):
        await remote.listen(handle, port, loopback=loopback)
    await until(lambda: listens(remote, handle, {8091: False, 8092: True}))
    for port in (8091, 8092):
        assert (await ask(remote, handle, port, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"hello\n")


def test_engine_is_in_one_place_only() -> None:
    host = {"address": "host.test", "identity": "shared", "account": "ann"}
    assert not EngineSettings.model_validate({"host": host}).is_local
    for wrong in (
        {"host": host, "url": "unix:///run/a.sock"},
        {"socket": "/run/a.sock"},
        {"host": host, "socket": "a"},
    ):
        with pytest.raises(ValueError, match=r"engine|socket"):
            EngineSettings.model_validate(wrong)


async def read(stream: AsyncIterator[LogLine] | AsyncIterator[Handle], into: list[object]) -> None:
    async for one in stream:
        into.append(one)  # noqa: PERF401 -- others look at the list while it grows


async def answers(place: RemotePlace, handle: str) -> bool:
    try:
        return await ask(place, handle, ECHO, b"again") == b"again"
    except ComputingUnreachableError:
        return False


async def exists(place: RemotePlace, task: str) -> bool:
    try:
        return task in await place.computing.discover()
    except ComputingUnreachableError:
        return False


async def listens(place: RemotePlace, handle: str, ports: dict[int, bool]) -> bool:
    assert isinstance(place.computing, HasPorts)
    return await place.computing.listening([handle]) == {handle: ports}
