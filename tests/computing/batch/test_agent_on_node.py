"""The agent with real Apptainer and real Podman on a host of the lab, as an ordinary account."""

import asyncio
import hashlib
import os
from dataclasses import replace
from datetime import timedelta

import pytest

from specola.computing.batch.session import Session
from specola.domain.computing import Terminal, WindowSize, shell_command
from specola.domain.errors import TaskNotRunningError
from tests.computing.batch.conftest import Ground
from tests.support.commands import finish
from tests.support.nodes import NodeTask, until
from tests.support.sftp import FileClient

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.lab]

MEGABYTE = 1024**2


async def echoed(session: Session, data: bytes, times: int) -> tuple[str, str]:
    """Send bytes through the echo of a task; return the hashes of what was sent and what came back."""
    stream = await session.dial(9000)
    sent, came = hashlib.sha256(), hashlib.sha256()

    async def send() -> None:
        for _ in range(times):
            sent.update(data)
            await stream.write(data)
        await stream.end()

    sending = asyncio.create_task(send())
    count = 0
    while count < len(data) * times:
        piece = await stream.read(MEGABYTE)
        assert piece
        came.update(piece)
        count += len(piece)
    await sending
    await stream.close()
    return sent.hexdigest(), came.hexdigest()


async def page(session: Session) -> bytes:
    """Ask the task's web server for a page."""
    stream, data = await session.dial(8000), b""
    await stream.write(b"GET /index.html HTTP/1.0\r\n\r\n")
    while piece := await stream.read():
        data += piece
    await stream.close()
    return data.partition(b"\r\n\r\n")[2]


async def serves(session: Session) -> None:
    """Wait until the task's programs listen."""

    async def listen() -> bool:
        return {8000, 9000} <= set(await session.ports())

    await until(listen)


async def test_commands_and_files_of_an_image_with_a_user_of_its_own(ground: Ground) -> None:
    wanted = ground.wants("own", image=ground.with_user, user="image", home=None)
    async with ground.node.task(ground.agent, wanted) as task, task.session() as session:
        await serves(session)
        done = await finish(await session.execute(shell_command("id -u; echo $COLOUR; cat $SPECOLA_CREDENTIAL_FILE")))
        number = b"4711" if wanted.runtime == "podman" else b"5001"
        assert (done.code, done.output) == (0, number + b"\nblue\ncanary-credential")
        client = FileClient(await session.files())
        assert await client.begin() == 3


async def test_interfaces_commands_files_and_logs(ground: Ground) -> None:
    async with ground.node.task(ground.agent, ground.wants("all")) as task, task.session() as session:
        await serves(session)
        assert await page(session) == b"hello\n"
        with pytest.raises(ConnectionRefusedError):
            await session.dial(81)

        done = await finish(await session.execute(shell_command("id -u; pwd; cat $SPECOLA_CREDENTIAL_FILE; exit 5")))
        assert (done.code, done.output) == (5, b"5001\n/home/person\ncanary-credential")
        variables = (await finish(await session.execute(["env"], environment={"MORE": "a b"}))).output.decode()
        assert {"COLOUR=blue", "PATH=/bin", "MORE=a b", "HOME=/home/person"} <= set(variables.splitlines())
        assert (await finish(await session.execute(["no-such-command"]))).code == 127

        client = FileClient(await session.files())
        assert await client.begin() == 3
        assert await client.real_path(".") == "/home/person"
        await client.write("kept", b"until tomorrow")
        assert (ground.node.home / "person/kept").read_bytes() == b"until tomorrow"

        assert {("stdout", "out"), ("stderr", "err")} <= set(task.written())
        usage = await session.usage()
        assert usage.memory > 0
        assert usage.received > 0
    assert await ground.node.left() == []


async def test_terminal_has_size_and_ends_with_its_stream(ground: Ground) -> None:
    async with ground.node.task(ground.agent, ground.wants("tty")) as task, task.session() as session:
        size = "/.specola/busybox stty size"
        shell = await session.execute(
            shell_command(f"{size}; read x; {size}; sleep 4711"), terminal=Terminal(size=WindowSize(101, 31))
        )
        seen = b""
        while b"31 101" not in seen:
            seen += (await shell.read())[1]
        await shell.resize(WindowSize(133, 43))
        await shell.write(b"\r")
        while b"43 133" not in seen:
            seen += (await shell.read())[1]
        assert await session.tell("five minutes left") == 1
        while b"five minutes left" not in seen:
            seen += (await shell.read())[1]
        await shell.close()

        async def is_gone() -> bool:
            return not any("sleep 4711" in line for line in await ground.node.left())

        await until(is_gone)


async def test_image_made_for_root_runs_as_root_in_appearance(ground: Ground) -> None:
    async with ground.node.task(ground.agent, ground.wants("root", user="image")) as task, task.session() as session:
        assert (await finish(await session.execute(shell_command("id -u; touch ~/made")))).output == b"0\n"
        made = ground.node.home / "person/made"
        assert made.stat().st_uid == ground.node.home.stat().st_uid
        assert (await finish(await session.execute(shell_command("cat $SPECOLA_CREDENTIAL_FILE")))).code == 0


async def test_hundred_connections_and_much_both_ways(ground: Ground) -> None:
    async with ground.node.task(ground.agent, ground.wants("much")) as task, task.session() as session:
        await serves(session)
        data = os.urandom(MEGABYTE)
        pages = await asyncio.gather(*(page(session) for _ in range(100)))
        assert set(pages) == {b"hello\n"}
        sent, came = await echoed(session, data, 256)
        assert sent == came


