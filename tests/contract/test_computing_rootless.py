"""Podman without root: tasks run and are reached by published ports, and the probe says what is missing."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from specola.computing.engine.service import answering_socket
from specola.domain.computing import Capability, HomeMount, Phase, shell_command
from specola.domain.errors import ComputingUnreachableError
from specola.domain.software import RunsAs
from tests.contract.test_computing import ask, served
from tests.support.commands import run
from tests.support.images import TEST_IMAGE, load
from tests.support.places import ECHO, HTTP, EnginePlace, budget, context, until

pytestmark = [pytest.mark.anyio, pytest.mark.containers]

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
async def rootless(tmp_path: Path) -> AsyncIterator[EnginePlace]:
    """A Podman of an unprivileged user, with the test image."""
    folder = Path(tempfile.mkdtemp(prefix="specola-rootless-", dir="/var/tmp"))
    socket = folder / "engine.sock"
    argv = ["unshare", "--mount", sys.executable, "-m", "tests.support.rootless", str(folder)]
    with (tmp_path / "engine.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*argv, cwd=REPOSITORY, stdout=log, stderr=log)
    try:
        await until(lambda: answers(socket))
        place = EnginePlace.at(context(tmp_path), name="podman", url=f"unix://{socket}", pool="10.214.0.0/17")
        await load(place.engine, [TEST_IMAGE])
        try:
            yield place
        finally:
            await place.close()
    finally:
        process.terminate()
        await process.wait()
        # The processes that hold the user's namespace outlive the service; they have its name, and with it this folder's.
        for process_id in holders(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        shutil.rmtree(folder)


def holders(folder: Path) -> list[int]:
    """Return the processes whose command line names a folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in file.read_bytes():
                found.append(int(file.parent.name))
    return found


async def answers(socket: Path) -> bool:
    return await answering_socket((socket,)) is not None


async def test_task_runs_without_root(rootless: EnginePlace) -> None:
    probe = await rootless.computing.probe(budget())
    assert not {Capability.ISOLATION, Capability.DIRECT_TCP} & probe.capabilities
    assert {Capability.HOMES, Capability.SCRATCH} <= probe.capabilities
    assert "rootless" in {one.code for one in probe.findings if one.serious}
    home = HomeMount(key="ann", number=100007, path="/home/ann")
    launch = replace(rootless.web(), user=RunsAs.HOME, number=home.number, home=home, scratch="/scratch")
    handle = await rootless.launch(launch)
    script = "touch ~/note /scratch/note && stat -c %u ~ ~/note /scratch"
    done = await run(rootless.computing, handle, shell_command(script))
    assert done.output.split() == [b"37006"] * 3
    await served(rootless, handle)
    addresses = (await rootless.observe(handle)).addresses
    assert {port: host for port, (host, _) in addresses.items()} == {HTTP: "127.0.0.1", ECHO: "127.0.0.1"}
    await rootless.kill(handle)
    assert (await rootless.ended(handle)).phase is Phase.ENDED
    await rootless.computing.remove(handle)
    assert await rootless.computing.discover() == {}


async def test_server_on_the_containers_own_loopback_is_reached_without_root(rootless: EnginePlace) -> None:
    handle = await rootless.launch(rootless.shell(f"exec httpd -f -p 127.0.0.1:{HTTP} -h /www"))

    async def greeted() -> bool:
        try:
            return (await ask(rootless, handle, HTTP, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"hello\n")
        except ComputingUnreachableError:
            return False

    await until(greeted)
