"""What an engine's exec writes, read without an engine."""

import asyncio
import struct

import pytest

from specola.computing.engine.commands import Written
from specola.computing.inside.commands import Output
from specola.computing.inside.guards import Process
from specola.domain.computing import Channel
from specola.domain.errors import LaunchError

pytestmark = pytest.mark.anyio

ANNOUNCED = b"specola 17 4711\n"


def framed(*pieces: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack(">BxxxL", stream, len(data)) + data for stream, data in pieces)


def output(data: bytes, *, terminal: bool = False) -> Output:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return Output(Written(reader, terminal=terminal).read)


async def test_nothing_that_came_with_the_announcement_is_lost_whatever_came_first() -> None:
    one = output(framed((2, b"early\n"), (1, ANNOUNCED[:5]), (2, b"more\n"), (1, ANNOUNCED[5:] + b"out"), (1, b"put")))
    assert await one.announcement() == Process(17, 4711)
    assert await one.read(100) == (Channel.ERRORS, b"early\nmore\n")
    assert await one.read(2) == (Channel.OUTPUT, b"ou")
    assert await one.read(2) == (Channel.OUTPUT, b"t")
    assert await one.read(100) == (Channel.OUTPUT, b"put")
    assert await one.read(100) == (Channel.OUTPUT, b"")


async def test_terminal_ends_the_line_in_its_own_way() -> None:
    one = output(b"specola 17 4711\r\n$ ", terminal=True)
    assert await one.announcement() == Process(17, 4711)
    assert await one.read(100) == (Channel.OUTPUT, b"$ ")


@pytest.mark.parametrize("data", [framed((2, b"no such file\n")), framed((1, b"OCI runtime exec failed\n"))])
async def test_what_is_no_announcement_says_that_there_is_no_way(data: bytes) -> None:
    with pytest.raises(LaunchError) as caught:
        _ = await output(data).announcement()
    assert caught.value.reason_code == "no_commands"


async def test_connection_that_ends_without_a_word_is_told_apart() -> None:
    with pytest.raises(EOFError):
        _ = await output(b"").announcement()


async def test_connection_that_breaks_is_an_end() -> None:
    one = output(framed((1, ANNOUNCED)) + b"\x01\x00\x00")
    _ = await one.announcement()
    assert await one.read(100) == (Channel.OUTPUT, b"")
