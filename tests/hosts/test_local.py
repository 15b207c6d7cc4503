"""The machine itself as a host."""

import asyncio
import os
import pwd
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from specola.clock import Clock
from specola.connector.identities import ConnectorIdentities
from specola.domain.errors import ComputingUnreachableError
from specola.hosts.config import HostSettings, Identity
from specola.hosts.local import LocalHost
from specola.hosts.registered import RegisteredHosts
from specola.ports.computing import Stream
from tests.support.harness import short_folder

pytestmark = pytest.mark.anyio

# Whom the platform is on this machine where it was started as root.
USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of that user."""
    with short_folder() as made:
        made.chmod(0o755)
        (made / "theirs").mkdir(mode=0o700)
        entry = pwd.getpwnam(USER)
        os.chown(made / "theirs", entry.pw_uid, entry.pw_gid)
        yield made / "theirs"


@pytest.fixture
def host() -> LocalHost:
    """This machine."""
    return LocalHost("here", USER)


async def read_all(stream: Stream) -> bytes:
    """Read a stream to its end."""
    parts = []
    while data := await stream.read(1 << 20):
        parts.append(data)
    return b"".join(parts)


async def test_commands_run_as_the_platforms_user(host: LocalHost) -> None:
    assert host.account == USER
    done = await host.run(["sh", "-c", "cat; id -un >&2; exit 3"], given=b"input")
    assert (done.code, done.output, done.complaint) == (3, b"input", USER)
    assert (await host.run(["sh", "-c", "kill -KILL $$"])).code == 137
    missing = await host.run(["there-is-no-such-program"])
    assert (missing.code, missing.complaint) == (127, "sh: 1: exec: there-is-no-such-program: not found")
    assert (await host.run(["printf", "%s", "a 'b' $c\n"])).text == "a 'b' $c\n"


async def test_settings_of_the_platform_are_not_shown_to_commands(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECOLA_DATABASE_URL", "secret")
    assert "secret" not in (await host.run(["env"])).text


async def test_a_command_that_takes_too_long_or_talks_too_much_is_ended(host: LocalHost) -> None:
    with pytest.raises(ComputingUnreachableError, match=r"“sh” was not done within 0\.2 s"):
        await host.run(["sh", "-c", "sleep 5431 & exec sleep 5432"], seconds=0.2)
    assert (await host.run(["pgrep", "-f", "^sleep 543[12]$"])).code == 1
    with pytest.raises(ComputingUnreachableError, match="more than 5 MiB"):
        await host.run(["cat", "/dev/zero"])


async def test_streams_of_commands_end_half_by_half(host: LocalHost) -> None:
    stream = await host.open(["sh", "-c", "cat; echo the end"])
    sent = random.Random(5).randbytes(3_000_000)

    async def feed() -> None:
        await stream.write(sent)
        await stream.end()

    feeding = asyncio.create_task(feed())
    assert await read_all(stream) == sent + b"the end\n"
    await feeding
    await stream.close()
    hanging = await host.open(["sleep", "5433"])
    await hanging.close()
    assert (await host.run(["pgrep", "-f", "^sleep 5433$"])).code == 1
    nothing = await host.open(["/there/is/none"])
    assert await nothing.read() == b""
    await nothing.close()


async def test_streams_reach_sockets_that_the_user_may_use(host: LocalHost, folder: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read() + b" came")
        writer.close()

    unix = await asyncio.start_unix_server(answer, folder / "there.sock")
    (folder / "there.sock").chmod(0o666)
    tcp = await asyncio.start_server(answer, "127.0.0.1", 0)
    for where in (str(folder / "there.sock"), tcp.sockets[0].getsockname()[1]):
        stream = await host.connect(where)
        await stream.write(b"it")
        await stream.end()
        assert await read_all(stream) == b"it came"
        await stream.close()
    unix.close()
    tcp.close()
    for nobody in (str(folder / "there.sock"), str(folder / "none"), 1):
        with pytest.raises(ConnectionRefusedError):
            await host.connect(nobody)
    with pytest.raises(ComputingUnreachableError):
        await host.beyond("node1", 22)


async def test_files_are_written_whole_and_read_back(host: LocalHost, folder: Path) -> None:
    path = folder / "deep/er/file"
    await host.write(str(path), b"content", mode=0o640)
    assert await host.read(str(path)) == b"content"
    assert await host.read(str(path), most=3) == b"con"
    assert await host.read(str(folder / "none")) is None
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.owner() == USER
    assert [one.name for one in path.parent.iterdir()] == ["file"]


async def test_files_of_others_are_out_of_reach(host: LocalHost, folder: Path) -> None:
    with pytest.raises(PermissionError):
        await host.read("/proc/1/environ")
    with pytest.raises(PermissionError):
        await host.write("/etc/mine", b"")
    # Whoever this process is, it is again.
    (folder / "ours").write_text("content", encoding="ascii")
    assert (folder / "ours").owner() == pwd.getpwuid(os.geteuid()).pw_name


async def test_a_record_names_it(folder: Path) -> None:
    async def settings(_computing: str) -> HostSettings:
        return HostSettings(address="localhost", identity=Identity.LOCAL)

    # Nobody is asked for what opens the platform's own account.
    identities = ConnectorIdentities(Path("/nowhere.sock"), Path("/nowhere.sock"), clock=Clock())
    hosts = RegisteredHosts(settings, identities, local_user=USER)
    assert await hosts.accounts("here") == (USER,)
    assert (await hosts.host("here", USER).run(["id", "-un"])).text == f"{USER}\n"
