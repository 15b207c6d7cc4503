"""Commands inside tasks of a computing of kind `memory`: pipes and a terminal around programs that are none."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from specola.clock import Clock
from specola.computing.memory.shell import ExitError, Shell
from specola.domain.computing import Channel, Terminal, WindowSize

__all__ = ["MemoryCommand"]

PIECE = 65536
WIDTH = 8
ERROR, HANG_UP, INTERRUPTED = 2, 129, 130
INTERRUPT, END_OF_INPUT, RETURN, BACK = 0x03, 0x04, 0x0D, 0x7F


class MemoryCommand:
    """A `Running` whose program is a coroutine; `shell.py` says what it can do.

    Parameters
    ----------
    others
        Returns the command lines of all that runs in the same task.
    over
        Called once it has ended.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        terminal: Terminal | None,
        environment: Mapping[str, str],
        clock: Clock,
        others: Callable[[], Sequence[str]],
        over: Callable[["MemoryCommand"], None],
    ) -> None:
        self._command = tuple(command)
        self._over = over
        self._inside = _Inside(terminal, environment, clock, others)
        self._rest = (Channel.OUTPUT, b"")
        self._line = b""
        self._ended = False
        self._read_out = False
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._main = asyncio.create_task(self._run())

    @property
    def lines(self) -> list[str]:
        """The command lines of what runs: itself, and what it has started beside."""
        return [" ".join(self._command) or "sh", *self._inside.named]

    async def read(self, most: int = PIECE) -> tuple[Channel, bytes]:
        """Return up to `most` bytes that it wrote; none once it has ended."""
        if not self._rest[1] and not self._read_out:
            self._rest = await self._inside.output.get()
            self._read_out = not self._rest[1]
        channel, data = self._rest
        self._rest = (channel, data[most:])
        return channel, data[:most]

    async def write(self, data: bytes) -> None:
        """Send `data` to its input, or type it on its terminal."""
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            if self._ended or self._code.done():
                return
            if self._inside.size is None:
                await self._inside.input.put(piece)
            else:
                await self._type(piece)

    async def end(self) -> None:
        """End its input."""
        if self._inside.size is not None:
            await self.write(bytes([END_OF_INPUT]))
        elif not self._ended and not self._code.done():
            self._ended = True
            await self._inside.input.put(b"")

    async def resize(self, size: WindowSize) -> None:
        """Give its terminal another size."""
        if self._inside.size is not None:
            self._inside.size = size

    async def wait(self) -> int:
        """Return its exit code."""
        return await asyncio.shield(self._code)

    async def close(self) -> None:
        """End it, with all it has started."""
        await self.cut(HANG_UP)

    async def show(self, text: str) -> None:
        """Write a line on its terminal, if it has one, as wall(1) does."""
        if self._inside.size is not None:
            await self._inside.write(f"\n[specola] {text}\n".encode())

    async def cut(self, code: int) -> None:
        """End it with a code, unless it has ended."""
        if not self._code.done():
            self._code.set_result(code)
        self._main.cancel()
        await asyncio.gather(self._main, return_exceptions=True)
        # What had not begun yet does not end either.
        self._over(self)

    async def _run(self) -> None:
        shell, code = Shell(self._inside), ERROR
        try:
            code = await self._inside.front(shell.command(self._command) if self._command else shell.session())
        except ExitError as exit_:
            code = exit_.code
        except ValueError:
            # Quotes that do not end.
            code = ERROR
        finally:
            self._inside.close(hang_up=self._code.done())
            self._over(self)
            if not self._code.done():
                self._code.set_result(code)
            await self._inside.output.put((Channel.OUTPUT, b""))

    async def _type(self, data: bytes) -> None:
        """Do what a terminal's driver does with keys: echo them, and hand lines on."""
        for key in data:
            if key == INTERRUPT:
                self._line = b""
                await self._inside.write(b"^C\n")
                self._inside.interrupt()
            elif key == END_OF_INPUT:
                line, self._line = self._line, b""
                await self._inside.input.put(line)
            elif key == BACK:
                if self._line:
                    self._line = self._line[:-1]
                    await self._inside.write(b"\b \b")
            elif key in {RETURN, ord("\n")}:
                line, self._line = self._line + b"\n", b""
                await self._inside.write(b"\n")
                await self._inside.input.put(line)
            else:
                self._line += bytes([key])
                await self._inside.write(bytes([key]))


