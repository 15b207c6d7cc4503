"""Hosts that another process holds the connections to: each verb is a question to the connector's socket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from specola.domain.errors import ComputingUnreachableError, ConnectorUnreachableError
from specola.hosts.framed import Framed
from specola.hosts.questions import Accounts, Beyond, Connect, Open, Question, Read, Run, Write
from specola.ports.computing import Stream
from specola.ports.hosts import Finished, Host, Where
from specola.problems import raised

__all__ = ["RelayedHosts"]

PATIENCE = 5.0
FIRST_PAUSE = 0.05
LAST_PAUSE = 0.5
BUFFER = 1024 * 1024


class RelayedHosts:
    """The connector's hosts; implements `specola.ports.hosts.Hosts`.

    Parameters
    ----------
    socket
        The connector's Unix socket for hosts.
    patience
        Seconds for which it is tried while nobody listens there, since a connector that was killed is back by then. A
        question that has been asked is never asked again: a command may have done its work.
    """

    def __init__(self, socket: Path, *, patience: float = PATIENCE) -> None:
        self._socket = socket
        self._patience = patience

    def host(self, computing: str, account: str) -> Host:
        """Return an account on the host of a computing; nothing is asked of it yet."""
        return _Relayed(self, computing, account)

    async def accounts(self, computing: str) -> Sequence[str]:
        """Return the accounts there that belong to somebody here."""
        async with self.asking(Accounts(computing=computing)) as asked:
            return tuple(asked.answer["accounts"])

    @asynccontextmanager
    async def asking(self, question: Question, given: bytes = b"") -> AsyncIterator["_Asked"]:
        """Ask, and give the answer; the connection is closed after the body, or when that is given up.

        Raises
        ------
        ConnectorUnreachableError
            It is not there, or went away before it had answered.
        SpecolaError, OSError
            What the host said.
        """
        reader, writer = await self._connect()
        try:
            writer.writelines((question.model_dump_json().encode(), b"\n", given))
            await writer.drain()
            yield _Asked(_answer(await reader.readline()), reader, writer)
        except (BrokenPipeError, ConnectionResetError, asyncio.IncompleteReadError) as error:
            raise ConnectorUnreachableError from error
        finally:
            writer.close()

    async def stream(self, question: Question) -> Framed:
        """Ask for a stream, which stays open."""
        reader, writer = await self._connect()
        try:
            writer.write(question.model_dump_json().encode() + b"\n")
            await writer.drain()
            _ = _answer(await reader.readline())
        except (BrokenPipeError, ConnectionResetError) as error:
            writer.close()
            raise ConnectorUnreachableError from error
        except BaseException:
            writer.close()
            raise
        return Framed(reader, writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._patience, FIRST_PAUSE
        while True:
            try:
                return await asyncio.open_unix_connection(self._socket, limit=BUFFER)
            except OSError as error:
                if loop.time() + pause >= end:
                    raise ConnectorUnreachableError from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)


class _Asked:
    """An answer, and what follows it."""

    def __init__(self, answer: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.answer = answer
        self.reader = reader
        self.writer = writer

    async def bytes_of(self, name: str) -> bytes:
        """Return as many bytes as the answer says under a name."""
        return await self.reader.readexactly(self.answer[name])


class _Relayed:
    """One account; implements `specola.ports.hosts.Host`."""

    def __init__(self, hosts: RelayedHosts, computing: str, account: str) -> None:
        self._hosts = hosts
        self._of: dict[str, Any] = {"computing": computing, "account": account}

    async def run(self, command: Sequence[str], *, given: bytes = b"", seconds: float = 30.0) -> Finished:
        question = Run(**self._of, command=tuple(command), given=len(given), seconds=seconds)
        with self._border():
            async with self._hosts.asking(question, given) as asked:
                output, errors = await asked.bytes_of("output"), await asked.bytes_of("errors")
                return Finished(code=asked.answer["code"], output=output, errors=errors)

    async def open(self, command: Sequence[str]) -> Stream:
        with self._border():
            return await self._hosts.stream(Open(**self._of, command=tuple(command)))

    async def connect(self, where: Where) -> Stream:
        with self._border():
            return await self._hosts.stream(Connect(**self._of, where=where))

    async def beyond(self, machine: str, where: str | int) -> Stream:
        with self._border():
            return await self._hosts.stream(Beyond(**self._of, machine=machine, where=where))

    async def read(self, path: str, *, most: int = 16 * 1024**2) -> bytes | None:
        with self._border():
            async with self._hosts.asking(Read(**self._of, path=path, most=most)) as asked:
                return await asked.bytes_of("size") if asked.answer["size"] is not None else None

    async def write(self, path: str, content: bytes, *, mode: int = 0o600) -> None:
        with self._border():
            async with self._hosts.asking(Write(**self._of, path=path, mode=mode, given=len(content)), content):
                pass

    @contextlib.contextmanager
    def _border(self) -> Iterator[None]:
        """A connector that is away makes a host one that cannot be asked."""
        try:
            yield
        except ConnectorUnreachableError as error:
            raise ComputingUnreachableError(
                self._of["computing"], "the connector, which holds the ways into it, is not running at the moment"
            ) from error


def _answer(line: bytes) -> dict[str, Any]:
    """Return what an answer says, raising the failure that it tells of."""
    if not line.endswith(b"\n"):
        raise ConnectorUnreachableError
    told: dict[str, Any] = json.loads(line)
    if "problem" in told:
        raise raised(told["problem"])
    if "system" in told:
        number, text = told["system"]
        raise OSError(number, text)
    if "invalid" in told:
        raise ValueError(told["invalid"])
    return told
