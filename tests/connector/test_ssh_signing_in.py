"""Who comes in at the front door, who does not, and what ends when a right is taken back."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from specola.domain.person import Scope
from specola.domain.task import TaskState
from specola.openssh import read_key
from tests.support.openssh import SECONDS
from tests.support.ssh_stage import NAMES, SshStage, open_ssh_stage
from tests.support.sshkeys import pair, rsa_pair

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

AT_ONCE = 2.0


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncIterator[SshStage]:
    async with open_ssh_stage() as opened:
        yield opened


# -- who the front door is ----------------------------------------------------------------------------------------------


async def test_the_authority_alone_makes_the_host_known(stage: SshStage) -> None:
    for name in NAMES:
        argv = [word.replace("@localhost", f"@{name}") for word in stage.ssh("-v", "--", "echo hi")]
        ran = await stage.run(argv)
        assert ran.out == b"hi\n", ran.err
        assert "Server host certificate: ssh-ed25519-cert-v01@openssh.com" in ran.err
    (stage.folder / "nobody").write_text("")
    unknown = await stage.run(stage.ssh("echo hi", known="nobody"))
    assert (unknown.code, "Host key verification failed" in unknown.err) == (255, True)
    other = stage.platform.services.ssh_authority.users
    (stage.folder / "other").write_text(f"@cert-authority [localhost]:{stage.port} {other}\n")
    wrong = await stage.run(stage.ssh("echo hi", known="other"))
    assert (wrong.code, wrong.out) == (255, b"")


async def test_openssh_is_given_the_fastest_cipher_and_others_have_a_choice(stage: SshStage) -> None:
    ran = await stage.run(stage.ssh("-v", "--", "true"))
    assert "cipher: aes128-gcm@openssh.com" in ran.err
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(b"SSH-2.0-Other_1.0\r\n")
    await reader.readline()
    offered = await reader.readuntil(b"chacha20-poly1305@openssh.com")
    assert b"aes128-gcm@openssh.com" in offered
    assert b"zlib" not in offered
    assert b"kex-strict-s-v00@openssh.com" in offered
    writer.close()


async def test_the_certificate_is_good_for_no_other_name(stage: SshStage) -> None:
    line = stage.platform.services.keys.known_hosts(("elsewhere.test",), stage.port)
    (stage.folder / "elsewhere").write_text(line + "\n")
    argv = stage.ssh("-o", "HostKeyAlias=elsewhere.test", "--", "echo hi", known="elsewhere")
    assert (await stage.run(argv)).code == 255


# -- who comes in -------------------------------------------------------------------------------------------------------


async def test_a_wrong_key_is_refused(stage: SshStage) -> None:
    stage.write_identity("stranger", pair())
    ran = await stage.run(stage.ssh("echo hi", identity="stranger"))
    assert (ran.code, ran.out) == (255, b"")
    assert "Permission denied (publickey,password)" in ran.err


async def test_a_public_key_without_its_private_half_is_worth_nothing(stage: SshStage) -> None:
    mine, other = pair(), pair()
    await stage.platform.services.keys.add(stage.ada, mine.public)
    path = stage.write_identity("half", other)
    path.with_name("half.pub").write_text(mine.public + "\n")
    assert (await stage.run(stage.ssh("echo hi", identity="half"))).code == 255


async def test_an_rsa_key_signs_with_sha2(stage: SshStage) -> None:
    mine = rsa_pair(3072)
    await stage.platform.services.keys.add(stage.ada, mine.public)
    stage.write_identity("rsa", mine)
    ran = await stage.run(stage.ssh("echo hi", identity="rsa"))
    assert ran.out == b"hi\n", ran.err
    old = await stage.run(stage.ssh("-o", "PubkeyAcceptedAlgorithms=ssh-rsa", "--", "echo hi", identity="rsa"))
    assert old.code == 255


async def test_a_certificate_lets_its_person_in(stage: SshStage) -> None:
    mine = pair()
    token, _ = await stage.token("laptop")
    actor = (await stage.platform.services.people.admitted(token_id=token)).actor
    issued = await stage.platform.services.keys.certify(actor, mine.public)
    stage.write_identity("certified", mine, certificate=issued.text)
    ran = await stage.run(stage.ssh("echo hi", identity="certified"))
    assert ran.out == b"hi\n", ran.err
    await stage.platform.services.people.revoke_token(stage.ada, token)
    assert (await stage.run(stage.ssh("echo hi", identity="certified"))).code == 255


@pytest.mark.parametrize("fault", ["expired", "of another authority", "for another person", "unknown number"])
async def test_a_certificate_with_a_fault_is_refused(stage: SshStage, fault: str) -> None:
    mine = pair()
    services = stage.platform.services
    token, _ = await stage.token(fault)
    actor = (await services.people.admitted(token_id=token)).actor
    issued = (await services.keys.certify(actor, mine.public)).value
    now = stage.platform.context.clock.now()
    authority = stage.another_authority() if fault == "of another authority" else services.ssh_authority
    forged = authority.certify_user(
        read_key(mine.public),
        name="eve" if fault == "for another person" else "ada",
        serial=issued.serial + (fault == "unknown number"),
        created=now - timedelta(hours=2),
        expires=now - timedelta(hours=1) if fault == "expired" else now + timedelta(hours=1),
    )
    stage.write_identity("faulty", mine, certificate=forged)
    ran = await stage.run(stage.ssh("echo hi", identity="faulty"))
    assert (ran.code, ran.out) == (255, b"")
    assert "Permission denied" in ran.err


async def test_a_token_is_a_password(stage: SshStage) -> None:
    _, secret = await stage.token("password")
    _, reader = await stage.token("reader", Scope.READ)
    answered = {}
    for name, password in (("right", secret), ("wrong", "specola_wrong"), ("reader", reader)):
        ask = stage.folder / f"ask-{name}"
        ask.write_text(f"#!/bin/sh\necho {password}\n")
        ask.chmod(0o700)
        argv = stage.ssh("-o", "NumberOfPasswordPrompts=1", "--", "echo hi")
        argv = [word.replace("PasswordAuthentication=no", "PreferredAuthentications=password") for word in argv]
        argv = ["BatchMode=no" if word == "BatchMode=yes" else word for word in argv]
        answered[name] = await stage.run(argv, SSH_ASKPASS=str(ask), SSH_ASKPASS_REQUIRE="force")
    assert answered["right"].out == b"hi\n", answered["right"].err
    assert (answered["wrong"].code, answered["reader"].code) == (255, 255)


# -- what ends ----------------------------------------------------------------------------------------------------------


async def opened(stage: SshStage, identity: str = "ada") -> asyncio.subprocess.Process:
    process = await stage.start(stage.ssh("echo open; exec cat", identity=identity))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    return process


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    async with asyncio.timeout(AT_ONCE):
        _, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, err.decode()


async def test_a_key_that_is_removed_closes_what_is_open_by_it(stage: SshStage) -> None:
    mine = pair()
    key = await stage.platform.services.keys.add(stage.ada, mine.public)
    stage.write_identity("removed", mine)
    before = set(stage.computing.running)
    process = await opened(stage, "removed")
    [running] = stage.computing.running - before
    other = await opened(stage)
    await stage.platform.services.keys.remove(stage.ada, key.id)
    code, err = await ended(process)
    assert (code, "Your right to this was taken back." in err) == (255, True)
    async with asyncio.timeout(SECONDS):
        assert await running.process.wait() != 0
    assert other.returncode is None
    other.kill()
    await other.communicate()


async def test_a_token_that_is_revoked_closes_every_kind_of_channel(stage: SshStage) -> None:
    mine = pair()
    token, _ = await stage.token("to revoke")
    people = stage.platform.services.people
    issued = await stage.platform.services.keys.certify((await people.admitted(token_id=token)).actor, mine.public)
    stage.write_identity("ending", mine, certificate=issued.text)

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    listening = await asyncio.start_server(swallow, "127.0.0.1", 0)
    stage.computing.ports[8000] = listening.sockets[0].getsockname()[1]
    shell = await opened(stage, "ending")
    forward = await stage.start(stage.ssh("-W", "localhost:8000", "--", identity="ending"))
    files = await stage.start(stage.ssh("-s", "--", "sftp", identity="ending"))
    idle = await stage.start(stage.ssh("-N", "--", identity="ending"))
    await stage.until_open(f"token:{token}", *(["connection"] * 4), "forward", "sftp", "ssh")
    await people.revoke_token(stage.ada, token)
    results = await asyncio.gather(*(ended(one) for one in (shell, forward, files, idle)))
    # `ssh -W` ends well whoever closes its one channel.
    assert [code != 0 for code, _ in results] == [True, False, True, True], results
    assert not [one for one in stage.live.open if f"token:{token}" in one.marks]
    listening.close()


async def test_a_task_that_is_stopped_closes_its_channels(stage: SshStage) -> None:
    task = await stage.platform.started(stage.ada)
    await stage.add_way(task)
    process = await stage.start(stage.ssh("echo open; exec cat", task=task.id))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    await stage.platform.services.tasks.stop(stage.ada, task.id)
    code, err = await ended(process)
    assert (code, "The task is ending" in err) == (255, True)


async def test_a_task_that_ends_by_itself_closes_its_channels(stage: SshStage) -> None:
    task = await stage.platform.started(stage.ada)
    await stage.add_way(task)
    process = await stage.start(stage.ssh("echo open; exec cat", task=task.id))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    handle = (await stage.platform.record(task.id)).handle
    assert handle is not None
    await stage.platform.world.kill(handle)
    await stage.platform.until_state(task.id, TaskState.FAILED, TaskState.FINISHED)
    code, err = await ended(process)
    assert (code, "has ended" in err) == (255, True)


async def test_each_channel_asks_for_the_right_again(stage: SshStage) -> None:
    control = ["-o", f"ControlPath={stage.folder}/again", "-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
    task = await stage.platform.started(stage.ada)
    await stage.add_way(task)
    first = await stage.run(stage.ssh(*control, "-f", "-N", "--", task=task.id))
    assert first.code == 0, first.err
    assert (await stage.run(stage.ssh(*control, "--", "echo hi", task=task.id))).out == b"hi\n"
    await stage.platform.services.tasks.stop(stage.ada, task.id)
    refused = await stage.run(stage.ssh(*control, "--", "echo hi", task=task.id))
    assert (refused.code, refused.out) == (255, b"")
    assert "cannot be entered" in refused.err
    await stage.run(stage.ssh(*control, "-O", "exit", "--", task=task.id))


async def test_channels_outlive_a_restart_of_web(stage: SshStage) -> None:
    process = await opened(stage)
    await stage.platform.end("web")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"still here\n")
    assert await process.stdout.readline() == b"still here\n"
    without = await stage.run(stage.ssh("echo hi"))
    assert without.code == 255
    stage.platform.begin("web")
    await stage.until(stage.answers)
    process.stdin.write(b"still here\n")
    assert await process.stdout.readline() == b"still here\n"
    process.kill()
    await process.communicate()


# -- before anybody is known --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(512),
        b"SSH-1.99-old\r\n",
        b"SSH-2.0-x\r\n" + b"\xff" * 4096,
        b"SSH-2.0-x\r\n\x00\x00\x00\x00",
        b"SSH-2.0-x\r\n" + (0x7FFFFFFF).to_bytes(4, "big") + bytes(64),
        # The password request of an authentication that has not begun, without any keys exchanged.
        b"SSH-2.0-x\r\n\x00\x00\x00\x0c\x0a\x32" + bytes(10),
        # A channel, before anything else.
        b"SSH-2.0-x\r\n\x00\x00\x00\x1c\x04\x5a\x00\x00\x00\x07session" + bytes(16),
        b"x" * 100_000,
        os.urandom(2000),
        b"",
    ],
    ids=range(11),
)
async def test_garbage_ends_its_connection_and_nothing_else(stage: SshStage, garbage: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(garbage)
    writer.write_eof()
    async with asyncio.timeout(SECONDS):
        try:
            answer = await reader.read(-1)
        except ConnectionError:
            answer = b""
    assert answer.startswith(b"SSH-2.0-Specola") or answer == b""
    assert b"session" not in answer
    writer.close()
    assert (await stage.run(stage.ssh("echo hi"))).out == b"hi\n"


async def test_a_crowd_of_unknown_is_sent_away(stage: SshStage) -> None:
    crowd = [await asyncio.open_connection("127.0.0.1", stage.port) for _ in range(16)]
    for reader, _ in crowd:
        assert (await reader.readline()).startswith(b"SSH-2.0-Specola")
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    async with asyncio.timeout(SECONDS):
        with contextlib.suppress(ConnectionError):
            assert await reader.read(-1) == b""
    writer.close()
    for _, one in crowd:
        one.close()
        await one.wait_closed()
    await stage.until(stage.answers)


async def test_a_port_that_is_taken_is_tried_again(stage: SshStage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        door = stage.another_door(taken.getsockname()[1])
        serving = asyncio.create_task(door.run())
        listening = asyncio.create_task(door.port())
        done, _ = await asyncio.wait({serving, listening}, timeout=0.3)
        assert not done
    async with asyncio.timeout(SECONDS):
        assert await listening > 0
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
