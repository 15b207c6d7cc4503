"""The SSH front door of the whole platform over a real Podman, with OpenSSH's real programs."""

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.engines import PrivateEngine
from tests.support.images import TEST_IMAGE
from tests.support.installed import Installed, installed, until
from tests.support.openssh import OpenSsh
from tests.support.ports import free_port
from tests.support.sshkeys import pair

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.containers,
    pytest.mark.xdist_group("podman-e2e"),
    pytest.mark.timeout(600),
]

DEFINITION = {
    "software": "box",
    "title": "A box",
    "image": TEST_IMAGE.reference,
    "command": ["sh", "-c", "nc -ll -p 7 -e cat & exec httpd -f -p 8000 -h /www"],
    "user": "home",
    "home": "/home/mine",
    "interfaces": [{"name": "web", "port": 8000}, {"name": "echo", "port": 7, "protocol": "tcp"}],
}
AT_ONCE = 2.0
MIB = 1024**2


@dataclass
class House(OpenSsh):
    """A platform, one task of its administrator, and a client machine."""

    platform: Installed
    task: dict[str, Any]

    async def start_task(self) -> str:
        """Start another task, and return its id once it is ready."""
        async with self.platform.api() as api:
            answer = await api.post("/tasks", json={"software": "box"}, params={"wait": 60})
        assert answer.json()["state"] == "running", answer.text
        task: str = answer.json()["id"]
        return task

    async def listening(self, process: asyncio.subprocess.Process) -> None:
        """Wait until `ssh -v -N` has signed in, and its forwards are listened at."""
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b"Entering interactive session" not in await process.stderr.readline():
                assert process.returncode is None


@pytest.fixture(scope="module")
async def house(anyio_backend: str, podman_engine: PrivateEngine) -> AsyncIterator[House]:
    async with contextlib.AsyncExitStack() as stack:
        name = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="sp-", dir="/var/tmp", ignore_cleanup_errors=True)
        )
        Path(name).chmod(0o711)
        client = Path(name) / "client"
        client.mkdir(mode=0o700)
        platform = await stack.enter_async_context(installed(Path(name) / "data", engine=podman_engine.url))
        mine = pair()
        async with platform.api() as api:
            assert (await api.post("/software", json=DEFINITION)).status_code == 201
            assert (await api.post("/account/keys", json={"key": mine.public})).status_code == 201
            authority = (await api.get("/ssh/authority")).json()
            answer = await api.post("/tasks", json={"software": "box"}, params={"wait": 60})
        task = answer.json()
        assert task.get("state") == "running", f"{answer.text}: {platform.lines[-20:]}"
        assert authority["port"] == platform.ssh_port
        opened = House(client, platform, task, port=platform.ssh_port, who=task["id"])
        opened.write_identity("ada", mine)
        (client / "known_hosts").write_text(authority["known_hosts"] + "\n")
        yield opened
        async with platform.api() as api:
            for one in (await api.get("/tasks", params={"live": True})).json()["tasks"]:
                await api.post(f"/tasks/{one['id']}/stop", params={"wait": 30})


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


async def test_commands_have_exit_codes_and_two_outputs(house: House) -> None:
    ran = await house.run(house.ssh("echo out; echo err >&2; pwd; exit 7"))
    assert (ran.code, ran.out, ran.err) == (7, b"out\n/home/mine\n", "err\n")
    data = os.urandom(3 * MIB)
    back = await house.run(house.ssh("cat"), stdin=data)
    assert (back.code, back.out == data) == (0, True)


async def test_a_shell_on_a_terminal_that_changes_its_size(house: House) -> None:
    async with house.on_a_terminal(house.ssh(), rows=30, columns=100) as terminal:
        terminal.type("stty size 2>/dev/null || /.specola/busybox stty size; echo is''there\r")
        assert "30 100" in await terminal.until("isthere")
        terminal.resize(rows=41, columns=121)
        terminal.type("/.specola/busybox stty size; echo is''now\r")
        assert "41 121" in await terminal.until("isnow")
        terminal.type("echo sl''eeps; sleep 600\r")
        await terminal.until("sleeps")
        terminal.type("\x03")
        await terminal.until("^C")  # an interrupt throws away what was typed and not read yet
        terminal.type("\rexit 5\r")
        assert await terminal.wait() == 5


async def test_files_go_both_ways_intact(house: House) -> None:
    large = house.folder / "large"
    large.write_bytes(os.urandom(64 * MIB))
    batch = house.folder / "batch"
    batch.write_text("put large there\nget there back\ncd ../../../..\npwd\nls\n")
    where = ["-P", str(house.port)]
    ran = await house.run(["sftp", *house.options(), *where, "-b", str(batch), f"{house.who}@localhost"])
    assert ran.code == 0, ran.err
    assert digest(house.folder / "back") == digest(large)
    # Upwards is the root of the container, since the server runs in there: what is above it does not exist for it.
    assert b"Remote working directory: /\n" in ran.out
    assert b"www" in ran.out
    copied = await house.run(["scp", *house.options(), *where, f"{house.who}@localhost:there", "scp-back"])
    assert copied.code == 0, copied.err
    assert digest(house.folder / "scp-back") == digest(large)
    legacy = await house.run(["scp", "-O", *house.options(), *where, f"{house.who}@localhost:there", "no"])
    assert legacy.code != 0
    assert "This image has no scp program. Leave out -O" in legacy.err


