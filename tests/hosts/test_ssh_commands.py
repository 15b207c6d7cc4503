"""Commands, streams and files on hosts by SSH."""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable

import pytest

from lab.sshhost import SshHosts
from specola.domain.errors import AccountRefusedError, ComputingUnreachableError
from specola.ports.computing import Stream
from specola.ports.hosts import Host
from tests.support.hosts import LabHosts, connected
from tests.support.places import until

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

ODD = ("a b", "it's", '$HOME `id` "q"', "new\nline", "é!", "\\n\\0", "*", "", "~", "-n", "%s", "a;b|c&d", "\t")

# Answers once nothing more comes: with all of it, and some more.
ECHO = """
import os, socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
print("ready", flush=True)
connection, _ = listening.accept()
os.unlink(sys.argv[1])
came = b"".join(iter(lambda: connection.recv(65536), b""))
connection.sendall(came + b"after the end")
"""


async def read_all(stream: Stream) -> bytes:
    """Read a stream to its end."""
    parts = []
    while data := await stream.read(1 << 20):
        parts.append(data)
    return b"".join(parts)


async def greeting(stream: Stream) -> bytes:
    """Return what a server says first."""
    try:
        return await stream.read()
    finally:
        await stream.close()


@pytest.mark.parametrize("name", ["front", "inner"])
async def test_a_command_tells_how_it_ended(hosts: LabHosts, name: str) -> None:
    host = hosts.account(name)
    done = await host.run(["sh", "-c", "cat; echo complaint >&2; exit 7"], given=b"input")
    assert (done.code, done.output, done.complaint) == (7, b"input", "complaint")
    assert (await host.run(["hostname"])).text == f"{name}\n"
    assert (await host.run(["sh", "-c", "kill -KILL $$"])).code == 137
    missing = await host.run(["there-is-no-such-program"])
    assert (missing.code, missing.complaint) == (127, "sh: 1: exec: there-is-no-such-program: not found")


async def test_arguments_arrive_as_they_are(hosts: LabHosts) -> None:
    done = await hosts.account("front").run(["printf", "%s\\0", *ODD])
    assert tuple(done.text.split("\0")[:-1]) == ODD
    with pytest.raises(ValueError, match="zero byte"):
        await hosts.account("front").run(["echo", "a\0b"])


async def test_a_hundred_commands_at_once_go_over_one_connection(hosts: LabHosts, lab: SshHosts) -> None:
    front = hosts.account("front")
    done = await asyncio.gather(*(front.run(["echo", str(number)]) for number in range(100)))
    assert [int(one.text) for one in done] == list(range(100))
    assert hosts.identities.asked == ["ann"]
    told = lab.place.machine("front").run("ss", "-Htn", "state", "established", "sport", "=", ":22")
    ours = lab.front.address.rpartition(".")[0] + ".1:"
    peers = [line.split()[3] for line in told.splitlines() if line.split()[3].startswith(ours)]
    assert len(peers) == 1


async def test_what_a_login_shell_says_by_itself_is_in_no_output(hosts: LabHosts) -> None:
    ben = hosts.account("front", "ben")
    await ben.write("~/.bashrc", b"echo Welcome to the cluster; echo Mind your quota >&2; printf 'no end of line'\n")
    try:
        done = await ben.run(["sh", "-c", "echo answer; echo complaint >&2"])
        assert (done.output, done.errors) == (b"answer\n", b"complaint\n")
        stream = await ben.open(["cat"])
        await stream.write(b"bytes")
        await stream.end()
        assert await read_all(stream) == b"bytes"
        await stream.close()
    finally:
        await ben.run(["rm", ".bashrc"])


async def test_a_command_that_takes_too_long_is_ended(hosts: LabHosts) -> None:
    front = hosts.account("front")
    with pytest.raises(ComputingUnreachableError, match=r"“sh” was not done within 0\.5 s"):
        await front.run(["sh", "-c", "sleep 4321 & sleep 4322"], seconds=0.5)
    # Its processes are gone by the time another one can be asked.
    done = await front.run(
        ["sh", "-c", "for i in $(seq 50); do pgrep -f 'sleep 432[1]' || exit 0; sleep 0.1; done; exit 1"]
    )
    assert done.code == 0


async def test_a_command_that_never_stops_talking_is_ended(hosts: LabHosts) -> None:
    with pytest.raises(ComputingUnreachableError, match="more than 5 MiB"):
        await hosts.account("front").run(["cat", "/dev/zero"])
    assert len((await hosts.account("front").run(["head", "-c", "4000000", "/dev/zero"])).output) == 4_000_000


async def test_big_streams_arrive_whole_both_ways_and_end_half_by_half(hosts: LabHosts) -> None:
    sent = random.Random(7).randbytes(20_000_000)
    stream = await hosts.account("inner").open(["sh", "-c", "cat; echo the end"])

    async def feed() -> None:
        for start in range(0, len(sent), 100_000):
            await stream.write(sent[start : start + 100_000])
        await stream.end()

    feeding = asyncio.create_task(feed())
    came = await read_all(stream)
    await feeding
    await stream.close()
    assert came.endswith(b"the end\n")
    assert hashlib.sha256(came[:-8]).digest() == hashlib.sha256(sent).digest()


