"""What the agent answers on its socket: one link for each that connects, one stream for each thing that is asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import Coroutine
from typing import Any, Callable

from . import commands, processes
from .entering import Entry
from .mux import Link, Request, Stream
from .network import Network
from .pieces import CODE, END, ERRORS, INPUT, OUTPUT, RESIZE, piece, read_piece
from .pipes import Source
from .task import Task

__all__ = ["Serving"]

CHUNK = 65536
Outputs = tuple[Coroutine[Any, Any, None], Coroutine[Any, Any, None]]
LINGER = 2.0
SAMPLE = 0.3
Begin = Callable[[Entry], Coroutine[Any, Any, commands.Command]]
NOT_RUNNING = {"code": "not_running", "sentence": "The task does not run."}


class Serving:
    """Answers for one task."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._commands: dict[commands.Command, _Pieces | _Plain] = {}
        self._links: set[asyncio.Task[None]] = set()
        self._verbs: dict[str, Callable[[Request, Stream], Coroutine[Any, Any, None]]] = {
            "dial": self._dial,
            "execute": self._execute,
            "files": self._files,
            "logs": self._logs,
            "usage": self._usage,
            "ports": self._ports,
            "status": self._status,
            "events": self._events,
            "stop": self._stop,
            "tell": self._tell,
        }
        self._last: tuple[float, float] | None = None

    async def listen(self) -> asyncio.AbstractServer:
        """Begin to answer on the task's socket."""
        path = self._task.place.socket
        before = os.umask(0o077)
        try:
            return await asyncio.start_unix_server(self._connected, str(path))
        finally:
            os.umask(before)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(_Connection(reader, writer), accept=self._asked)
        await link.run()

    async def _asked(self, request: Request, stream: Stream) -> None:
        verb = self._verbs.get(str(request.get("do")))
        if verb is None:
            await stream.reply({"error": {"code": "unknown", "sentence": "This agent does not know that."}})
        else:
            await verb(request, stream)

    async def _dial(self, request: Request, stream: Stream) -> None:
        network = self._task.network
        if network is None:
            return await stream.reply({"error": NOT_RUNNING})
        try:
            connected = await network.connect(int(request["port"]))
        except OSError as error:
            sentence = error.strerror or str(error)
            return await stream.reply({"error": {"code": "refused", "sentence": sentence}})
        with connected:
            await stream.reply({"ok": True})
            tasks = [
                asyncio.ensure_future(_in(stream, connected, network)),
                asyncio.ensure_future(_out(connected, stream, network)),
            ]
            try:
                await asyncio.gather(*tasks)
            finally:
                for one in tasks:
                    one.cancel()

    async def _execute(self, request: Request, stream: Stream) -> None:
        terminal = request.get("terminal")
        environment = {str(name): str(value) for name, value in (request.get("environment") or {}).items()}
        size = None
        if terminal:
            size = int(terminal["columns"]), int(terminal["rows"])
            environment["TERM"] = str(terminal["kind"])
        words = [str(one) for one in request["command"]]
        await self._run(
            stream,
            lambda entry: commands.start(self._task.children, entry, words, environment=environment, size=size),
            _Pieces(stream),
        )

    async def _files(self, request: Request, stream: Stream) -> None:
        del request
        await self._run(stream, lambda entry: commands.start_server(self._task.children, entry), _Plain(stream))

    async def _run(self, stream: Stream, begin: Begin, wire: _Pieces | _Plain) -> None:
        entry = self._task.entry
        if entry is None:
            return await stream.reply({"error": NOT_RUNNING})
        try:
            command = await begin(entry)
        except commands.NoWayError as error:
            if self._task.entry is None:
                return await stream.reply({"error": NOT_RUNNING})
            sentence = f"This task gives no way to run commands in it ({' '.join(str(error).split())[:300]})."
            return await stream.reply({"error": {"code": "no_commands", "sentence": sentence}})
        self._commands[command] = wire
        feeding = None
        try:
            await stream.reply({"ok": True})
            feeding = asyncio.ensure_future(wire.feed(command))
            outputs = [asyncio.ensure_future(one) for one in wire.outputs(command)]
            ended = asyncio.ensure_future(_ended(command, outputs))
            await asyncio.wait([feeding, ended], return_when=asyncio.FIRST_COMPLETED)
            if feeding.done() and feeding.exception() is not None:
                ended.cancel()
                for one in outputs:
                    one.cancel()
                return None
            await wire.over(await ended)
        finally:
            del self._commands[command]
            if feeding is not None:
                feeding.cancel()
            if not command.child.exited.done():
                await command.hang_up()
            command.close()

    async def _logs(self, request: Request, stream: Stream) -> None:
        await stream.reply({"ok": True})
        tail = request.get("tail")
        lines = self._task.journal.lines(tail=None if tail is None else int(tail), follow=bool(request.get("follow")))
        async for line in lines:
            await stream.write(line)

    async def _usage(self, request: Request, stream: Stream) -> None:
        del request
        if self._task.entry is None or self._task.network is None:
            return await stream.reply({"error": NOT_RUNNING})
        seconds, memory = self._measure()
        at = time.monotonic()
        last, self._last = self._last, (at, seconds)
        if last is None or not 0.2 < at - last[0] < 120:
            await asyncio.sleep(SAMPLE)
            last, (seconds, memory), at = (at, seconds), self._measure(), time.monotonic()
        received, sent = self._task.network.traffic()
        cpus = max(0.0, (seconds - last[1]) / (at - last[0]))
        await stream.reply({"at": time.time(), "cpus": cpus, "memory": memory, "received": received, "sent": sent})
        return None

    def _measure(self) -> tuple[float, int]:
        found = list(processes.together(self._task.entry.process)) if self._task.entry else []
        return sum(one.seconds for one in found), sum(one.memory for one in found)

    async def _ports(self, request: Request, stream: Stream) -> None:
        del request
        network = self._task.network
        if network is None or self._task.entry is None:
            return await stream.reply({"error": NOT_RUNNING})
        await stream.reply({"ports": {str(port): alone for port, alone in network.listening().items()}})
        return None

    async def _status(self, request: Request, stream: Stream) -> None:
        del request
        await stream.reply({"status": self._task.status.facts})

    async def _events(self, request: Request, stream: Stream) -> None:
        del request
        await stream.reply({"ok": True})
        async for facts in self._task.status.changes():
            await stream.write(json.dumps(facts).encode() + b"\n")

    async def _stop(self, request: Request, stream: Stream) -> None:
        self._task.stop("stopped", grace=float(request["grace"]))
        await stream.reply({"ok": True})

    async def _tell(self, request: Request, stream: Stream) -> None:
        text = " ".join(str(request["text"]).split())
        self._task.journal.write("stderr", f"[specola] {text}".encode())
        told = 0
        for command, wire in list(self._commands.items()):
            if command.terminal is not None:
                await wire.tell(text)
                told += 1
        await stream.reply({"terminals": told})


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, most: int = CHUNK) -> bytes:
        return await self._reader.read(most)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()


