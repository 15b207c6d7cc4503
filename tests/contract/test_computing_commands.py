"""Commands inside tasks, as every computing runs them."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from specola.domain.computing import Capability, Channel, Terminal, WindowSize, shell_command
from specola.domain.errors import TaskNotRunningError
from specola.ports.computing import Executes, Running
from tests.support.commands import finish, run
from tests.support.places import Place, budget, until

pytestmark = pytest.mark.anyio

SIZE = [*["/.specola/busybox", "stty", "size"]]
BIG = bytes(range(256)) * 4096 * 10


@pytest.fixture
async def handle(place: Place) -> str:
    """A task that runs."""
    return await place.standing()


async def start(place: Place, handle: str, *command: str, terminal: Terminal | None = None) -> Running:
    assert isinstance(place.computing, Executes)
    return await place.computing.execute(handle, command, terminal=terminal)


async def seen(running: Running, text: bytes, *, seconds: float = 30.0) -> bytes:
    """Read until a text has come; return all that came."""
    output = b""
    async with asyncio.timeout(seconds):
        while text not in output:
            _, data = await running.read()
            assert data, output
            output += data
    return output


async def runs(place: Place, handle: str, text: str) -> bool:
    """Tell whether a process with that text in its command line runs in the task."""
    return text.encode() in (await run(place.computing, handle, ["ps"])).output


async def test_abilities_are_announced(place: Place) -> None:
    probe = await place.computing.probe(budget())
    assert {Capability.EXECUTE, Capability.TERMINAL} <= probe.capabilities


async def test_both_outputs_and_the_exit_code_are_told_apart(place: Place, handle: str) -> None:
    done = await run(place.computing, handle, shell_command("echo out; echo err >&2; exit 5"))
    assert (done.code, done.output, done.errors) == (5, b"out\n", b"err\n")


@pytest.mark.parametrize(("signal", "code"), [("TERM", 143), ("KILL", 137)])
async def test_signal_that_ended_a_command_is_told(place: Place, handle: str, signal: str, code: int) -> None:
    assert (await run(place.computing, handle, shell_command(f"kill -{signal} $$"))).code == code


async def test_command_that_is_not_there_is_127(place: Place, handle: str) -> None:
    done = await run(place.computing, handle, ["no-such-command"])
    assert done.code == 127
    assert done.errors == b"no-such-command: not found\n"


async def test_command_has_the_tasks_environment_and_what_is_added(place: Place, handle: str) -> None:
    assert isinstance(place.computing, Executes)
    running = await place.computing.execute(handle, ["env"], environment={"LANG": "C", "MORE": "a b"})
    lines = (await finish(running)).output.decode().splitlines()
    assert {"COLOUR=blue", "LANG=C", "MORE=a b"} <= set(lines)


async def test_end_of_input_is_told_and_output_goes_on(place: Place, handle: str) -> None:
    done = await run(place.computing, handle, ["cat"], typed=b"first\nsecond\n")
    assert (done.code, done.output) == (0, b"first\nsecond\n")


async def test_ten_megabytes_each_way_arrive_as_they_were(place: Place, handle: str) -> None:
    done = await run(place.computing, handle, ["cat"], typed=BIG)
    assert done.code == 0
    assert done.output == BIG


async def test_bytes_that_engines_take_for_keys_are_no_keys_of_theirs(place: Place, handle: str) -> None:
    running = await start(place, handle, "cat")
    for byte in b"\x10\x11\x04\x03end":
        await running.write(bytes([byte]))
        assert await running.read() == (Channel.OUTPUT, bytes([byte]))
    assert (await finish(running)).code == 0


async def test_terminal_has_its_size_from_the_start_and_follows_changes(place: Place, handle: str) -> None:
    shell = await start(place, handle, terminal=Terminal(size=WindowSize(101, 31)))
    try:
        await shell.write(" ".join(SIZE).encode() + b"\r")
        _ = await seen(shell, b"31 101\r\n")
        await shell.resize(WindowSize(133, 43))
        await shell.write(" ".join(SIZE).encode() + b"\r")
        _ = await seen(shell, b"43 133\r\n")
        await shell.write(b"exit 7\r")
        assert (await finish(shell, typed=None)).code == 7
    finally:
        await shell.close()


async def test_terminal_tells_its_kind_and_has_one_output(place: Place, handle: str) -> None:
    done = await run(place.computing, handle, shell_command("echo err >&2; env"), terminal=Terminal(kind="vt100"))
    assert done.errors == b""
    assert {"err", "TERM=vt100"} <= set(done.output.decode().splitlines())


async def test_interrupt_key_ends_the_command_but_not_the_shell(place: Place, handle: str) -> None:
    shell = await start(place, handle, terminal=Terminal())
    try:
        await shell.write(b"sleep 4711\r")
        await until(lambda: runs(place, handle, "sleep 4711"))
        await shell.write(b"\x03")
        await answers(shell)
        await shell.end()
        _ = await finish(shell, typed=None)
    finally:
        await shell.close()
    await until(lambda: is_gone(place, handle, "sleep 4711"))


async def answers(shell: Running) -> None:
    """Type again and again, as a person would: a shell that was interrupted throws away what was typed meanwhile."""
    for _ in range(20):
        await shell.write(b"echo still here\r")
        with contextlib.suppress(TimeoutError):
            _ = await seen(shell, b"\nstill here\r\n", seconds=1)
            break
    else:
        raise AssertionError("the shell answers no more")
    # Its prompt is the last that comes. What is typed while a command runs is not read by the shell itself.
    with contextlib.suppress(TimeoutError):
        while True:
            _ = await seen(shell, b"\n", seconds=0.5)


async def is_gone(place: Place, handle: str, text: str) -> bool:
    return not await runs(place, handle, text)


@pytest.mark.parametrize("terminal", [None, Terminal()], ids=["pipes", "terminal"])
async def test_close_ends_a_command_and_what_it_started(place: Place, handle: str, terminal: Terminal | None) -> None:
    running = await start(place, handle, *shell_command("sleep 4712 & sleep 4713"), terminal=terminal)
    await until(lambda: runs(place, handle, "sleep 4712"))
    await until(lambda: runs(place, handle, "sleep 4713"))
    await running.close()
    await until(lambda: is_gone(place, handle, "sleep 4712"))
    await until(lambda: is_gone(place, handle, "sleep 4713"))
    assert await running.wait() >= 128
    await running.close()


async def test_commands_run_beside_one_another(place: Place, handle: str) -> None:
    async def one(number: int) -> bytes:
        return (await run(place.computing, handle, ["cat"], typed=b"%d" % number)).output

    assert await asyncio.gather(*map(one, range(8))) == [b"%d" % number for number in range(8)]


async def test_command_ends_with_its_task(place: Place) -> None:
    handle = await place.launch(place.web())
    running = await start(place, handle, "sleep", "4714")
    await until(lambda: runs(place, handle, "sleep 4714"))
    await place.computing.stop(handle, grace=timedelta(0))
    assert (await finish(running, typed=None)).code >= 128
    await running.write(b"too late")
    await running.resize(WindowSize(1, 1))
    with pytest.raises(TaskNotRunningError):
        await start(place, handle, "true")


async def test_command_in_a_task_that_never_was_is_refused(place: Place) -> None:
    with pytest.raises(TaskNotRunningError):
        await start(place, "specola-nothing-here", "true")


async def test_start_that_is_given_up_leaves_nothing_running(place: Place, handle: str) -> None:
    starting = asyncio.create_task(start(place, handle, "sleep", "4715"))
    await asyncio.sleep(0)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await (await starting).close()
    assert not await runs(place, handle, "sleep 4715")