async def test_a_slow_reader_holds_up_the_command(hosts: LabHosts) -> None:
    front = hosts.account("front")
    stream = await front.open(["sh", "-c", "head -c 100000000 /dev/zero; touch ~/all-written"])
    assert len(await stream.read(1000)) == 1000
    # Another question is answered meanwhile.
    assert (await front.run(["test", "-e", "all-written"])).code == 1
    await stream.close()
    assert (await front.run(["test", "-e", "all-written"])).code == 1


async def test_streams_reach_sockets_and_ports_of_the_machine(hosts: LabHosts) -> None:
    front = hosts.account("front")
    assert (await greeting(await front.connect(22))).startswith(b"SSH-2.0-")
    server = await front.open(["python3", "-c", ECHO, "echo.sock"])
    assert await server.read() == b"ready\n"
    stream = await front.connect("~/echo.sock")
    sent = random.Random(9).randbytes(3_000_000)
    for start in range(0, len(sent), 100_000):
        await stream.write(sent[start : start + 100_000])
    await stream.end()
    assert await read_all(stream) == sent + b"after the end"
    await stream.close()
    assert await read_all(server) == b""
    await server.close()
    for nobody in (1, "/nowhere.sock"):
        with pytest.raises(ConnectionRefusedError):
            await front.connect(nobody)


async def test_a_stream_leads_to_a_machine_beyond(hosts: LabHosts, lab: SshHosts) -> None:
    """The inner machine, whose key is certified by the authority that the first one's record names."""
    front = hosts.account("certified")
    inner = lab.inner.name
    assert (await greeting(await front.beyond(inner, 22))).startswith(b"SSH-2.0-")
    with pytest.raises(ConnectionRefusedError):
        await front.beyond(inner, "/nowhere.sock")
    with pytest.raises(ComputingUnreachableError):
        await front.beyond("nobody", 22)


async def test_files_are_written_whole_and_read_back(hosts: LabHosts) -> None:
    front = hosts.account("front")
    content = random.Random(8).randbytes(300_000)
    await front.write("~/files/deep/one", content, mode=0o640)
    assert await front.read("~/files/deep/one") == content
    assert await front.read("files/deep/one", most=10) == content[:10]
    assert (await front.run(["stat", "-c", "%a", "files", "files/deep", "files/deep/one"])).text == "700\n700\n640\n"
    await front.write("/home/ann/files/deep/one", b"another")
    assert await front.read("~/files/deep/one") == b"another"
    assert (await front.run(["ls", "-A", "files/deep"])).text == "one\n"
    assert await front.read("~/files/none") is None
    with pytest.raises(PermissionError):
        await front.write("/etc/mine", b"")
    with pytest.raises(PermissionError):
        await hosts.account("front", "ben").read("/home/ann/files/deep/one")
    await front.run(["rm", "-r", "files"])


async def test_an_account_that_is_nobodys_is_not_asked_for(hosts: LabHosts) -> None:
    with pytest.raises(AccountRefusedError, match="nobody here has proven"):
        await hosts.account("front", "zoe").run(["true"])
    hosts.identities.people = ("ann", "ben", "root")
    assert await hosts.hosts.accounts("front") == ("ann", "ben", "root")


async def opened_and_closed(opening: Awaitable[Stream]) -> None:
    """Have a stream for a moment."""
    await (await opening).close()


USES: dict[str, Callable[[Host, str], Awaitable[object]]] = {
    "run": lambda host, _: host.run(["cat"], given=b"input"),
    "open": lambda host, _: opened_and_closed(host.open(["cat"])),
    "connect": lambda host, _: opened_and_closed(host.connect(22)),
    "beyond": lambda host, machine: opened_and_closed(host.beyond(machine, 22)),
    "read": lambda host, _: host.read(".profile"),
    "write": lambda host, _: host.write("given-up", b"content"),
}


@pytest.mark.parametrize("verb", USES)
async def test_what_is_given_up_half_way_leaves_nothing_in_use(lab: SshHosts, verb: str) -> None:
    async with connected(lab, idle=0) as hosts:
        front = hosts.account("certified")
        holding: list[Stream] = []
        # First with no connection open, then with one.
        for _ in range(2):
            for step in range(16):
                using = asyncio.ensure_future(USES[verb](front, lab.inner.name))
                # However fast this machine is, some are given up in the middle.
                await asyncio.wait({using}, timeout=0.003 * step)
                using.cancel()
                await asyncio.gather(using, return_exceptions=True)
            holding.append(await front.open(["cat"]))
        for stream in holding:
            await stream.close()
        await until(hosts.is_idle)
        await USES[verb](front, lab.inner.name)
