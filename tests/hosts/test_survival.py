"""What a host, its SSH server or the network does on the way is survived, and told as what it is."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lab import sshhost
from lab.keys import HOSTS
from lab.ssh import SSHD, prepare_ssh
from lab.sshhost import SshHosts
from specola.domain.errors import AccountRefusedError, ComputingUnreachableError, HostKeyChangedError
from specola.hosts.dialling import Patience
from specola.ports.hosts import Host
from tests.support.hosts import LabHosts, authority_of, connected, served, settings_of
from tests.support.lab import own_ground
from tests.support.places import until

pytestmark = [pytest.mark.anyio, pytest.mark.lab, pytest.mark.slow]

# A machine that is off answers nothing at all.
SHORT = Patience(connect=2.0, enter=5.0, start=10.0, answer=1.0)


@pytest.fixture(scope="module")
def lab() -> Iterator[SshHosts]:
    """The SSH hosts, for the tests of this file alone, which break them."""
    with own_ground() as ground:
        yield sshhost.up(ground)


@pytest.fixture
async def hosts(lab: SshHosts, anyio_backend: str) -> AsyncIterator[LabHosts]:
    """Connections to them, as they are after whatever was done before."""
    sshhost.up(lab.place.ground)
    async with connected(lab, patience=SHORT) as made:
        yield made


@pytest.fixture
def configured(lab: SshHosts) -> Iterator[SshHosts]:
    """The hosts, whose SSH server is set up as usual again in the end."""
    yield lab
    prepare_ssh(lab.place.machine("front"), lab.keys)
    restart(lab)


def restart(lab: SshHosts) -> None:
    """Have the first host's SSH server read its configuration; open connections go on."""
    front = lab.place.machine("front")
    front.end("sshd")
    front.serve(SSHD)


def cut(lab: SshHosts, name: str = "front") -> None:
    """Kill a host's SSH server with all its connections."""
    lab.place.machine(name).signal("sshd", signal.SIGKILL)
    # That machine's processes alone are seen from in there.
    lab.place.machine(name).run("pkill", "-KILL", "sshd-session")


def allow(lab: SshHosts, **settings: str) -> None:
    """Restart the first host's SSH server with other settings."""
    prepare_ssh(lab.place.machine("front"), lab.keys, **settings)
    restart(lab)


async def works(host: Host) -> bool:
    """Tell whether a host can be asked."""
    try:
        return (await host.run(["echo", "well"])).text == "well\n"
    except ComputingUnreachableError:
        return False


@pytest.mark.parametrize("name", ["front", "inner"])
async def test_a_lost_connection_ends_what_went_on_with_an_error_and_the_next_use_makes_another(
    hosts: LabHosts, lab: SshHosts, name: str
) -> None:
    host = hosts.account(name)
    stream = await host.open(["sh", "-c", "echo begun; cat"])
    assert await stream.read() == b"begun\n"
    reading = asyncio.create_task(stream.read())
    running = asyncio.create_task(host.run(["sh", "-c", "touch ~/begun; sleep 600; exit 0"], seconds=600))
    await until(lambda: is_there(host, "begun"))
    cut(lab)
    with pytest.raises(ComputingUnreachableError, match="broke off"):
        await running
    with pytest.raises(OSError, match=r"\w"):
        await reading
    with pytest.raises(OSError, match=r"\w"):
        await stream.write(b"more")
    await stream.close()
    with pytest.raises(ComputingUnreachableError):
        await host.run(["true"])
    sshhost.up(lab.place.ground)
    await until(lambda: works(host))
    await host.run(["rm", "begun"])


async def is_there(host: Host, path: str) -> bool:
    """Tell whether a file is there."""
    return await host.read(path) is not None


async def test_a_restarted_server_disturbs_no_open_connection(hosts: LabHosts, lab: SshHosts) -> None:
    ann = hosts.account("front")
    assert await works(ann)
    restart(lab)
    assert await works(ann)
    assert hosts.identities.asked == ["ann"]


async def test_the_first_use_after_a_machine_was_off_works_by_itself(hosts: LabHosts, lab: SshHosts) -> None:
    host = hosts.account("front")
    assert await works(host)
    lab.place.machine("front").halt()
    sshhost.up(lab.place.ground)
    # What is open seems to be so until somebody uses it.
    assert hosts.made.connections == 1
    assert await works(host)
    assert (await host.connect(22)) is not None
    assert hosts.identities.asked == ["ann", "ann"]


async def test_a_machine_that_falls_silent_is_noticed_and_comes_back_by_itself(hosts: LabHosts, lab: SshHosts) -> None:
    front, host = lab.place.machine("front"), hosts.account("front")
    stream = await host.open(["cat"])
    # It hears us, and we hear nothing.
    silence = ("blackhole", f"{lab.front.address.rpartition('.')[0]}.1/32")
    front.run("ip", "route", "add", *silence)
    async with asyncio.timeout(15):
        with pytest.raises(ComputingUnreachableError):
            await host.run(["true"], seconds=30)
        with pytest.raises(OSError, match=r"\w"):
            await stream.read()
    front.run("ip", "route", "delete", *silence)
    await until(lambda: works(host))


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_a_machine_that_allows_few_sessions_gets_more_connections_for_what_lasts_alone(
    hosts: LabHosts, configured: SshHosts, most: int
) -> None:
    allow(configured, MaxSessions=str(most))
    host = hosts.account("front")
    done = await asyncio.gather(*(host.run(["echo", str(number)]) for number in range(30)))
    assert [int(one.text) for one in done] == list(range(30))
    assert hosts.identities.asked == ["ann"]
    streams = await asyncio.gather(*(host.open(["cat"]) for _ in range(4)))
    async with asyncio.timeout(20):
        done = await asyncio.gather(*(host.run(["echo", str(number)]) for number in range(10)))
        await asyncio.gather(*(host.write(f"many/{number}", b"content") for number in range(10)))
    assert [int(one.text) for one in done] == list(range(10))
    for number, stream in enumerate(streams):
        await stream.write(b"%d" % number)
        assert await stream.read() == b"%d" % number
        await stream.close()
    assert 2 <= len(hosts.identities.asked) <= 6
    await host.run(["rm", "-r", "many"])


