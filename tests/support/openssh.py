"""OpenSSH's real programs as somebody uses them who has nothing else on their machine."""

import asyncio
import fcntl
import os
import pty
import shlex
import struct
import termios
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.sshkeys import Pair

__all__ = ["SECONDS", "OnTerminal", "OpenSsh", "Ran"]

SECONDS = 60.0


@dataclass(frozen=True)
class Ran:
    """How a program ended."""

    code: int
    out: bytes
    err: str


@dataclass
class OpenSsh:
    """A client machine: a folder with keys and known hosts, and the front door's port; `who` is the usual task."""

    folder: Path
    port: int = field(default=0, kw_only=True)
    who: str = field(default="", kw_only=True)

    def write_identity(self, name: str, identity: Pair, *, certificate: str = "") -> Path:
        """Write a private key, with a certificate for it, where only a certificate is used if there is one."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(identity.private)
        if certificate:
            (self.folder / f"{name}-cert.pub").write_text(certificate + "\n")
        return path

    def options(self, *, identity: str = "ada", known: str = "known_hosts") -> list[str]:
        """Return the options of OpenSSH's programs: nothing of the machine's own, and host keys always checked."""
        values = {
            "UserKnownHostsFile": str(self.folder / known),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "IdentityFile": str(self.folder / identity),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "PasswordAuthentication": "no",
            "BatchMode": "yes",
            "ConnectTimeout": "20",
        }
        return ["-F", "none", *(word for name, value in values.items() for word in ("-o", f"{name}={value}"))]

    def ssh(self, *words: str, task: str | None = None, identity: str = "ada", known: str = "known_hosts") -> list[str]:
        """Return the command line of ssh; options come before `--`."""
        before = list(words[: words.index("--")]) if "--" in words else []
        command = words[words.index("--") + 1 :] if "--" in words else words
        who = f"{self.who if task is None else task}@localhost"
        port = ["-p", str(self.port)]
        return ["ssh", *self.options(identity=identity, known=known), *port, *before, who, *command]

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", seconds: float = SECONDS, **environment: str
    ) -> Ran:
        """Run a program to its end."""
        process = await self.start(argv, **environment)
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Ran(process.returncode, out, err.decode())

    async def start(self, argv: Sequence[str], **environment: str) -> asyncio.subprocess.Process:
        """Start a program with pipes."""
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *argv, stdin=pipe, stdout=pipe, stderr=pipe, cwd=self.folder, env={**_plain(self.folder), **environment}
        )

    @asynccontextmanager
    async def on_a_terminal(self, argv: Sequence[str], *, rows: int, columns: int) -> AsyncIterator["OnTerminal"]:
        """Run a program on a terminal of its own for the body."""
        terminal = OnTerminal(rows, columns)
        await terminal.begin(argv, self.folder)
        try:
            yield terminal
        finally:
            await terminal.close()

    def remote_shell(self) -> str:
        """Return what rsync is given as its remote shell."""
        return shlex.join(["ssh", *self.options(), "-p", str(self.port)])


class OnTerminal:
    """A program on a pseudo-terminal, as a person would have it."""

    process: asyncio.subprocess.Process

    def __init__(self, rows: int, columns: int) -> None:
        self._master, self._slave = pty.openpty()
        self._shown = ""
        self._reader = asyncio.StreamReader()
        self._set_size(rows, columns)

    async def begin(self, argv: Sequence[str], folder: Path) -> None:
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), os.fdopen(os.dup(self._master), "rb", 0)
        )
        # setsid(1) makes the terminal its own, so that it is told when its size changes.
        self.process = await asyncio.create_subprocess_exec(
            "setsid",
            "--wait",
            "--ctty",
            *argv,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            cwd=folder,
            env={**_plain(folder), "TERM": "xterm-256color"},
        )
        os.close(self._slave)

    async def until(self, text: str) -> str:
        """Return what is shown once `text` is in it; what was looked at before does not count."""
        async with asyncio.timeout(SECONDS):
            while text not in self._shown:
                self._shown += (await self._reader.read(4096)).decode(errors="replace")
        shown, _, self._shown = self._shown.partition(text)
        return shown + text

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, *, rows: int, columns: int) -> None:
        self._set_size(rows, columns)

    async def wait(self) -> int:
        async with asyncio.timeout(SECONDS):
            return await self.process.wait()

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        os.close(self._master)

    def _set_size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _plain(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder)}
