"""What the adapter does for engines on other hosts, without one: transports over streams, clocks, numbers, routes."""

import asyncio
import io
import tarfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from specola.computing.engine.carrying import CarriedTransport
from specola.computing.engine.config import EngineSettings, not_a_persons
from specola.computing.engine.facts import Facts
from specola.computing.engine.networks import routes_in
from specola.computing.engine.placing import Parcel
from specola.computing.engine.users import lowered
from specola.computing.inside.fileserver import FileServer
from specola.computing.inside.paths import CREDENTIAL, HELPER
from specola.domain.computing import HomeMount
from tests.support.places import a_launch

pytestmark = pytest.mark.anyio

MOMENT = datetime(2026, 11, 27, 12, tzinfo=UTC)
ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


class Far:
    """A stream whose other side the test holds."""

    def __init__(self) -> None:
        self.comes: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        self.written = bytearray()
        self.takes = asyncio.Event()
        self.takes.set()
        self.ended = False
        self.closed = asyncio.Event()

    async def read(self, most: int = 65536) -> bytes:  # noqa: ARG002 -- the port's
        """Return what the test has put there."""
        came = await self.comes.get()
        if isinstance(came, OSError):
            raise came
        return came

    async def write(self, data: bytes) -> None:
        """Take it, once the test lets it."""
        await self.takes.wait()
        self.written += data

    async def end(self) -> None:
        """Note it."""
        self.ended = True

    async def close(self) -> None:
        """Note it."""
        self.closed.set()


def opened(far: Far) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport = CarriedTransport(far, protocol)
    return reader, asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())


async def test_each_half_of_a_carried_stream_ends_by_itself() -> None:
    far = Far()
    reader, writer = opened(far)
    writer.write(b"question")
    writer.write_eof()
    far.comes.put_nowait(b"ans")
    far.comes.put_nowait(b"wer")
    far.comes.put_nowait(b"")
    assert await reader.read() == b"answer"
    assert (bytes(far.written), far.ended, far.closed.is_set()) == (b"question", True, False)
    writer.close()
    await writer.wait_closed()
    assert far.closed.is_set()


async def test_who_closes_a_carried_stream_gives_it_up_and_what_was_written_arrives() -> None:
    far = Far()
    _, writer = opened(far)
    writer.write(b"last words")
    writer.close()
    await writer.wait_closed()
    assert (bytes(far.written), far.ended, far.closed.is_set()) == (b"last words", False, True)


async def test_slow_reader_of_a_carried_stream_holds_up_its_writer() -> None:
    far = Far()
    far.takes.clear()
    _, writer = opened(far)
    writer.write(bytes(1024 * 1024))
    draining = asyncio.create_task(writer.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    far.takes.set()
    await draining
    writer.close()
    await writer.wait_closed()
    assert len(far.written) == 1024 * 1024


async def test_break_of_a_carried_stream_is_no_end() -> None:
    far = Far()
    reader, writer = opened(far)
    far.comes.put_nowait(b"half")
    far.comes.put_nowait(ConnectionResetError("cut"))
    with pytest.raises(ConnectionResetError):
        await reader.read()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()
    assert far.closed.is_set()


def test_clock_is_compared_with_the_middle_of_the_question() -> None:
    told = {"SystemTime": (MOMENT + timedelta(seconds=8)).isoformat().replace("+00:00", "Z")}
    facts = Facts.read({}, told, between=(MOMENT, MOMENT + timedelta(seconds=2)))
    assert facts.skew == 7.0
    assert Facts.read({}, {}, between=(MOMENT, MOMENT)).skew is None


def test_numbers_are_within_reach_of_an_engine_without_root() -> None:
    launch = replace(a_launch("a"), number=100_007, home=HomeMount(key="ann", number=100_007, path="/home/ann"))
    low = lowered(launch)
    assert low.home is not None
    assert 1000 <= low.number == low.home.number <= 65_000
    assert lowered(replace(launch, number=100_008)).number == low.number + 1
    assert lowered(low) == low


def test_routes_are_read_without_the_default_one() -> None:
    assert routes_in(ROUTES) == [IPv4Network("10.0.0.0/24")]
    assert routes_in("") == []


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, "own machine"),
        ({"url": "tcp://engine.test:2375"}, "own machine"),
        ({"host": {"address": "a.test", "identity": "local"}}, "own rights"),
        ({"host": {"address": "a.test"}, "insecure_registries": ["a.test:5000"]}, "without TLS"),
        ({"host": {"address": "a.test"}, "helper": "/etc/shadow"}, "platform's own machine"),
    ],
)
def test_settings_that_are_not_a_persons_are_named(settings: dict[str, object], word: str) -> None:
    assert word in not_a_persons(EngineSettings.model_validate(settings))


def test_person_may_add_an_engine_on_a_host_of_theirs() -> None:
    host = {"address": "host.test", "keys": ["ssh-ed25519 AAAA"], "identity": "key"}
    assert not not_a_persons(EngineSettings.model_validate({"host": host, "socket": "~/podman.sock"}))


async def test_what_is_placed_is_whole_however_many_are_prepared_at_once_and_packed_the_same(tmp_path: Path) -> None:
    helper = Path("/bin/busybox")
    for pack in (False, True):
        parcel = Parcel(helper=helper, files=FileServer(tmp_path / "none"))
        archive = partial(parcel.archive, "secret", owner=1, group=2, machine="amd64", pack=pack)
        made = await asyncio.gather(*(asyncio.to_thread(archive) for _ in range(8)))
        names = {names_in(one) for one in made}
        assert len(names) == 1
        assert {HELPER.removeprefix("/"), CREDENTIAL.removeprefix("/")} <= set(names.pop())
        assert HELPER.removeprefix("/") not in names_in(archive(machine="arm64"))


def names_in(archive: io.BytesIO) -> tuple[str, ...]:
    with tarfile.open(fileobj=archive) as tar:
        return tuple(tar.getnames())
