"""The connector's socket for hosts: its connections to them, for the worker."""

import asyncio
import contextlib
import errno
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from specola.domain.errors import InvalidError, SpecolaError
from specola.hosts.framed import Framed
from specola.hosts.questions import QUESTION, Accounts, Beyond, Connect, Open, Question, Read, Run, Write
from specola.ports.computing import Stream
from specola.ports.hosts import Host, Hosts
from specola.problems import problem_of

__all__ = ["BUFFER", "HostsServer"]

T = TypeVar("T")
BUFFER = 1024 * 1024
CHUNK = 256 * 1024
LARGEST_GIVEN = 64 * 1024**2


class HostsServer:
    """Answers one question for each connection; who closes it before the answer has given up."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._open: set[asyncio.Task[None]] = set()
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        task = asyncio.current_task()
        assert task is not None, "it is served by one"
        self._open.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Who asked has gone, or the process ends.
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def close(self) -> None:
        """End every connection, with what goes on over it."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if not line:
            return
        try:
            question = QUESTION.validate_json(line)
            given = await _given(question, reader)
            answer = await _unless_gone(self._answered(question, given), reader)
        except SpecolaError as error:
            await _tell(writer, {"problem": problem_of(error)})
        except OSError as error:
            await _tell(writer, {"system": [error.errno or errno.EIO, error.strerror or str(error)]})
        except ValueError as error:
            await _tell(writer, {"invalid": str(error)})
        else:
            if isinstance(answer, tuple):
                await _tell(writer, *answer)
            elif answer is not None:
                await _relay(answer, reader, writer)

    async def _answered(self, question: Question, given: bytes) -> Stream | tuple[Any, ...]:
        """Do what is asked: return a stream, or an answer with the bytes that follow it."""
        if isinstance(question, Accounts):
            return ({"accounts": list(await self._hosts.accounts(question.computing))},)
        host: Host = self._hosts.host(question.computing, question.account)
        match question:
            case Run():
                done = await host.run(question.command, given=given, seconds=question.seconds)
                told = {"code": done.code, "output": len(done.output), "errors": len(done.errors)}
                return told, done.output, done.errors
            case Open():
                return await host.open(question.command)
            case Connect():
                return await host.connect(question.where)
            case Beyond():
                return await host.beyond(question.machine, question.where)
            case Read():
                content = await host.read(question.path, most=question.most)
                return {"size": None if content is None else len(content)}, content or b""
            case Write():
                await host.write(question.path, given, mode=question.mode)
                return ({},)


async def _given(question: Question, reader: asyncio.StreamReader) -> bytes:
    """Read what follows a question."""
    if not isinstance(question, Run | Write):
        return b""
    if question.given > LARGEST_GIVEN:
        raise InvalidError("That is too much at once.", hint=f"At most {LARGEST_GIVEN // 1024**2} MiB are taken.")
    return await reader.readexactly(question.given)


async def _unless_gone(answering: Coroutine[Any, Any, T], reader: asyncio.StreamReader) -> T | None:
    """Return an answer; None: who asked has gone before, and it was given up."""
    working = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(reader.read(1))
    try:
        _ = await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for one in (working, gone):
            one.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _tell(writer: asyncio.StreamWriter, answer: dict[str, Any], *following: bytes) -> None:
    writer.writelines((json.dumps(answer).encode(), b"\n", *following))
    await writer.drain()


async def _relay(stream: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry a stream until who asked for it closes it; each direction waits while its reader is slow, and ends by itself."""
    asking = Framed(reader, writer)
    await _tell(writer, {})
    sending = asyncio.create_task(_outwards(stream, asking))
    try:
        await _inwards(stream, asking)
        _ = await reader.read(1)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await stream.close()


async def _inwards(stream: Stream, asking: Framed) -> None:
    takes = True
    while data := await asking.read(CHUNK):
        try:
            if takes:
                await stream.write(data)
        except OSError:
            # It takes nothing more; what it has said before is still to be read.
            takes = False
    with contextlib.suppress(OSError):
        await stream.end()


async def _outwards(stream: Stream, asking: Framed) -> None:
    try:
        while data := await stream.read(CHUNK):
            await asking.write(data)
    except (SpecolaError, OSError) as error:
        await asking.fail(error)
    else:
        await asking.end()