class _Written:
    """What was written and not read yet; who writes waits while that is much, as with a pipe or a terminal's driver."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[Channel, bytes]] = deque()
        self._size = 0
        self._changed = asyncio.Condition()

    async def put(self, piece: tuple[Channel, bytes]) -> None:
        """Add a piece."""
        async with self._changed:
            _ = await self._changed.wait_for(lambda: self._size < PIECE)
            self._pieces.append(piece)
            self._size += len(piece[1])
            self._changed.notify_all()

    async def get(self) -> tuple[Channel, bytes]:
        """Take the oldest piece, waiting for one."""
        async with self._changed:
            _ = await self._changed.wait_for(lambda: self._pieces)
            piece = self._pieces.popleft()
            self._size -= len(piece[1])
            self._changed.notify_all()
            return piece

    def clear(self) -> None:
        """Throw away what nobody will read."""
        self._pieces.clear()
        self._size = 0


class _Inside:
    """What a program sees: the `Surroundings` of a shell."""

    def __init__(
        self,
        terminal: Terminal | None,
        environment: Mapping[str, str],
        clock: Clock,
        others: Callable[[], Sequence[str]],
    ) -> None:
        self.size = terminal.size if terminal else None
        self.environment: Mapping[str, str] = {**environment, **({"TERM": terminal.kind} if terminal else {})}
        self._clock = clock
        self._dry = False
        self.processes = others
        self.input: asyncio.Queue[bytes] = asyncio.Queue(WIDTH)
        self.output = _Written()
        self.named: list[str] = []
        self._beside: set[asyncio.Task[int]] = set()
        self._front: asyncio.Task[int] | None = None

    async def read(self) -> bytes:
        """Return some of the input; empty at its end, of which a terminal may have several."""
        data = b"" if self._dry else await self.input.get()
        self._dry = not data and self.size is None
        return data

    async def write(self, data: bytes, channel: Channel = Channel.OUTPUT) -> None:
        """Write to one of the outputs, which on a terminal are the same."""
        if self.size is not None:
            data, channel = data.replace(b"\n", b"\r\n"), Channel.OUTPUT
        if data:
            await self.output.put((channel, data))

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await self._clock.sleep(seconds)

    async def front(self, work: Coroutine[Any, Any, int]) -> int:
        """Run what the interrupt key ends."""
        before, task = self._front, asyncio.create_task(work)
        self._front = task
        try:
            return await task
        except asyncio.CancelledError:
            # Either the task alone was ended, by the key, or all of it.
            current = asyncio.current_task()
            if current is None or current.cancelling():
                raise
            return INTERRUPTED
        finally:
            self._front = before

    def interrupt(self) -> None:
        """Do what the interrupt key does."""
        if self._front is not None:
            self._front.cancel()

    def beside(self, work: Coroutine[Any, Any, int]) -> None:
        """Start what is not waited for."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    @contextlib.contextmanager
    def naming(self, words: Sequence[str]) -> Iterator[None]:
        """List a command among those that run."""
        line = " ".join(words)
        self.named.append(line)
        try:
            yield
        finally:
            self.named.remove(line)

    def close(self, *, hang_up: bool) -> None:
        """Let those who still write to it go on; after a hang-up nobody reads any more, and what was started ends."""
        while not self.input.empty():
            _ = self.input.get_nowait()
        if hang_up:
            self.output.clear()
            for task in self._beside:
                task.cancel()
