"""Shells and commands through the front door, with the real `ssh`."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from specola.domain.task import TaskState
from tests.support.ssh_stage import SshStage, open_ssh_stage

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncIterator[SshStage]:
    async with open_ssh_stage() as opened:
        yield opened


async def test_a_command_runs_with_its_outputs_apart_and_its_exit_code(stage: SshStage) -> None:
    ran = await stage.run(stage.ssh("echo out; echo err >&2; pwd; exit 7"))
    assert (ran.code, ran.out.decode().splitlines(), ran.err) == (7, ["out", str(stage.home)], "err\n")


async def test_input_goes_through_to_its_end(stage: SshStage) -> None:
    data = bytes(range(256)) * 40_000
    ran = await stage.run(stage.ssh("sha256sum"), stdin=data)
    assert ran.out.split()[0].decode() == hashlib.sha256(data).hexdigest()
    back = await stage.run(stage.ssh("cat"), stdin=data)
    assert (back.code, back.out == data) == (0, True)


async def test_a_task_is_called_by_its_name_too(stage: SshStage) -> None:
    ran = await stage.run(stage.ssh("echo hi", task=stage.task.name))
    assert (ran.code, ran.out) == (0, b"hi\n")


async def test_a_shell_has_a_terminal_of_the_clients_size_that_changes(stage: SshStage) -> None:
    script = 'stty size; echo "term $TERM"; trap "stty size; exit 3" WINCH; echo ready; while :; do sleep 0.02; done'
    async with stage.on_a_terminal(stage.ssh("-tt", "--", script), rows=33, columns=101) as terminal:
        shown = await terminal.until("ready")
        assert "33 101" in shown
        assert "term xterm-256color" in shown
        terminal.resize(rows=40, columns=120)
        assert "40 120" in await terminal.until("40 120")
        assert await terminal.wait() == 3


async def test_a_login_shell_takes_what_is_typed_and_interrupts(stage: SshStage) -> None:
    async with stage.on_a_terminal(stage.ssh(), rows=24, columns=80) as terminal:
        await terminal.until("$ ")
        terminal.type("echo $((6*7))x; sleep 600\r")
        await terminal.until("42x")
        terminal.type("\x03")
        await terminal.until("$ ")  # an interrupt throws away what was typed and not read yet
        terminal.type("echo aft''er; exit 5\r")
        await terminal.until("after")
        assert await terminal.wait() == 5


async def test_variables_reach_the_command(stage: SshStage) -> None:
    ran = await stage.run(
        stage.ssh("-o", "SendEnv=LC_* COLOUR", "--", "echo $LC_ALL $COLOUR"), LC_ALL="C", COLOUR="red"
    )
    assert ran.out == b"C red\n"


async def test_many_channels_share_one_connection(stage: SshStage) -> None:
    control = ["-o", f"ControlPath={stage.folder}/ctl", "-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
    first = await stage.run(["env", *stage.ssh(*control, "-f", "-N", "--")])
    assert first.code == 0, first.err
    for number in range(10):
        ran = await stage.run(stage.ssh(*control, "--", f"echo {number}"))
        assert (ran.out.decode().strip(), ran.code) == (str(number), 0)
    ended = await stage.run(stage.ssh(*control, "-O", "exit", "--"))
    assert ended.code == 0, ended.err


async def test_a_long_script_comes_by_standard_input(stage: SshStage) -> None:
    # As editors install their servers: bash reads it from the channel, and tells at the end where it listens.
    script = "\n".join(f"# {number} {'x' * 100}" for number in range(5000)) + '\nmkdir -p ~/.server && echo "done $$"\n'
    ran = await stage.run(stage.ssh("-T", "--", "bash"), stdin=script.encode())
    assert (ran.code, ran.out.startswith(b"done")) == (0, True)
    assert (stage.home / ".server").is_dir()


async def test_a_closed_client_ends_its_command(stage: SshStage) -> None:
    process = await stage.start(stage.ssh("echo $$; exec sleep 600"))
    assert process.stdout is not None
    number = int(await process.stdout.readline())
    [running] = [one for one in stage.computing.running if one.process.pid == number]
    process.kill()
    await process.wait()
    assert await running.process.wait() != 0


async def test_a_reader_that_waits_holds_back_the_command(stage: SshStage) -> None:
    process = await stage.start(stage.ssh("yes | head -c 200000000"))
    assert process.stdout is not None
    assert await process.stdout.read(1) == b"y"
    seen = [-1]

    async def stands_still() -> bool:
        await asyncio.sleep(0.3)
        seen.append(sum(one.record.sent for one in stage.live.open if one.record))
        return seen[-1] == seen[-2]

    await stage.until(stands_still)
    # What is on its way: the window of the client, the sockets' buffers, ours.
    assert 0 < seen[-1] < 32 * 1024**2
    left = 1
    while data := await process.stdout.read(1 << 20):
        left += len(data)
    assert left == 200_000_000
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-R", "0:localhost:1", "-o", "ExitOnForwardFailure=yes", "--", "true"], "remote port forwarding failed"),
        (["-o", "ForwardX11=yes", "-v", "--", "true"], "X11"),
        (["-s", "--", "netconf"], "subsystem request failed"),
    ],
)
async def test_what_is_not_offered_is_refused(stage: SshStage, words: list[str], told: str) -> None:
    ran = await stage.run(stage.ssh(*words), DISPLAY=":99", XAUTHORITY="/dev/null")
    assert told in ran.err


async def test_an_unknown_task_is_told_on_the_channel(stage: SshStage) -> None:
    ran = await stage.run(stage.ssh("echo hi", task="nothing"))
    assert (ran.code, ran.out) == (255, b"")
    assert "specola: There is no task “nothing”." in ran.err


async def test_a_task_that_does_not_run_is_told(stage: SshStage) -> None:
    slow = await stage.platform.start(stage.ada, "example.test/slow:1")
    ran = await stage.run(stage.ssh("echo hi", task=slow.id))
    assert ran.code == 255
    assert "not running yet" in ran.err
    await stage.platform.services.tasks.stop(stage.ada, slow.id)
    await stage.platform.until_state(slow.id, TaskState.STOPPED, TaskState.FAILED, TaskState.FINISHED)
    ended = await stage.run(stage.ssh("echo hi", task=slow.id))
    assert ended.code == 255
    assert "has ended" in ended.err


async def test_a_computing_that_knows_nothing_of_the_task_is_told(stage: SshStage) -> None:
    other = await stage.platform.started(stage.ada)
    ran = await stage.run(stage.ssh("echo hi", task=other.id))
    assert (ran.code, "There is no running task" in ran.err) == (255, True)


async def test_another_persons_task_is_missing(stage: SshStage) -> None:
    eve = await stage.platform.person("eve")
    theirs = await stage.platform.started(eve)
    for words in (["--", "true"], ["-W", "localhost:8000", "--"], ["-s", "--", "sftp"]):
        ran = await stage.run(stage.ssh(*words, task=theirs.id))
        assert ran.code == 255, ran
        assert theirs.id in ran.err
        assert "There is no task" in ran.err
