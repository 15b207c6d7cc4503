"""The few commands that tasks of a computing of kind `memory` know, and the little of a shell that strings them together."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from specola.domain.computing import Channel, WindowSize

__all__ = ["NOT_FOUND", "ExitError", "Shell", "Surroundings"]

NOT_FOUND = 127
SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "TERM": 15}
# What tasks on an engine call programs by that their image may not have.
HELPER = "/.specola/busybox"
PROMPT = "$ "

Program = Callable[["Shell", Sequence[str], Channel], Awaitable[int]]


class Surroundings(Protocol):
    """What a command has around it: input, outputs, a window, its task."""

    size: WindowSize | None

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables it was given."""

    async def read(self) -> bytes:
        """Return some of the input; empty at its end."""

    async def write(self, data: bytes, channel: Channel = Channel.OUTPUT) -> None:
        """Write to one of the outputs."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    async def front(self, work: Coroutine[Any, Any, int]) -> int:
        """Run what the interrupt key of the terminal ends."""

    def beside(self, work: Coroutine[Any, Any, int]) -> None:
        """Start what is not waited for."""

    def naming(self, words: Sequence[str]) -> AbstractContextManager[None]:
        """List a command among those that run."""

    def processes(self) -> Sequence[str]:
        """Return the command lines of all that runs in the task."""


class ExitError(Exception):
    """The shell ends with a code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Shell:
    """Runs commands: words with quotes, `$NAME`, `;`, `&` and `>&2`, and nothing else of a shell."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around

    async def command(self, words: Sequence[str], channel: Channel = Channel.OUTPUT) -> int:
        """Run one program and return its exit code."""
        words = list(words[1:] if words and words[0] == HELPER else words)
        if not words:
            return 0
        name = words[0].rpartition("/")[2]
        if name == "sh" and words[1:2] == ["-c"]:
            return await self.line(" ".join(words[2:3]))
        if name not in PROGRAMS:
            await self.around.write(f"{words[0]}: not found\n".encode(), Channel.ERRORS)
            return NOT_FOUND
        with self.around.naming(words):
            return await PROGRAMS[name](self, words[1:], channel)

    async def line(self, text: str) -> int:
        """Run a line and return the exit code of its last command."""
        code, words = 0, list[str]()
        lexer = shlex.shlex(text, posix=True, punctuation_chars=";&>")
        lexer.whitespace_split, lexer.commenters = True, ""
        for word in [*lexer, ";"]:
            if word == ";":
                code, words = await self._simple(words), []
            elif word == "&":
                self.around.beside(self._simple(words))
                words = []
            else:
                words.append(self._filled(word))
        return code

    async def session(self) -> int:
        """Read commands until there are no more, with a prompt if there is a window."""
        code, rest = 0, b""
        while True:
            if self.around.size is not None and not rest:
                await self.around.write(PROMPT.encode())
            if b"\n" not in rest:
                data = await self.around.read()
                rest += data
                if not data:
                    return await self.line(rest.decode(errors="replace")) if rest else code
                continue
            line, _, rest = rest.partition(b"\n")
            try:
                code = await self.around.front(self.line(line.decode(errors="replace")))
            except ValueError:
                code = 2

    async def _simple(self, words: Sequence[str]) -> int:
        if list(words[-2:]) == [">&", "2"]:
            return await self.command(words[:-2], Channel.ERRORS)
        return await self.command(words)

    def _filled(self, word: str) -> str:
        for name, value in {"$": "1", **self.around.environment}.items():
            word = word.replace(f"${name}", value)
        return word


async def _echo(shell: Shell, words: Sequence[str], channel: Channel) -> int:
    await shell.around.write(" ".join(words).encode() + b"\n", channel)
    return 0


async def _cat(shell: Shell, _words: Sequence[str], channel: Channel) -> int:
    while data := await shell.around.read():
        await shell.around.write(data, channel)
    return 0


async def _env(shell: Shell, _words: Sequence[str], channel: Channel) -> int:
    lines = "".join(f"{name}={value}\n" for name, value in shell.around.environment.items())
    await shell.around.write(lines.encode(), channel)
    return 0


async def _exit(_shell: Shell, words: Sequence[str], _channel: Channel) -> int:
    raise ExitError(int(words[0]) if words else 0)


async def _kill(_shell: Shell, words: Sequence[str], _channel: Channel) -> int:
    """Only itself can be meant: there are no numbers of others."""
    raise ExitError(128 + SIGNALS.get(words[0].lstrip("-"), 15))


async def _ps(shell: Shell, _words: Sequence[str], channel: Channel) -> int:
    await shell.around.write("".join(f"{line}\n" for line in shell.around.processes()).encode(), channel)
    return 0


async def _sleep(shell: Shell, words: Sequence[str], _channel: Channel) -> int:
    await shell.around.sleep(float(words[0]))
    return 0


async def _stty(shell: Shell, _words: Sequence[str], channel: Channel) -> int:
    size = shell.around.size
    if size is None:
        await shell.around.write(b"stty: not a terminal\n", Channel.ERRORS)
        return 1
    await shell.around.write(f"{size.rows} {size.columns}\n".encode(), channel)
    return 0


async def _true(_shell: Shell, _words: Sequence[str], _channel: Channel) -> int:
    return await asyncio.sleep(0, 0)


async def _yes(shell: Shell, _words: Sequence[str], channel: Channel) -> int:
    while True:
        await shell.around.write(b"y\n" * 1024, channel)
        await asyncio.sleep(0)


PROGRAMS: Mapping[str, Program] = {
    "cat": _cat,
    "echo": _echo,
    "env": _env,
    "exit": _exit,
    "kill": _kill,
    "ps": _ps,
    "sleep": _sleep,
    "stty": _stty,
    "true": _true,
    "yes": _yes,
}
