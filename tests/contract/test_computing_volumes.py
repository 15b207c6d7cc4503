"""What tasks get to keep files in: a home that outlives the task, and scratch that does not; run where a computing has them."""

from dataclasses import replace

import pytest

from specola.domain.computing import Capability, HomeMount, Launch, shell_command
from specola.domain.software import RunsAs
from specola.ports.computing import HasFiles
from tests.support.commands import run
from tests.support.places import VolumePlace
from tests.support.sftp import FileClient, RefusedError

pytestmark = [pytest.mark.anyio, pytest.mark.containers]

HOME, SCRATCH = "/home/ann", "/scratch"


def asleep(place: VolumePlace, *, person: str = "ann", number: int = 4711, read_only: bool = False) -> Launch:
    """Return a launch that does nothing, with a person's home."""
    home = HomeMount(key=person, number=number, path=HOME, read_only=read_only)
    return replace(place.asleep(), owner=person, user=RunsAs.HOME, number=number, home=home)


async def says(place: VolumePlace, handle: str, script: str) -> str:
    """Return what a script prints as the task's user."""
    done = await run(place.computing, handle, shell_command(script))
    return (done.output + done.errors).decode().strip()


async def finish(place: VolumePlace, handle: str) -> None:
    await place.kill(handle)
    await place.ended(handle)
    await place.computing.remove(handle)


async def test_computing_says_that_it_has_both(volumes: VolumePlace) -> None:
    assert {Capability.HOMES, Capability.SCRATCH} <= await volumes.abilities()


async def test_home_outlives_its_task(volumes: VolumePlace) -> None:
    first = await volumes.launch(asleep(volumes))
    assert await says(volumes, first, "cd; pwd; echo kept >note; echo $HOME") == f"{HOME}\n{HOME}"
    await finish(volumes, first)
    second = await volumes.launch(asleep(volumes))
    assert await says(volumes, second, "cat ~/note; echo more >>~/note; cat ~/note") == "kept\nkept\nmore"


async def test_tasks_of_one_person_share_a_home_and_nobody_else_sees_it(volumes: VolumePlace) -> None:
    one, two = await volumes.launch(asleep(volumes)), await volumes.launch(asleep(volumes))
    other = await volumes.launch(asleep(volumes, person="ben", number=4712))
    assert await says(volumes, one, "echo mine >~/note; ls ~") == "note"
    assert await says(volumes, two, "cat ~/note") == "mine"
    assert await says(volumes, other, "ls -A ~; touch ~/own && echo writes") == "writes"
    assert await says(volumes, two, "ls ~") == "note"


async def test_read_only_home_refuses_everybody(volumes: VolumePlace) -> None:
    writer = await volumes.launch(asleep(volumes))
    await says(volumes, writer, "echo kept >~/note")
    reader = await volumes.launch(asleep(volumes, read_only=True))
    refusals = "touch ~/new; echo x >>~/note; chmod 777 ~/note; mkdir ~/folder; true"
    assert (await says(volumes, reader, refusals)).lower().count("read-only file system") >= 4
    assert " ro," in await says(volumes, reader, f"grep ' {HOME} ' /proc/mounts")
    assert "cannot" in await volumes.as_root(reader, f"touch {HOME}/root 2>&1 || echo cannot")
    assert "cannot" in await volumes.as_root(
        reader, f"/.specola/busybox mount -o remount,rw {HOME} 2>&1 || echo cannot"
    )
    assert "cannot" in await volumes.as_root(reader, f"touch {HOME}/root 2>&1 || echo cannot")
    if Capability.FILES in await volumes.abilities():
        assert isinstance(volumes.computing, HasFiles)
        stream = await volumes.computing.files(reader)
        client = FileClient(stream)
        assert await client.begin() == 3
        assert await client.read("note") == b"kept\n"
        with pytest.raises(RefusedError):
            await client.write("note", b"changed")
        await stream.close()
    assert await says(volumes, writer, "ls -A ~; cat ~/note") == "note\nkept"


async def test_home_is_read_only_also_before_it_was_ever_written(volumes: VolumePlace) -> None:
    reader = await volumes.launch(asleep(volumes, person="cleo", number=4713, read_only=True))
    assert "ead-only" in await says(volumes, reader, "ls -A ~; touch ~/note")
    writer = await volumes.launch(asleep(volumes, person="cleo", number=4713))
    assert await says(volumes, writer, "touch ~/note; ls ~") == "note"


async def test_scratch_begins_empty_is_writable_and_goes_with_the_task(volumes: VolumePlace) -> None:
    launch = replace(asleep(volumes), scratch=SCRATCH)
    handle = await volumes.launch(launch)
    assert await says(volumes, handle, f"ls -A {SCRATCH}; echo x >{SCRATCH}/note; ls {SCRATCH}") == "note"
    assert len(await volumes.scratches()) == 1
    other = await volumes.launch(replace(asleep(volumes), scratch=SCRATCH))
    assert await says(volumes, other, f"ls -A {SCRATCH}; touch {SCRATCH}/own; ls {SCRATCH}") == "own"
    await finish(volumes, handle)
    assert len(await volumes.scratches()) == 1
    again = await volumes.launch(replace(launch, task=f"{launch.task[:-1]}_"))
    assert await says(volumes, again, f"ls -A {SCRATCH}") == ""
    for one in (other, again):
        await finish(volumes, one)
    assert await volumes.scratches() == []


async def test_task_without_a_home_has_scratch_all_the_same(volumes: VolumePlace) -> None:
    handle = await volumes.launch(replace(volumes.asleep(), scratch="/data/deep/scratch"))
    assert await says(volumes, handle, "touch /data/deep/scratch/note; ls /data/deep/scratch") == "note"
