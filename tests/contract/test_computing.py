"""What a computing is: the suite that every kind passes."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from specola.domain.computing import Capability, LogLine, Observation, Phase
from specola.domain.errors import ComputingUnreachableError, ImageArchitectureError, ImageUnknownError
from specola.ports.computing import HasImages, HasLogs, HasPorts, HasUsage, Stream, Watches
from tests.support.places import ECHO, HTTP, Place, Reports, budget, context, until

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


async def read_all(stream: Stream) -> bytes:
    parts = []
    while data := await stream.read():
        parts.append(data)
    return b"".join(parts)


async def ask(place: Place, handle: str, port: int, data: bytes) -> bytes:
    """Send `data`, end our half, and return everything that comes back."""
    stream = await place.computing.dial(handle, port)
    try:
        await stream.write(data)
        await stream.end()
        return await read_all(stream)
    finally:
        await stream.close()


async def served(place: Place, handle: str) -> None:
    """Wait until both ports of `Place.web` answer."""

    async def look() -> bool:
        try:
            web = await ask(place, handle, HTTP, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return web.startswith(b"HTTP/1.") and await ask(place, handle, ECHO, b"x") == b"x"
        except ComputingUnreachableError:
            return False

    await until(look)


async def test_probe_tells_what_is_here(place: Place) -> None:
    probe = await place.computing.probe(budget())
    assert probe.product in {"memory", "podman", "docker", "slurm", "apptainer", "kubernetes"}
    assert probe.version
    assert probe.architectures == ("amd64",)
    assert probe.cpus > 0
    assert probe.memory > 1024**3
    assert {Capability.LOGS, Capability.USAGE, Capability.WATCH, Capability.IMAGES} <= probe.capabilities


async def test_launched_task_is_seen_running_with_addresses(place: Place) -> None:
    handle = await place.launch(place.web())
    seen = await place.observe(handle)
    assert seen.phase is Phase.RUNNING
    assert seen.exit_code is None
    assert seen.architecture == "amd64"
    assert (seen.image_id or "").startswith("sha256:")
    assert set(seen.addresses) == ({HTTP, ECHO} if place.tells_addresses else set())


async def test_launching_again_starts_nothing(place: Place) -> None:
    launch = place.web()
    first = await place.launch(launch)
    assert await place.launch(launch) == first
    assert await place.starts(launch) == 1


async def test_launching_at_the_same_time_from_two_processes_starts_one(place: Place) -> None:
    launch, other = place.web(), place.open()
    one, two = await asyncio.gather(place.launch(launch), other.launch(launch, report=Reports(), budget=budget()))
    assert one == two
    assert await place.starts(launch) == 1
    assert (await place.observe(one)).phase is Phase.RUNNING


async def test_launching_an_ended_task_again_does_not_run_it_again(place: Place) -> None:
    launch = place.exits()
    handle = await place.launch(launch)
    before = await place.ended(handle)
    assert await place.launch(launch) == handle
    assert await place.observe(handle) == before


async def test_tasks_are_found_again_by_another_process(place: Place) -> None:
    launches = [place.web(), place.exits()]
    handles = [await place.launch(one) for one in launches]
    again = place.open()
    assert await again.discover() == {one.task: handle for one, handle in zip(launches, handles, strict=True)}
    assert (await again.observe(handles))[handles[0]].phase is Phase.RUNNING


async def test_tasks_of_another_installation_are_not_ours(place: Place) -> None:
    handle = await place.launch(place.web())
    stranger = place.open(replace(place.context, installation=context(place.context.data).installation))
    assert await stranger.discover() == {}
    assert handle in (await place.computing.discover()).values()


async def test_observing_answers_for_each_handle_also_forgotten_ones(place: Place) -> None:
    handle = await place.standing()
    seen = await place.computing.observe([handle, "nobody"])
    assert seen["nobody"] == Observation.forgotten()
    assert seen[handle].phase is Phase.RUNNING
    assert await place.computing.observe([]) == {}


async def test_immediate_end_tells_code_and_last_lines(place: Place) -> None:
    handle = await place.launch(place.exits())
    seen = await place.ended(handle)
    assert seen.exit_code == 3
    assert seen.ended is not None
    assert seen.addresses == {}
    lines = await logs(place, handle)
    written = {"starting": "stdout", "no such setting": "stderr"}
    if place.keeps_outputs_apart:
        assert {one.text: one.stream for one in lines} == written
    assert sorted(one.text for one in lines) == sorted(written)
    assert all(one.at is not None for one in lines)


async def test_stopping_ends_a_task_and_may_be_repeated(place: Place) -> None:
    handle = await place.launch(place.web())
    await place.computing.stop(handle, grace=SECOND)
    assert (await place.observe(handle)).phase is Phase.ENDED
    await place.computing.stop(handle, grace=SECOND)
    await place.computing.stop("nobody", grace=SECOND)


async def test_task_that_ignores_the_request_is_forced_after_the_grace(place: Place) -> None:
    handle = await place.launch(place.stubborn())
    before = asyncio.get_running_loop().time()
    await place.computing.stop(handle, grace=SECOND)
    assert 0.9 < asyncio.get_running_loop().time() - before < 8
    assert (await place.observe(handle)).exit_code == 137


async def test_removing_leaves_nothing_and_may_be_repeated(place: Place) -> None:
    handle = await place.launch(place.web())
    await place.computing.stop(handle, grace=SECOND)
    await place.computing.remove(handle)
    assert (await place.observe(handle)).phase is Phase.FORGOTTEN
    assert await place.computing.discover() == {}
    await place.computing.remove(handle)


async def test_dial_carries_http(place: Place) -> None:
    handle = await place.standing()
    await served(place, handle)
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    stream = await place.computing.dial(handle, HTTP)
    await stream.write(request)
    assert (await read_all(stream)).startswith(b"HTTP/1.1 200 OK\r\n")
    await stream.close()


async def test_dial_carries_much_both_ways_and_ends_each_half_by_itself(place: Place) -> None:
    handle = await place.standing()
    await served(place, handle)
    piece, count = bytes(range(256)) * 256, 512
    stream = await place.computing.dial(handle, ECHO)

    async def send() -> None:
        for _ in range(count):
            await stream.write(piece)
        await stream.end()

    _, back = await asyncio.gather(send(), read_all(stream))
    await stream.close()
    assert back == piece * count


async def test_address_told_is_where_the_port_answers(place: Place) -> None:
    handle = await place.standing()
    await served(place, handle)
    addresses = (await place.observe(handle)).addresses
    if not place.tells_addresses:
        assert addresses == {}
        return
    reader, writer = await asyncio.open_connection(*addresses[ECHO])
    writer.write(b"straight")
    writer.write_eof()
    assert await reader.read() == b"straight"
    writer.close()
    await writer.wait_closed()


async def test_dialling_what_is_not_there_says_so(place: Place) -> None:
    with pytest.raises(ComputingUnreachableError):
        await ask(place, "nobody", HTTP, b"")


async def test_watch_notices_a_task_killed_outside_within_two_seconds(place: Place) -> None:
    assert isinstance(place.computing, Watches)
    handle = await place.launch(place.web())
    watch = place.computing.watch()
    first = asyncio.ensure_future(anext(watch))
    # A watch tells what happens from its beginning on; another task's start proves that it has begun.
    while not first.done():
        await place.computing.remove(await place.launch(place.exits()))
        await asyncio.sleep(0)
    await place.kill(handle)
    async with asyncio.timeout(2):
        while await anext(watch) != handle or (await place.observe(handle)).phase is not Phase.ENDED:
            pass
    await watch.aclose()  # type: ignore[attr-defined]  # the port promises an iterator; ours are generators


async def test_logs_are_followed_live_to_the_end(place: Place) -> None:
    assert isinstance(place.computing, HasLogs)
    handle = await place.launch(place.web())
    seen: list[str] = []

    async def follow() -> None:
        assert isinstance(place.computing, HasLogs)
        async for line in place.computing.logs(handle, follow=True):
            seen.append(line.text)  # noqa: PERF401 -- others look at the list while it grows

    following = asyncio.create_task(follow())
    await place.say(handle, "first")
    await until(lambda: is_in("first", seen))
    await place.say(handle, "second")
    await until(lambda: is_in("second", seen))
    await place.kill(handle)
    async with asyncio.timeout(5):
        await following
    assert [one.text for one in await logs(place, handle)] == seen


async def test_only_the_last_lines_are_told_if_asked(place: Place) -> None:
    assert isinstance(place.computing, HasLogs)
    handle = await place.launch(place.web())
    await place.say(handle, "first")
    await until(lambda: logged(place, handle, "first"))
    await place.say(handle, "second")
    await until(lambda: logged(place, handle, "second"))
    assert [line.text async for line in place.computing.logs(handle, tail=1)] == ["second"]


async def test_usage_is_told_of_running_tasks_only(place: Place) -> None:
    assert isinstance(place.computing, HasUsage)
    handle, over = await place.launch(place.web()), await place.launch(place.exits())
    await place.ended(over)
    await served(place, handle)
    usage = await place.computing.usage([handle, over, "nobody"])
    assert set(usage) == {handle}
    assert 0 < usage[handle].memory <= 128 * 1024**2
    assert usage[handle].received > 0
    assert usage[handle].sent > 0


async def test_ports_are_seen_while_somebody_listens_there(place: Place) -> None:
    assert isinstance(place.computing, HasPorts)
    computing = place.computing
    handle, over = await place.launch(place.web()), await place.launch(place.exits())
    await place.ended(over)
    await place.listen(handle, 8091, loopback=False)
    await place.listen(handle, 8092, loopback=True)
    everything = {HTTP: False, ECHO: False, 8091: False, 8092: True}

    async def shows(wanted: dict[int, bool]) -> bool:
        return await computing.listening([handle, over, "nobody"]) == {handle: wanted}

    await until(lambda: shows(everything))
    assert (await ask(place, handle, 8092, b"GET / HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.")
    await place.hush(handle, 8092)
    del everything[8092]
    await until(lambda: shows(everything))
    await place.kill(handle)
    await place.ended(handle)
    assert await computing.listening([handle]) == {}
    assert await computing.listening([]) == {}


async def test_unknown_image_is_told_as_such(place: Place) -> None:
    with pytest.raises(ImageUnknownError):
        await place.launch(replace(place.web(), reference="localhost/nowhere/nothing:9"))
    assert isinstance(place.computing, HasImages)
    with pytest.raises(ImageUnknownError):
        await place.computing.inspect_image("localhost/nowhere/nothing:9", budget())
    assert await place.computing.discover() == {}


async def test_image_for_another_machine_is_refused_before_anything_is_created(place: Place) -> None:
    with pytest.raises(ImageArchitectureError) as caught:
        await place.launch(place.other_machine())
    assert "arm64" in caught.value.sentence
    assert await place.computing.discover() == {}


async def test_image_is_described_before_it_runs(place: Place) -> None:
    assert isinstance(place.computing, HasImages)
    launch = place.web()
    details = await place.computing.inspect_image(launch.reference, budget())
    assert (details.architecture, details.operating_system) == ("amd64", "linux")
    assert details.ports == (HTTP,)
    assert details.cached or not place.has_images
    handle = await place.launch(launch)
    assert (await place.observe(handle)).image_id == details.id
    assert (await place.computing.inspect_image(launch.reference, budget())).cached is place.keeps_images


async def test_computing_that_does_not_answer_says_so_in_every_verb(place: Place) -> None:
    launch = place.web()
    handle = await place.launch(launch)
    gone = place.unreachable()
    assert isinstance(gone, Watches)
    assert isinstance(gone, HasLogs)
    assert isinstance(gone, HasUsage)
    assert isinstance(gone, HasPorts)
    assert isinstance(gone, HasImages)
    for question in (
        gone.probe(budget()),
        gone.launch(launch, report=Reports(), budget=budget()),
        gone.observe([handle]),
        gone.stop(handle, grace=SECOND),
        gone.remove(handle),
        gone.discover(),
        gone.dial(handle, HTTP),
        gone.usage([handle]),
        gone.listening([handle]),
        gone.inspect_image(launch.reference, budget()),
        anext(aiter(gone.watch())),
        anext(aiter(gone.logs(handle))),
    ):
        with pytest.raises(ComputingUnreachableError):
            await question


async def is_in(text: str, seen: list[str]) -> bool:
    return text in seen


async def logs(place: Place, handle: str) -> list[LogLine]:
    assert isinstance(place.computing, HasLogs)
    return [line async for line in place.computing.logs(handle)]


async def logged(place: Place, handle: str, text: str) -> bool:
    return text in [line.text for line in await logs(place, handle)]