async def _in(stream: Stream, connected: socket.socket, network: Network) -> None:
    loop = asyncio.get_running_loop()
    while data := await stream.read(CHUNK):
        await loop.sock_sendall(connected, data)
        network.received += len(data)
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_WR)


async def _out(connected: socket.socket, stream: Stream, network: Network) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(connected, CHUNK):
        await stream.write(data)
        network.sent += len(data)
    await stream.end()


async def _ended(command: commands.Command, outputs: list[asyncio.Task[None]]) -> int:
    """Return a command's exit code once its outputs have ended too, or were held open long enough by what it started."""
    code = await asyncio.shield(command.child.exited)
    done, left = await asyncio.wait(outputs, timeout=LINGER)
    for one in left:
        one.cancel()
    del done
    return code


class _Pieces:
    """A command's stream as the platform has it: both outputs, the input and the size in pieces."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._lock = asyncio.Lock()

    async def feed(self, command: commands.Command) -> None:
        while True:
            kind, content = await read_piece(self._stream)
            if kind == INPUT:
                await command.input.write(content)
            elif kind == END:
                command.input.close()
            elif kind == RESIZE:
                columns, rows = json.loads(content)
                command.resize((int(columns), int(rows)))
            elif not kind:
                return

    def outputs(self, command: commands.Command) -> Outputs:
        return (self._copy(command.output, OUTPUT), self._copy(command.errors, ERRORS))

    async def _copy(self, source: Source, kind: bytes) -> None:
        while data := await source.read(CHUNK):
            await self._say(kind, data)

    async def over(self, code: int) -> None:
        await self._say(CODE, str(code).encode())

    async def tell(self, text: str) -> None:
        with contextlib.suppress(OSError):
            await self._say(OUTPUT, f"\r\n[specola] {text}\r\n".encode())

    async def _say(self, kind: bytes, content: bytes) -> None:
        # One piece after the other: a stream takes long ones in parts.
        async with self._lock:
            await self._stream.write(piece(kind, content))


class _Plain:
    """A command's stream whose bytes are its input and output; what it complains of is dropped."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def feed(self, command: commands.Command) -> None:
        while data := await self._stream.read(CHUNK):
            await command.input.write(data)
        command.input.close()

    def outputs(self, command: commands.Command) -> Outputs:
        return (self._copy(command.output), self._drop(command.errors))

    async def _copy(self, source: Source) -> None:
        # The first line says which process it is.
        await source.line()
        while data := await source.read(CHUNK):
            await self._stream.write(data)

    async def _drop(self, source: Source) -> None:
        while await source.read(CHUNK):
            pass

    async def over(self, code: int) -> None:
        del code

    async def tell(self, text: str) -> None:
        del text
