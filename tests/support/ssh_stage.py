"""The SSH front door with a task behind it, and the real programs `ssh`, `scp`, `sftp` and `rsync` before it."""

import asyncio
import fcntl
import os
import pty
import shlex
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from specola.authority import Authority
from specola.connector.directory import Directory, Way
from specola.connector.ssh.asking import Asking
from specola.connector.ssh.door import FrontDoor, Place
from specola.connector.ssh.live import Live
from specola.connector.ssh.revocations import Revocations
from specola.domain.person import Actor, Scope
from specola.domain.task import Task
from specola.secrets import Sealer
from tests.support.harness import Platform, open_platform
from tests.support.local import LocalComputing
from tests.support.ports import free_port
from tests.support.sshkeys import Pair, pair

__all__ = ["SECONDS", "Ran", "SshStage", "open_ssh_stage"]

SECONDS = 60.0
NAMES = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Ran:
    """How a program ended."""

    code: int
    out: bytes
    err: str


@dataclass
class SshStage:
    """One platform, its front door, one task, one person and their client."""

    platform: Platform
    folder: Path
    computing: LocalComputing
    directory: Directory
    live: Live
    door: FrontDoor
    port: int = 0
    ada: Actor = field(init=False)
    task: Task = field(init=False)
    identity: Pair = field(init=False)

    @property
    def home(self) -> Path:
        """The home of the task's user."""
        return self.computing.home

    async def begin(self) -> None:
        """Start the task, put a key on ada's account, and write down how her client knows the front door."""
        self.port = await self.door.port()
        self.ada = await self.platform.person("ada")
        self.task = await self.platform.started(self.ada)
        await self.add_way(self.task)
        self.identity = pair()
        await self.platform.services.keys.add(self.ada, self.identity.public)
        self.write_identity("ada", self.identity)
        known = self.folder / "known_hosts"
        known.write_text(self.platform.services.keys.known_hosts(NAMES, self.port) + "\n")

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
        who = f"{self.task.id if task is None else task}@localhost"
        port = ["-p", str(self.port)]
        return ["ssh", *self.options(identity=identity, known=known), *port, *before, who, *command]

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", **environment: str) -> Ran:
        """Run a program to its end."""
        process = await self.start(argv, **environment)
        async with asyncio.timeout(SECONDS):
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

    async def add_way(self, task: Task) -> None:
        """Let the front door know of another task in the same place."""
        await self.directory.add_way(Way(task=task.id, computing="here", handle="here", ports=(8000,)))

    def another_authority(self) -> Authority:
        """Return the authority of some other platform."""
        folder = self.folder / "another"
        folder.mkdir(exist_ok=True)
        authority = Authority(folder, Sealer(bytes(32)))
        authority.make()
        return authority

    def another_door(self, port: int) -> FrontDoor:
        """Return a second front door that is to listen at a port."""
        return FrontDoor(
            Place(host="127.0.0.1", port=port, names=NAMES),
            authority=self.platform.services.authority,
            live=self.live,
            directory=self.directory,
            clock=self.platform.context.clock,
        )

    def remote_shell(self) -> str:
        """Return what rsync is given as its remote shell."""
        return shlex.join(["ssh", *self.options(), "-p", str(self.port)])

    async def until(self, met: Callable[[], Awaitable[bool]]) -> None:
        """Return once something is so."""
        async with asyncio.timeout(SECONDS):
            while True:
                if await met():
                    return
                await asyncio.sleep(0.02)

    async def until_open(self, mark: str, *kinds: str) -> None:
        """Return once exactly these kinds of things are open by a mark."""

        async def met() -> bool:
            return sorted(one.kind for one in self.live.open if mark in one.marks) == sorted(kinds)

        await self.until(met)

    async def answers(self) -> bool:
        """Tell whether one gets in."""
        return (await self.run(self.ssh("true"))).code == 0

    async def token(self, name: str, *scopes: Scope) -> tuple[str, str]:
        """Make a token of ada's; return its id and its secret."""
        wanted = frozenset(scopes or (Scope.CONNECT,))
        made = await self.platform.services.people.create_token(self.ada, name=name, scopes=wanted, days=1)
        return made.value.id, made.secret


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


@asynccontextmanager
async def open_ssh_stage() -> AsyncIterator[SshStage]:
    """Open a stage for the body."""
    async with AsyncExitStack() as stack:
        bind = f"127.0.0.1:{free_port()}"
        platform = await stack.enter_async_context(open_platform(ssh_bind=bind, front_door=False))
        folder = platform.settings.data / "client"
        home = platform.settings.data / "home"
        for one in (folder, home):
            one.mkdir(mode=0o700)
        computing = LocalComputing(home)
        directory = Directory(lambda _name, _kind, _settings: computing)
        await directory.add_computing("here", "local", {})
        await directory.keep(computings=["here"], tasks=[])
        stack.push_async_callback(directory.close)
        asking = Asking(platform.settings.internal_socket)
        stack.push_async_callback(asking.close)
        live = Live(asking)
        place = Place(host="127.0.0.1", port=platform.settings.ssh_port, names=NAMES)
        clock = platform.context.clock
        door = FrontDoor(place, authority=platform.services.authority, live=live, directory=directory, clock=clock)
        following = Revocations(platform.settings.internal_socket, live, clock=clock)
        working = [asyncio.create_task(door.run()), asyncio.create_task(following.run())]
        try:
            stage = SshStage(
                platform=platform, folder=folder, computing=computing, directory=directory, live=live, door=door
            )
            await stage.begin()
            yield stage
        finally:
            for work in working:
                work.cancel()
            await asyncio.gather(*working, return_exceptions=True)
