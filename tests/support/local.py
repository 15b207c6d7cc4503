"""A computing whose one task is a folder and the processes of this machine: commands, terminals and files are real."""

# ruff: noqa: ARG002 - there is one task, whichever is asked for

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from specola.computing.tcp import SocketStream
from specola.domain.budget import Budget
from specola.domain.computing import Channel, Handle, Launch, Observation, Probe, Terminal, WindowSize
from specola.domain.errors import TaskNotRunningError
from specola.domain.task import TaskId
from specola.ports.computing import NOTHING, Report, Running, Stream

__all__ = ["LocalComputing"]

SFTP_SERVER = "/usr/lib/openssh/sftp-server"


class LocalComputing:
    """Runs everything as whoever runs the tests, in the folder `home`; `ports` says where the task's ports are."""

    def __init__(self, home: Path) -> None:
        self.name = "here"
        self.home = home
        self.ports: dict[int, int] = {}
        self.stopped = False
        self.running: set[LocalRunning] = set()

    async def execute(
        self,
        handle: Handle,
        command: Sequence[str],
        *,
        terminal: Terminal | None = None,
        environment: Mapping[str, str] = NOTHING,
    ) -> Running:
        if self.stopped:
            raise TaskNotRunningError
        words = list(command) or ["/bin/sh", "-i"]
        plain = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PS1": "$ ", **environment}
        running = LocalRunning()
        await running.begin(words, terminal=terminal, environment=plain, home=self.home)
        self.running.add(running)
        return running

    async def files(self, handle: Handle) -> Stream:
        if self.stopped:
            raise TaskNotRunningError
        process = await asyncio.create_subprocess_exec(
            SFTP_SERVER,
            cwd=self.home,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        return PipeStream(process)

    async def dial(self, handle: Handle, port: int) -> Stream:
        return await SocketStream.connect("127.0.0.1", self.ports[port])

    async def close(self) -> None:
        for running in self.running:
            await running.close()

    async def probe(self, budget: Budget) -> Probe:
        return Probe(product="local", version="", architectures=(), cpus=1, memory=0, capabilities=frozenset())

    async def launch(self, launch: Launch, *, report: Report, budget: Budget) -> Handle:
        return "here"

    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        return {handle: Observation.forgotten() for handle in handles}

    async def stop(self, handle: Handle, *, grace: timedelta) -> None:
        self.stopped = True

    async def remove(self, handle: Handle) -> None:
        self.stopped = True

    async def discover(self) -> Mapping[TaskId, Handle]:
        return {}


class PipeStream:
    """A process's input and output as a stream."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read(self, most: int = 65536) -> bytes:
        assert self._process.stdout is not None
        return await self._process.stdout.read(most)

    async def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()


class LocalRunning:
    """A process with pipes, or on a pseudo-terminal, in a session of its own."""

    process: asyncio.subprocess.Process

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[tuple[Channel, bytes]] = asyncio.Queue(maxsize=4)
        self._reading: list[asyncio.Task[None]] = []
        self._left = 0
        self._master: int | None = None

    async def begin(
        self, words: list[str], *, terminal: Terminal | None, environment: dict[str, str], home: Path
    ) -> None:
        pipe = asyncio.subprocess.PIPE
        if terminal is None:
            self.process = await asyncio.create_subprocess_exec(
                *words,
                cwd=home,
                env=environment,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                start_new_session=True,
                limit=1 << 20,
            )
            assert self.process.stdout is not None
            assert self.process.stderr is not None
            self._read(self.process.stdout, Channel.OUTPUT)
            self._read(self.process.stderr, Channel.ERRORS)
            return
        self._master, slave = pty.openpty()
        await self.resize(terminal.size)
        # setsid(1) makes the terminal its own, as a login does.
        self.process = await asyncio.create_subprocess_exec(
            "setsid",
            "--ctty",
            *words,
            cwd=home,
            env={**environment, "TERM": terminal.kind},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        reader = asyncio.StreamReader(limit=1 << 20)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(self._master), "rb", 0)
        )
        self._read(reader, Channel.OUTPUT)

    def _read(self, reader: asyncio.StreamReader, which: Channel) -> None:
        async def work() -> None:
            try:
                while data := await reader.read(1 << 18):
                    await self._arrived.put((which, data))
            except OSError:
                pass  # a terminal whose last process has ended answers with EIO
            self._left -= 1
            if not self._left:
                await self._arrived.put((which, b""))

        self._left += 1
        self._reading.append(asyncio.create_task(work()))

    async def read(self, most: int = 65536) -> tuple[Channel, bytes]:
        return await self._arrived.get()

    async def write(self, data: bytes) -> None:
        if self._master is not None:
            await asyncio.to_thread(os.write, self._master, data)
            return
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    async def end(self) -> None:
        if self._master is not None:
            os.write(self._master, b"\x04")
        elif self.process.stdin is not None:
            self.process.stdin.close()

    async def resize(self, size: WindowSize) -> None:
        if self._master is not None:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))

    async def wait(self) -> int:
        code = await self.process.wait()
        return 128 - code if code < 0 else code

    async def close(self) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGHUP)
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
        for reading in self._reading:
            reading.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        if self._master is not None:
            os.close(self._master)
            self._master = None