async def test_a_gibibyte_by_sftp_and_by_a_forward_is_intact(house: House) -> None:
    block = os.urandom(16 * MIB)
    large, back = house.folder / "gibibyte", house.folder / "gibibyte-back"
    with large.open("wb") as out:
        for _ in range(64):
            out.write(block)
    where = ["-P", str(house.port)]
    sent = await house.run(["scp", *house.options(), *where, str(large), f"{house.who}@localhost:g"], seconds=300)
    assert sent.code == 0, sent.err
    got = await house.run(["scp", *house.options(), *where, f"{house.who}@localhost:g", str(back)], seconds=300)
    assert got.code == 0, got.err
    assert digest(back) == digest(large)
    back.unlink()
    port = free_port()
    tunnel = await house.start(house.ssh("-v", "-N", "-L", f"{port}:localhost:7", "--"))
    await house.listening(tunnel)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    came = hashlib.sha256()

    async def receive() -> None:
        left = 64 * len(block)
        while left:
            data = await reader.read(MIB)
            assert data
            came.update(data)
            left -= len(data)

    receiving = asyncio.create_task(receive())
    for _ in range(64):
        writer.write(block)
        await writer.drain()
    async with asyncio.timeout(300):
        await receiving
    assert came.hexdigest() == digest(large)
    writer.close()
    tunnel.terminate()
    await tunnel.communicate()
    large.unlink()
    emptied = await house.run(house.ssh(": > g"))
    assert emptied.code == 0, emptied.err


async def test_ports_of_the_task_and_no_others_are_forwarded(house: House) -> None:
    page = await house.run(house.ssh("-W", "localhost:8000", "--"), stdin=b"GET / HTTP/1.0\r\n\r\n")
    assert page.out.startswith(b"HTTP/1."), page.err
    for target in ("localhost:22", "10.213.0.1:8000", "169.254.169.254:80", f"localhost:{house.port}"):
        refused = await house.run(house.ssh("-W", target, "--"))
        assert (refused.code, "is not an interface of this task" in refused.err) == (255, True)
    port = free_port()
    tunnel = await house.start(house.ssh("-v", "-N", "-D", str(port), "--"))
    await house.listening(tunnel)
    curl = ["curl", "--silent", "--show-error", "--socks5-hostname", f"127.0.0.1:{port}"]
    there = await house.run([*curl, "--output", "/dev/null", "--write-out", "%{http_code}", "http://localhost:8000/"])
    assert there.out in {b"200", b"404"}, there.err
    elsewhere = await house.run([*curl, f"http://127.0.0.1:{house.platform.port}/"])
    assert elsewhere.code != 0
    tunnel.terminate()
    await tunnel.communicate()


async def test_an_editors_server_can_be_installed_and_reached(house: House) -> None:
    # What VS Code's Remote-SSH does: a long script by standard input, a home it may write, a forwarded port.
    script = (
        "\n".join(f"# {number} {'x' * 100}" for number in range(3000)) + '\nmkdir -p ~/.server && echo "at $HOME"\n'
    )
    ran = await house.run(house.ssh("-T", "--", "sh"), stdin=script.encode())
    assert (ran.code, ran.out) == (0, b"at /home/mine\n"), ran.err
    kept = await house.run(house.ssh("ls -a"))
    assert b".server" in kept.out


async def test_many_channels_on_one_connection(house: House) -> None:
    control = ["-o", f"ControlPath={house.folder}/ctl", "-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
    assert (await house.run(house.ssh(*control, "-f", "-N", "--"))).code == 0
    answers = await asyncio.gather(*(house.run(house.ssh(*control, "--", f"echo {number}")) for number in range(8)))
    assert [ran.out for ran in answers] == [b"%d\n" % number for number in range(8)]
    await house.run(house.ssh(*control, "-O", "exit", "--"))


async def test_a_revoked_token_closes_what_is_open(house: House) -> None:
    mine = pair()
    code, made, _ = await house.platform.command("admin", "token", "admin", "--days", "1")
    assert code == 0
    async with house.platform.api() as api:
        bearer = {"Authorization": f"Bearer {made.split()[-1]}"}
        issued = await api.post("/account/ssh-certificates", json={"key": mine.public}, headers=bearer)
        assert issued.status_code == 201, issued.text
        house.write_identity("ending", mine, certificate=issued.json()["certificate"])
        process = await house.start(house.ssh("echo open; exec cat", identity="ending"))
        assert process.stdout is not None
        assert await process.stdout.readline() == b"open\n"
        tokens = (await api.get("/tokens", headers=bearer)).json()
        [its] = [one for one in tokens if one["last_used"] and one["id"] != tokens[-1]["id"]][:1]
        revoked = await api.delete(f"/tokens/{its['id']}", headers=bearer)
        assert revoked.status_code == 204, revoked.text
    async with asyncio.timeout(AT_ONCE):
        _, err = await process.communicate()
    assert (process.returncode, "taken back" in err.decode()) == (255, True)


async def test_a_stopped_task_closes_its_channels_and_is_told(house: House) -> None:
    task = await house.start_task()
    process = await house.start(house.ssh("echo open; exec cat", task=task))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    async with house.platform.api() as api:
        assert (await api.post(f"/tasks/{task}/stop")).status_code == 200
    async with asyncio.timeout(AT_ONCE):
        _, err = await process.communicate()
    assert (process.returncode, "The task is ending" in err.decode()) == (255, True)
    after = await house.run(house.ssh("true", task=task))
    assert (after.code, "cannot be entered" in after.err) == (255, True)


async def test_the_front_door_is_back_within_seconds_and_is_the_same(house: House) -> None:
    await house.platform.kill("connector")

    async def answers() -> bool:
        return (await house.run(house.ssh("true"))).code == 0

    await until(answers, seconds=20, what="the front door")
