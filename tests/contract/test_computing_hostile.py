"""What images and wishes made to do harm get: a refusal in words, or no more than any other."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from specola.domain.errors import LaunchError
from specola.domain.software import RunsAs
from specola.ports.computing import HasLogs
from tests.support.commands import run
from tests.support.images import HOSTILE_IMAGE, LINKED_USERS_IMAGE, STRANGE_USER_IMAGE, TestImage
from tests.support.places import ECHO, SERVE, EnginePlace, a_launch, command, until

pytestmark = [pytest.mark.anyio, pytest.mark.containers]

OUTSIDE, METADATA, PORT = "198.51.100.2", "169.254.77.77", 4444


async def nothing_left(place: EnginePlace) -> bool:
    own = {"label": f"org.specola.installation={place.context.installation}"}
    networks = await place.engine.docker.networks.list(filters=own)
    return not networks and not await place.computing.discover()


async def volumes(place: EnginePlace) -> set[str]:
    return {one["Name"] for one in (await place.engine.get("volumes", {}))["Volumes"] or ()}


async def test_what_an_image_declares_changes_nothing_of_ours(local_engine: EnginePlace) -> None:
    before = await volumes(local_engine)
    script = f'cat "$SPECOLA_CREDENTIAL_FILE"; echo; {SERVE}'
    launch = replace(
        a_launch(HOSTILE_IMAGE.reference, "sh", "-c", script),
        environment={"SPECOLA_CREDENTIAL_FILE": "/www/index.html", "SPECOLA_TASK": "another"},
        user=RunsAs.HOME,
    )
    handle = await local_engine.launch(launch)

    async def wrote_it() -> bool:
        assert isinstance(local_engine.computing, HasLogs)
        return launch.credential in [line.text async for line in local_engine.computing.logs(handle)]

    await until(wrote_it)
    output = (await run(local_engine.computing, handle, ["/.specola/busybox", "env"])).output
    assert f"SPECOLA_TASK={launch.task}" in output.decode().splitlines()
    await local_engine.computing.remove(handle)
    assert await nothing_left(local_engine)
    assert await volumes(local_engine) == before


async def test_image_without_a_command_says_so(local_engine: EnginePlace) -> None:
    with pytest.raises(LaunchError) as caught:
        await local_engine.launch(a_launch(HOSTILE_IMAGE.reference))
    assert caught.value.reason_code == "command_unknown"
    assert await nothing_left(local_engine)


@pytest.mark.parametrize("image", [STRANGE_USER_IMAGE, LINKED_USERS_IMAGE], ids=["unknown", "linked"])
async def test_image_that_runs_as_nobody_it_knows_is_refused(local_engine: EnginePlace, image: TestImage) -> None:
    with pytest.raises(LaunchError) as caught:
        await local_engine.launch(a_launch(image.reference))
    assert caught.value.reason_code == "image_user"
    assert await nothing_left(local_engine)


@pytest.mark.parametrize(
    "environment",
    [
        {"A=B": "c"},
        {"": "x"},
        {"A\nB": "c"},
        {"A": "b\0c"},
        {"A": "x" * 200_000},
        {f"A{number}": "x" * 100_000 for number in range(30)},
    ],
    ids=["equals", "empty", "line", "zero", "long", "many"],
)
async def test_variables_that_no_program_can_have_are_refused(
    local_engine: EnginePlace, environment: dict[str, str]
) -> None:
    with pytest.raises(LaunchError) as caught:
        await local_engine.launch(replace(local_engine.web(), environment=environment))
    assert caught.value.reason_code == "environment_refused"
    assert await nothing_left(local_engine)


@pytest.fixture
async def outside() -> AsyncIterator[None]:
    """A neighbour of this host, with an address of the wide world and one of those where clouds keep metadata."""
    name = f"specola-{os.getpid()}"
    link = f"st-{os.getpid()}"
    inside = ["ip", "netns", "exec", name]
    await command("ip", "netns", "add", name)
    listener = None
    try:
        await command("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        await command("ip", "addr", "add", "198.51.100.1/24", "dev", link)
        await command("ip", "link", "set", link, "up")
        await command("ip", "route", "add", f"{METADATA}/32", "dev", link)
        for address in (f"{OUTSIDE}/24", f"{METADATA}/32"):
            await command(*inside, "ip", "addr", "add", address, "dev", "eth0")
        await command(*inside, "ip", "link", "set", "eth0", "up")
        await command(*inside, "ip", "route", "add", "default", "via", "198.51.100.1")
        listener = await asyncio.create_subprocess_exec(
            *inside, "busybox", "nc", "-ll", "-p", str(PORT), "-e", "echo", "outside"
        )
        yield
    finally:
        if listener is not None:
            listener.kill()
            await listener.wait()
        await command("ip", "netns", "del", name)


async def heard(place: EnginePlace, handle: str, host: str) -> bool:
    """Tell whether a process in the task hears the neighbour at an address."""
    asking = ["sh", "-c", 'nc -w 2 "$1" "$2" </dev/null', "hear", host, str(PORT)]
    output = (await run(place.computing, handle, asking)).output
    return output == b"outside\n"


# There is one network outside, so one test at a time may stand there.
@pytest.mark.xdist_group("outside")
async def test_task_reaches_the_world_but_not_the_clouds_metadata(local_engine: EnginePlace, outside: None) -> None:
    handle = await local_engine.launch(local_engine.web())
    await until(lambda: heard(local_engine, handle, OUTSIDE))
    reader, writer = await asyncio.open_connection(METADATA, PORT)
    assert await reader.read() == b"outside\n"
    writer.close()
    await writer.wait_closed()
    assert not await heard(local_engine, handle, METADATA)


async def test_names_are_resolved_in_a_task(local_engine: EnginePlace) -> None:
    handle = await local_engine.launch(local_engine.web())
    address = (await local_engine.observe(handle)).addresses[ECHO][0]

    async def resolved() -> bool:
        asking = ["/.specola/busybox", "nslookup", handle]
        output = (await run(local_engine.computing, handle, asking)).output
        return f"Address: {address}" in output.decode()

    await until(resolved)