async def test_way_out_leads_out_alone(ground: Ground, beyond: str) -> None:
    async with (
        ground.node.task(ground.agent, ground.wants("out", network="outbound")) as task,
        task.session() as session,
    ):
        greets = shell_command(f"nc -w 3 {beyond} 22 </dev/null")
        said = await finish(await session.execute(greets))
        assert said.output.startswith(b"SSH-2.0-")
        # What listens on the loopback of the node.
        port = ground.manifest.image.reference.partition("/")[0].rpartition(":")[2]
        gateway = "$(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')"
        for address in ("127.0.0.1", gateway):
            refused = await finish(await session.execute(shell_command(f"nc -w 2 {address} {port} </dev/null")))
            assert refused.code != 0
    async with ground.node.task(ground.agent, ground.wants("in", network="none")) as task, task.session() as session:
        assert (await finish(await session.execute(greets))).output == b""


async def test_stop_before_the_image_is_here_ends_it(ground: Ground) -> None:
    image = replace(ground.manifest.image, reference="192.0.2.1/nothing:1", sif="/home/ann/images/nothing.sif")
    folder = f"tasks/{ground.wants('early').task}"
    ground.node.place(f"{folder}/manifest.json", ground.wants("early", image=image).text().encode())
    process = await ground.node.start("python3", ground.agent, "run", f"/home/ann/{folder}")
    task = NodeTask(ground.node, ground.agent, ground.node.home / folder, process)
    await task.is_in("starting", "pulling")
    await ground.node.run("kill", "-TERM", str(task.status()["pid"]))
    assert await process.wait() == 143
    assert task.status()["reason"] == "stopped"
    assert await ground.node.left() == []


async def test_stop_asks_first(ground: Ground) -> None:
    command = shell_command("trap 'echo goodbye; exit 7' TERM; while :; do sleep 0.1; done")
    wants = ground.wants("stop", command=tuple(command), pre_stop=("sh", "-c", "echo saved"))
    async with ground.node.task(ground.agent, wants) as task, task.session() as session:
        await session.stop(timedelta(seconds=20))
        assert (await task.is_in("ended"))["exit_code"] == 7
        assert await task.process.wait() == 7
        assert [text for _, text in task.written()] == ["saved", "goodbye"]
        assert task.status()["reason"] == "stopped"


async def test_stubborn_task_is_forced(ground: Ground) -> None:
    command = shell_command("trap '' TERM; while :; do sleep 0.1; done")
    async with ground.node.task(ground.agent, ground.wants("stub", command=tuple(command))) as task:
        async with task.session() as session:
            running = await session.execute(["sleep", "4713"])
            await session.stop(timedelta(seconds=0.5))
            assert (await finish(running, typed=None)).code >= 128
        assert (await task.is_in("ended"))["exit_code"] == 137
    assert await ground.node.left() == []


async def test_warning_of_the_time_limit_is_its_end(ground: Ground) -> None:
    async with ground.node.task(ground.agent, ground.wants("warn")) as task:
        await ground.node.run("kill", "-USR1", str(task.status()["pid"]))
        assert (await task.is_in("ended"))["reason"] == "time_limit"


async def test_task_that_ends_by_itself_tells_its_code(ground: Ground) -> None:
    async with ground.node.task(ground.agent, ground.wants("exit", command=("sh", "-c", "exit 3"))) as task:
        assert await task.process.wait() == 3
        assert (task.status()["exit_code"], task.status()["reason"]) == (3, "exited")
    async with ground.node.task(ground.agent, ground.wants("none", command=("no-such-program",))) as task:
        assert await task.process.wait() == 127
        assert task.written()[-1] == ("stderr", "no-such-program: not found")


async def test_killed_agent_leaves_what_a_sweep_removes(ground: Ground) -> None:
    async with ground.node.task(ground.agent, ground.wants("kill")) as task:
        # The agent, and the guard that would clear up after it.
        await ground.node.run("pkill", "-KILL", "--full", f"run /home/ann/tasks/{task.status()['task']}")
        await task.process.wait()
        swept = await ground.node.run("python3", ground.agent, "sweep", "/home/ann/.specola/test")
        assert task.status()["task"] in swept.text
        assert await ground.node.left() == []


async def test_killed_agent_is_cleared_up_after(ground: Ground) -> None:
    async with ground.node.task(ground.agent, ground.wants("guard")) as task:
        await ground.node.run("kill", "-KILL", str(task.status()["pid"]))
        await task.process.wait()

        async def is_gone() -> bool:
            return await ground.node.left() == []

        await until(is_gone)


async def test_neighbour_gets_nothing(ground: Ground) -> None:
    async with ground.node.task(ground.agent, ground.wants("wall")) as task, task.session() as session:
        await serves(session)
        relay = await task.relayed(user="ben")
        assert await relay.read() == b""
        await relay.close()
        shown = await ground.node.run("sh", "-c", "ps -ef; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline", user="ben")
        assert "canary-" not in shown.text
        listening = await ground.node.run("cat", "/proc/net/tcp", "/proc/net/tcp6", user="ben")
        assert not {f":{port:04X} " for port in (8000, 9000)} & set(listening.text.split())
        assert all(f":{port:04X} " not in listening.text for port in (8000, 9000))


async def test_task_that_has_ended_answers_so(ground: Ground) -> None:
    async with ground.node.task(ground.agent, ground.wants("over")) as task, task.session() as session:
        await session.stop(timedelta(0))
        await session.wait_closed()
        with pytest.raises((ConnectionError, TaskNotRunningError)):
            await session.execute(["true"])
