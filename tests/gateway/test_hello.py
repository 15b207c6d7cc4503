"""The first words of a TLS client are read before the handshake, whoever sends them and in how many pieces."""

import asyncio
import contextlib
import socket
import ssl

import pytest
from hypothesis import given, strategies as st

from specola.gateway.hello import Hello, Incomplete, peek, read_hello

pytestmark = pytest.mark.anyio


def hello(name: str | None, *offered: str) -> bytes:
    """Return what Python's own TLS says first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    if offered:
        context.set_alpn_protocols(list(offered))
    said = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), said, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return said.read()


def in_records(said: bytes, size: int) -> bytes:
    """Cut a hello into several records, as TLS allows."""
    body = said[5:]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(said[:3] + len(piece).to_bytes(2) + piece for piece in pieces)


def test_names_and_protocols_are_read() -> None:
    assert read_hello(hello("db.tasks.test", "postgresql")) == Hello(b"db.tasks.test", (b"postgresql",))
    assert read_hello(hello("lab.tasks.test", "h2", "http/1.1")) == Hello(b"lab.tasks.test", (b"h2", b"http/1.1"))
    assert read_hello(hello(None)) == Hello()
    assert read_hello(in_records(hello("db.tasks.test"), 11)) == Hello(b"db.tasks.test")


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 8, b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"])
def test_what_is_no_hello_names_nothing(said: bytes) -> None:
    assert read_hello(said) == Hello()


def test_every_beginning_is_incomplete() -> None:
    said = hello("db.tasks.test", "postgresql")
    for size in range(len(said)):
        with pytest.raises(Incomplete):
            read_hello(said[:size])


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(said: bytes) -> None:
    for data in (said, b"\x16\x03\x01" + len(said).to_bytes(2) + said):
        with contextlib.suppress(Incomplete):
            read_hello(data)


@given(st.integers(min_value=0, max_value=400), st.integers(min_value=0, max_value=255))
def test_a_hello_with_a_wrong_byte_breaks_nothing(place: int, value: int) -> None:
    said = bytearray(SAID)
    said[place % len(said)] = value
    with contextlib.suppress(Incomplete):
        read_hello(bytes(said))


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        there = socket.create_connection(listening.getsockname())
        here, _ = listening.accept()
    return here, there


SAID = hello("db.tasks.test", "postgresql")


async def test_a_hello_in_pieces_is_waited_for_and_stays() -> None:
    here, there = tcp_pair()
    with here, there:
        here.setblocking(False)
        looking = asyncio.create_task(peek(here))
        for at in range(len(SAID)):
            there.send(SAID[at : at + 1])
            await asyncio.sleep(0)
        assert await looking == Hello(b"db.tasks.test", (b"postgresql",))
        assert here.recv(65536) == SAID


@pytest.mark.parametrize(("said", "read"), [(b"", None), (SAID[:40], Hello())], ids=["nothing", "a part"])
async def test_who_leaves_in_the_middle_is_not_waited_for(said: bytes, read: Hello | None) -> None:
    here, there = tcp_pair()
    with here:
        here.setblocking(False)
        looking = asyncio.create_task(peek(here))
        there.send(said)
        there.close()
        async with asyncio.timeout(10):
            assert await looking == read
