"""An account runs what it likes in place of the agent, and writes what it likes into its folders: nobody else may suffer."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from specola.computing.batch.agent.pieces import CODE, OUTPUT, piece
from specola.computing.batch.lines import LONGEST, whole_lines
from specola.computing.batch.mux import Link, Request, Stream
from specola.computing.batch.running import CommandRunning
from specola.computing.batch.session import Session
from specola.computing.batch.traces import Look, Trace
from specola.computing.tcp import SocketStream
from specola.domain.errors import ComputingUnreachableError
from specola.ports.hosts import Finished

pytestmark = pytest.mark.anyio


class Told:
    """A stream that brings what the test says, and then breaks off or ends."""

    def __init__(self, *parts: bytes, breaks: bool = False) -> None:
        self._parts = list(parts)
        self._breaks = breaks

    async def read(self, most: int = 65536) -> bytes:
        """Return the next part."""
        if not self._parts:
            if self._breaks:
                raise ConnectionResetError("gone")
            return b""
        part = self._parts.pop(0)
        if len(part) > most:
            self._parts.insert(0, part[most:])
        return part[:most]

    async def write(self, data: bytes) -> None:
        """Take it."""

    async def end(self) -> None:
        """Take it."""

    async def close(self) -> None:
        """Take it."""


@contextlib.asynccontextmanager
async def answering(answer: dict[str, Any], *, content: bytes = b"") -> AsyncIterator[Session]:
    """A session to somebody who answers everything alike."""

    async def accept(_request: Request, stream: Stream) -> None:
        await stream.reply(answer)
        await stream.write(content)

    near, far = socket.socketpair()
    link = Link(SocketStream(*await asyncio.open_connection(sock=far)), accept=accept)
    running = asyncio.create_task(link.run())
    session = await Session.over(SocketStream(*await asyncio.open_connection(sock=near)))
    try:
        yield session
    finally:
        await session.close()
        await asyncio.wait([running])


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"cpus": "many", "at": 0, "memory": 0, "received": 0, "sent": 0, "ports": 7, "terminals": [], "status": "x"},
        {"at": 1e300, "cpus": float("nan"), "ports": {"x": 1}, "terminals": "x", "status": 3},
        {"error": "no"},
    ],
)
async def test_answers_that_cannot_be_read_break_the_connection_and_nothing_else(answer: dict[str, Any]) -> None:
    async with answering(answer) as session:
        for ask in (session.usage, session.ports, session.status):
            with pytest.raises(ConnectionError):
                await ask()
        with pytest.raises(ConnectionError):
            await session.tell("x")


async def test_ports_and_amounts_are_possible_ones() -> None:
    async with answering({"ports": {"80": True, "0": True, "99999999": False}}) as session:
        assert await session.ports() == {80: True}
    told = {"at": 0, "cpus": -1, "memory": 1e30, "received": -5, "sent": 2}
    async with answering(told) as session:
        usage = await session.usage()
        assert (usage.cpus, usage.received, usage.sent) == (0.0, 0, 2)
        assert usage.memory < 2**62


async def test_line_without_an_end_is_not_waited_for() -> None:
    with pytest.raises(ConnectionResetError, match="no end"):
        _ = [line async for line in whole_lines(Told(b"a\n", *[b"x" * 65536] * (LONGEST // 65536 + 1)))]
    assert [line async for line in whole_lines(Told(b"a\nb", b"c\nd"))] == [b"a", b"bc"]


async def test_lines_that_are_none_are_left_out_of_a_log() -> None:
    lines = b'nonsense\n[1e300, "stdout", "x"]\n[1, "stdout", "said"]\n'
    async with answering({"ok": True}, content=lines) as session:
        assert [line.text async for line in session.logs()] == ["said"]


async def test_command_whose_connection_broke_has_no_exit_code() -> None:
    async def lost() -> int:
        raise ComputingUnreachableError("cluster", "the connection to the command broke")

    running = CommandRunning(Told(piece(OUTPUT, b"half"), breaks=True), terminal=False, lost=lost)
    assert (await running.read())[1] == b"half"
    assert (await running.read())[1] == b""
    with pytest.raises(ComputingUnreachableError, match="broke"):
        await running.wait()


async def test_command_that_ended_tells_its_code() -> None:
    running = CommandRunning(Told(piece(CODE, b"odd"), piece(CODE, b"7")), terminal=False)
    assert (await running.read())[1] == b""
    assert await running.wait() == 7


def test_what_a_folder_says_is_of_its_kind() -> None:
    status = {"exit_code": 10**30, "started": 1e300, "ended": float("nan"), "sentence": "a\x00b\ud800" + "c" * 9999}
    trace = Trace(there=True, status=status, job={"pre_stop": "x"})
    assert (trace.exit_code, trace.moment("started"), trace.moment("ended")) == (None, None, None)
    assert trace.pre_stop == timedelta()
    assert Trace(job={"pre_stop": 1e9}).pre_stop == timedelta(minutes=10)
    said = trace.word("sentence")
    assert said.startswith(("ab", "a b"))
    assert len(said) <= 600
    said.encode()


def test_large_file_of_one_task_is_cut_short() -> None:
    assert "head -c" in Look("/f", ("a",)).argv()[2]
    cut = f"\x1ea\x1fthere\x1f\x1f\x1f{json.dumps({'phase': 'running'})[:-1]}"
    found = Look("/f", ("a",)).read("cluster", Finished(code=0, output=cut.encode(), errors=b""))
    assert found["a"].status is None
