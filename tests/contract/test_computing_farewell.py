"""What happens inside a task ahead of its end: a line on its terminals, and its release's last command."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from specola.domain.computing import Capability, Phase, Terminal, WindowSize
from specola.domain.software import PreStop
from specola.ports.computing import Executes, HasLogs, Tells
from tests.support.places import Place, budget

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
SAY = PreStop(command=("sh", "-c", "echo farewell > /proc/1/fd/1"), time=timedelta(seconds=20))


async def lines(place: Place, handle: str) -> list[str]:
    assert isinstance(place.computing, HasLogs)
    return [line.text async for line in place.computing.logs(handle)]


async def test_the_last_command_runs_once_before_the_task_is_asked_to_end(place: Place) -> None:
    handle = await place.launch(replace(place.web(), pre_stop=SAY))
    await place.computing.stop(handle, grace=SECOND)
    await place.computing.stop(handle, grace=SECOND)
    assert (await place.observe(handle)).phase is Phase.ENDED
    assert len([text for text in await lines(place, handle) if "farewell" in text]) == 1


async def test_a_last_command_that_takes_too_long_or_is_not_there_holds_up_no_stop(place: Place) -> None:
    for command in (("sh", "-c", "sleep 1000"), ("no-such-program",)):
        handle = await place.launch(replace(place.web(), pre_stop=PreStop(command=command, time=SECOND)))
        async with asyncio.timeout(45):
            await place.computing.stop(handle, grace=SECOND)
        assert (await place.observe(handle)).phase is Phase.ENDED


async def test_a_line_is_shown_on_the_terminals_of_a_task(place: Place) -> None:
    assert isinstance(place.computing, Tells)
    assert isinstance(place.computing, Executes)
    assert Capability.TELL in (await place.computing.probe(budget())).capabilities
    handle = await place.launch(place.web())
    await place.computing.tell(handle, "nobody looks")
    shell = await place.computing.execute(handle, [], terminal=Terminal(kind="xterm", size=WindowSize()))
    _ = await shell.read()
    await place.computing.tell(handle, "It ends in 5 minutes.")
    shown = b""
    async with asyncio.timeout(20):
        while b"[specola] It ends in 5 minutes." not in shown:
            _, data = await shell.read()
            assert data
            shown += data
    await shell.close()
    await place.computing.stop(handle, grace=SECOND)
    await place.computing.tell(handle, "too late")
