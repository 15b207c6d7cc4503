"""What engines' containers get from us to run commands in, and that nothing outlives who ran it."""

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from specola.computing.inside.paths import FILES, GUARD
from specola.domain.computing import Capability, HomeMount, Terminal, shell_command
from specola.domain.errors import TaskNotRunningError
from specola.domain.software import RunsAs
from specola.ports.computing import Executes, HasFiles
from tests.support.commands import run
from tests.support.images import BARE_IMAGE, LOGIN_IMAGE
from tests.support.places import EnginePlace, Reports, a_launch, budget, until
from tests.support.sftp import FileClient

pytestmark = [pytest.mark.anyio, pytest.mark.containers]

RUNNER = """
import asyncio, sys
from pathlib import Path
from specola.clock import Clock
from specola.computing.kinds import Context, open_computing
from specola.domain.computing import Terminal

async def main():
    data, installation, url, pool, handle = sys.argv[1:]
    context = Context(installation=installation, data=Path(data), clock=Clock())
    settings = {"url": url, "networks": pool}
    computing = open_computing("engine", name="other", settings=settings, context=context)
    await computing.execute(handle, ["sh", "-c", "sleep 4801 & sleep 4802"], terminal=Terminal())
    await computing.execute(handle, ["sh", "-c", "sleep 4803 & sleep 4804"])
    print("running", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


async def processes(place: EnginePlace, handle: str) -> str:
    return (await run(place.computing, handle, ["/.specola/busybox", "ps"])).output.decode()


async def test_commands_end_when_who_ran_them_is_killed(local_engine: EnginePlace) -> None:
    handle = await local_engine.launch(local_engine.web())
    arguments = [
        local_engine.context.data,
        local_engine.context.installation,
        local_engine.settings["url"],
        local_engine.settings["networks"],
    ]
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUNNER, *map(str, arguments), handle, stdout=asyncio.subprocess.PIPE
    )
    assert other.stdout is not None
    assert await other.stdout.readline() == b"running\n"
    seen = await processes(local_engine, handle)
    assert all(f"sleep {number}" in seen for number in (4801, 4802, 4803, 4804))
    other.send_signal(signal.SIGKILL)
    _ = await other.wait()

    async def gone() -> bool:
        return "sleep 48" not in await processes(local_engine, handle)

    await until(gone)


async def test_what_asked_to_outlive_a_hang_up_does_and_all_else_is_forced(engine: EnginePlace) -> None:
    handle = await engine.launch(engine.web())
    assert isinstance(engine.computing, Executes)
    script = """
        (trap '' HUP; exec sleep 4811) &
        /.specola/busybox setsid sleep 4812 &
        trap '' HUP; sleep 4813; sleep 4814
    """
    running = await engine.computing.execute(handle, shell_command(script))

    async def all_run() -> bool:
        # Each must have become what it is: before, the line names the program that makes it so.
        lines = [line.split(maxsplit=2)[2] for line in (await processes(engine, handle)).splitlines()]
        return {"sleep 4811", "sleep 4812", "sleep 4813"} <= set(lines)

    await until(all_run)
    await running.close()
    seen = await processes(engine, handle)
    assert "sleep 4811" in seen
    assert "sleep 4812" in seen
    # The command itself is always ended; what it started while it ignored the signal is, by the same mark, to go on.
    assert "sleep 4814" not in seen
    assert await running.wait() == 137


async def test_guard_that_was_ended_is_started_again_when_it_is_needed(engine: EnginePlace) -> None:
    handle = await engine.launch(engine.web())
    assert isinstance(engine.computing, Executes)
    running = await engine.computing.execute(handle, shell_command("sleep 4821 & sleep 4822"))
    seen = await processes(engine, handle)
    guards = [line.split()[0] for line in seen.splitlines() if GUARD in line]
    assert len(guards) == 1
    _ = await run(engine.computing, handle, ["/.specola/busybox", "kill", "-KILL", *guards])
    await running.close()
    assert "sleep 48" not in await processes(engine, handle)


async def test_image_without_a_shell_has_a_terminal_and_commands(engine: EnginePlace) -> None:
    handle = await engine.launch(a_launch(BARE_IMAGE.reference))
    done = await run(engine.computing, handle, shell_command("id -u; exit 4"))
    assert (done.code, done.output) == (4, b"4711\n")
    done = await run(engine.computing, handle, [], typed=b"ls /www; exit 5\r", terminal=Terminal())
    assert done.code == 5
    assert b"index.html" in done.output


async def test_login_shell_reads_its_files_and_keeps_the_images_path(engine: EnginePlace) -> None:
    handle = await engine.launch(a_launch(LOGIN_IMAGE.reference))
    done = await run(engine.computing, handle, [], typed=b"echo $PATH; pwd; echo $SHELL $COLOUR $LANG; id -un\n")
    assert done.output.decode().splitlines() == [
        "/home/ann/bin:/usr/bin:/opt/tools:/bin",
        "/home/ann",
        "/bin/sh green C.UTF-8",
        "ann",
    ]


async def test_text_for_a_shell_is_read_by_nobody_before_it(engine: EnginePlace) -> None:
    handle = await engine.launch(engine.web())
    text = "printf '%s|' \"$0\" 'a  b' \"$HOME\" '$(id)' '*' \";\""
    done = await run(engine.computing, handle, shell_command(text))
    assert done.output.endswith(b"|a  b|/root|$(id)|*|;|")


async def test_files_are_served_to_the_tasks_user(local_engine: EnginePlace) -> None:
    assert Capability.FILES in (await local_engine.computing.probe(budget())).capabilities
    home = HomeMount(key="ann", number=4799, path="/home/ann")
    launch = replace(local_engine.shell("exec sleep 1000"), user=RunsAs.HOME, home=home, number=4799)
    handle = await local_engine.launch(launch)
    assert isinstance(local_engine.computing, HasFiles)
    stream = await local_engine.computing.files(handle)
    try:
        client = FileClient(stream)
        assert await client.begin() == 3
        assert await client.real_path(".") == "/home/ann"
        data = bytes(range(256)) * 4096
        await client.write("note", data)
        assert await client.read("note") == data
        written = local_engine.context.data / "homes" / "ann" / "note"
        assert (written.stat().st_uid, written.read_bytes()) == (4799, data)
        await stream.end()
        assert await stream.read() == b""
    finally:
        await stream.close()
    assert FILES not in await processes(local_engine, handle)


async def test_files_of_an_image_without_a_shell_are_served(engine: EnginePlace) -> None:
    handle = await engine.launch(a_launch(BARE_IMAGE.reference))
    assert isinstance(engine.computing, HasFiles)
    stream = await engine.computing.files(handle)
    client = FileClient(stream)
    assert await client.begin() == 3
    assert await client.read("/www/index.html") == b"hello\n"
    await stream.close()
    await engine.kill(handle)
    _ = await engine.ended(handle)
    with pytest.raises(TaskNotRunningError):
        _ = await engine.computing.files(handle)


async def test_user_that_the_image_does_not_know_gets_a_name(engine: EnginePlace) -> None:
    launch = replace(engine.shell("exec sleep 1000"), user=RunsAs.HOME, number=4799)
    handle = await engine.launch(launch)
    done = await run(engine.computing, handle, shell_command("id -un; grep -c ann /etc/passwd; grep 4799 /etc/passwd"))
    assert done.output.decode().splitlines() == ["ann", "2", "ann:x:4799:4799:ann:/tmp:"]


async def test_engine_without_helper_or_file_server_says_what_is_missing(
    local_engine: EnginePlace, tmp_path: Path
) -> None:
    for missing, lost in (
        ({"file_server": str(tmp_path / "none")}, {Capability.FILES}),
        ({"helper": str(tmp_path / "none")}, {Capability.FILES, Capability.EXECUTE, Capability.TERMINAL}),
    ):
        computing = local_engine.open_with(missing)
        probe = await computing.probe(budget())
        assert not lost & probe.capabilities
        assert [one.code for one in probe.findings if one.code.startswith("no_")] == [
            "no_file_server" if "file_server" in missing else "no_helper"
        ]
    handle = await local_engine.open_with({"file_server": str(tmp_path / "none")}).launch(
        local_engine.web(), report=Reports(), budget=budget()
    )
    assert (await run(local_engine.computing, handle, ["ls", "/.specola"])).output.split() == [
        b"busybox",
        b"credential",
        b"guard",
        b"login",
        b"run",
    ]


async def test_close_of_the_computing_ends_its_commands(engine: EnginePlace) -> None:
    handle = await engine.launch(engine.web())
    other = engine.open()
    assert isinstance(other, Executes)
    running = await other.execute(handle, ["sleep", "4831"])
    await other.close()

    async def gone() -> bool:
        return "sleep 4831" not in await processes(engine, handle)

    await until(gone)
    while (await running.read())[1]:
        pass
    await running.close()