async def test_a_machine_that_allows_no_commands_says_so(hosts: LabHosts, configured: SshHosts) -> None:
    front = configured.place.machine("front")
    front.put("/srv/nothing", "#!/bin/sh\necho This account is for transfers alone.\nexit 1\n", mode="0755")
    front.run("usermod", "--shell", "/srv/nothing", "ben")
    try:
        with pytest.raises(AccountRefusedError, match="it runs no commands: This account is for transfers alone"):
            await hosts.account("front", "ben").run(["true"])
    finally:
        front.run("usermod", "--shell", "/bin/bash", "ben")


@pytest.mark.parametrize("subsystem", ["sftp /usr/lib/openssh/sftp-server", "other /bin/false"])
async def test_files_are_reached_by_commands_where_sftp_cannot_be_used(
    hosts: LabHosts, configured: SshHosts, subsystem: str
) -> None:
    allow(configured, Subsystem=subsystem)
    host = hosts.account("front")
    # Where the server of SFTP is a program, it is the login shell that starts it, and that talks first.
    await host.run(["sh", "-c", "cat > .bashrc"], given=b"echo Welcome to the cluster\n")
    content = bytes(range(256)) * 40_000
    await host.write("~/by/command", content, mode=0o640)
    assert await host.read("by/command") == content
    assert await host.read("by/command", most=10) == content[:10]
    assert await host.read("by/none") is None
    assert (await host.run(["stat", "-c", "%a", "by", "by/command"])).text == "700\n640\n"
    assert (await host.run(["ls", "-A", "by"])).text == "command\n"
    with pytest.raises(PermissionError):
        await host.write("/etc/mine", b"")
    with pytest.raises(PermissionError):
        await host.read("/etc/shadow")
    assert await host.read("~/.bashrc") is not None
    await host.run(["rm", "-r", "by", ".bashrc"])
    assert hosts.identities.asked == ["ann"]


async def test_a_machine_that_forwards_nothing_refuses_streams_and_runs_commands(
    hosts: LabHosts, configured: SshHosts
) -> None:
    allow(configured, DisableForwarding="yes")
    host = hosts.account("front")
    with pytest.raises(ConnectionRefusedError):
        await host.connect(22)
    assert await works(host)


async def test_a_changed_host_key_is_told_of_and_nothing_more_is_asked(
    hosts: LabHosts, configured: SshHosts, tmp_path: Path
) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "host"], check=True)
    front = configured.place.machine("front")
    assert await works(hosts.account("front"))
    front.put("/etc/ssh/host", (tmp_path / "host").read_text(encoding="ascii"), mode="0600")
    front.run("rm", "/etc/ssh/host-cert.pub")
    # Whoever is in is not thrown out.
    restart(configured)
    assert await works(hosts.account("front"))
    with pytest.raises(HostKeyChangedError):
        await hosts.account("front", "ben").run(["true"])
    new = (tmp_path / "host.pub").read_text(encoding="ascii")
    hosts.settings["front"] = settings_of(configured.keys, configured.front, keys=(new,))
    assert await works(hosts.account("front", "ben"))


async def test_a_host_certificate_that_was_renewed_needs_nobodys_help(hosts: LabHosts, configured: SshHosts) -> None:
    front, folder = configured.place.machine("front"), configured.keys.folder
    hosts.settings["front"] = settings_of(
        configured.keys, configured.front, keys=(), authorities=authority_of(configured.keys)
    )
    certify(folder, configured.front.address, "-2h:-1h")
    front.put("/etc/ssh/host-cert.pub", (folder / "host-front-cert.pub").read_text(encoding="ascii"))
    restart(configured)
    host = hosts.account("front")
    with pytest.raises(ComputingUnreachableError, match="is not good: Certificate expired"):
        await host.run(["true"])
    certify(folder, configured.front.address, "-5m:+1h")
    front.put("/etc/ssh/host-cert.pub", (folder / "host-front-cert.pub").read_text(encoding="ascii"))
    restart(configured)
    await until(lambda: works(host))


def certify(folder: Path, address: str, validity: str) -> None:
    """Certify the first host's key."""
    words: list[str | Path] = ["-I", "front", "-h", "-n", f"front,{address}", "-V", validity, folder / "host-front.pub"]
    subprocess.run(["ssh-keygen", "-q", "-s", folder / HOSTS, *words], check=True)


async def test_a_restarted_connector_ends_streams_with_an_error_and_is_asked_again(
    hosts: LabHosts, lab: SshHosts, tmp_path: Path
) -> None:
    socket = tmp_path / "hosts.sock"
    async with contextlib.AsyncExitStack() as stack:
        relayed = await stack.enter_async_context(served(hosts.hosts, socket))
        host = relayed.host("front", "ann")
        stream = await host.open(["cat"])
        running = asyncio.create_task(host.run(["sleep", "600"], seconds=600))
        await stream.write(b"here")
        assert await stream.read() == b"here"
        await stack.aclose()
        with pytest.raises(ConnectionResetError):
            await stream.read()
        await stream.close()
        with pytest.raises(ComputingUnreachableError, match="connector"):
            await running
    asking = asyncio.create_task(host.run(["echo", "again"]))
    async with served(hosts.hosts, socket):
        assert (await asking).text == "again\n"
