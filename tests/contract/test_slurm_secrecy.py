"""What a second user of a cluster gets of somebody's task: nothing, on the login node and on every compute node."""

import asyncio
import json
import shlex
from dataclasses import replace

import pytest

from specola.domain.computing import Phase
from tests.support.batch import SlurmPlace
from tests.support.lab import Login
from tests.support.places import ECHO, HTTP

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.containers, pytest.mark.lab]

LISTENS = "0A"
CANARY = "canary-7f3a"


def tries(login: Login, *words: str) -> str:
    """Run a command as somebody on the login node, whatever comes of it; return all it wrote."""
    done = login.tries(shlex.join(words))
    return (done.stdout + done.stderr).decode(errors="replace")


async def on_node(place: SlurmPlace, node: str, script: str) -> str:
    """Run a script as the second user on a node, in a job of their own there; return all it wrote."""
    ben = Login(place.lab.keys, "ben", place.lab.login.name)
    words = ("srun", "--quiet", f"--nodelist={node}", "--mem=100M", "--time=2", "sh", "-c", script)
    return await asyncio.to_thread(tries, ben, *words)


def listeners(table: str) -> set[int]:
    """Return the ports of a table of TCP sockets, as /proc/net/tcp has it, that are listened to."""
    lines = [line.split() for line in table.splitlines()]
    return {int(fields[1].rpartition(":")[2], 16) for fields in lines if len(fields) > 3 and fields[3] == LISTENS}


async def test_second_user_reaches_nothing_and_finds_no_secret(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    before = {
        node.name: listeners(await on_node(place, node.name, "cat /proc/net/tcp /proc/net/tcp6"))
        for node in place.lab.nodes
    }
    launch = replace(place.web(), credential=f"{CANARY}-credential", environment={"TOKEN": f"{CANARY}-environment"})
    handle = await place.launch(launch)
    stream = await place.computing.dial(handle, HTTP)
    await stream.close()
    seen = await place.observe(handle)
    assert seen.phase is Phase.RUNNING
    ticket = place.ticket(handle)
    status = json.loads(
        await place.remote("cat", f".specola/{place.context.installation}/tasks/{ticket.task}/status.json")
    )

    for node in place.lab.nodes:
        now = listeners(await on_node(place, node.name, "cat /proc/net/tcp /proc/net/tcp6"))
        # A job of one's own opens ports of srun; ours opened none that is still there beside those.
        assert not now & {HTTP, ECHO}
        assert len(now) <= len(before[node.name]) + 1
    sockets = status["sockets"]
    script = (
        f"ls {sockets} 2>&1; cat {sockets}/agent.sock 2>&1; (echo | nc -w 1 127.0.0.1 {HTTP}) 2>&1;"
        f" ps -ww axeo pid,user,args 2>&1; cat /proc/*/environ 2>/dev/null | tr '\\000' '\\n';"
        f" find / -xdev -name agent.sock 2>/dev/null"
    )
    told = await on_node(place, seen.node, script)
    assert CANARY not in told
    assert "Permission denied" in told
    assert not [
        line
        for line in told.splitlines()
        if line.strip().endswith("/agent.sock") and "cannot" not in line and "denied" not in line
    ]

    ben = Login(place.lab.keys, "ben", place.lab.login.name)
    job = (await place.jobs(handle))[0]
    step = await asyncio.to_thread(tries, ben, "srun", f"--jobid={job}", "--overlap", "--quiet", "id")
    assert "uid=5001" not in step
    assert "denied" in step.lower()
    folder = await asyncio.to_thread(tries, ben, "ls", f"/home/ann/.specola/{place.context.installation}")
    assert "denied" in folder.lower()


async def test_slurm_keeps_no_secret_of_a_task(slurm_place: SlurmPlace) -> None:
    place = slurm_place
    launch = replace(place.web(), credential=f"{CANARY}-credential", environment={"TOKEN": f"{CANARY}-environment"})
    handle = await place.launch(launch)
    job = (await place.jobs(handle))[0]
    said = [
        await place.try_remote("scontrol", "show", "job", "--details", job),
        await place.try_remote("sacct", "--jobs", job, "--batch-script"),
        await place.try_remote("sacct", "--jobs", job, "--env-vars"),
        await place.try_remote("sacct", "--jobs", job, "--parsable2", "--format=ALL"),
        await place.try_remote("scontrol", "write", "batch_script", job, "-"),
    ]
    assert place.ticket(handle).task in said[0]
    assert all(CANARY not in text for text in said)
    assert "agent.pyz run" in said[4]
