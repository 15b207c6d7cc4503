"""The end of a connection to a pod: one that the command made is told from one that broke off."""

import asyncio
import socket

import pytest

from specola.computing.kubernetes.session import OUTPUT, Session, SessionStream
from specola.computing.kubernetes.spdy import data

pytestmark = pytest.mark.anyio


async def come(sent: bytes, *, whole: bool) -> tuple[bytes, bool]:
    """Return what is read from a pod that sends bytes and goes, and whether it broke off."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(sent)
    session = Session(await asyncio.open_connection(sock=ours), terminal=False, errors=False)
    stream, came = SessionStream(session, whole=whole), b""
    try:
        while piece := await stream.read():
            came += piece
    except ConnectionResetError:
        return came, True
    finally:
        await stream.close()
    return came, False


async def test_end_that_the_command_made_is_an_end() -> None:
    sent = data(OUTPUT, b"all of it") + data(OUTPUT, b"", last=True)
    assert await come(sent, whole=True) == (b"all of it", False)


async def test_end_in_the_middle_is_an_error_where_it_matters() -> None:
    sent = data(OUTPUT, b"half of it")
    assert await come(sent, whole=True) == (b"half of it", True)
    assert await come(sent, whole=False) == (b"half of it", False)
