"""The platform as people have it: `specola up` as a program of its own, with its four processes and a real engine."""

import asyncio
import contextlib
import os
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from specola.computing.engine.firewall import forget
from tests.support.engines import note_installation
from tests.support.ports import free_port

__all__ = ["PROGRAM", "Installed", "installed", "until"]

PROGRAM = (sys.executable, "-m", "specola")
READY = "Ctrl-C stops the platform"
LINK = re.compile(r"http://\S+/sign-in/link#(\S+)")
START_SECONDS = 90.0


async def until(
    true: Callable[[], Awaitable[Any]], *, seconds: float = 60.0, pause: float = 0.02, what: str = "it"
) -> Any:
    """Ask again and again until the answer is true, and return it.

    Raises
    ------
    TimeoutError
        It never was; says what was waited for.
    """
    try:
        async with asyncio.timeout(seconds):
            while True:
                if answer := await true():
                    return answer
                await asyncio.sleep(pause)
    except TimeoutError as error:
        raise TimeoutError(f"{what} did not come about within {seconds:g} s") from error


@dataclass
class Installed:
    """A running installation; made by `installed`."""

    data: Path
    port: int
    ssh_port: int
    environment: dict[str, str]
    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    token: str = ""

    @property
    def url(self) -> str:
        """The platform's own address."""
        return f"{'https' if self.root else 'http'}://localhost:{self.port}"

    @property
    def root(self) -> str:
        """The file of the certificate that it shows, which vouches for itself; empty: it has no TLS."""
        return self.environment.get("SPECOLA_TLS_CERT", "")

    @property
    def settings(self) -> dict[str, str]:
        """The environment in which `specola` finds this platform, as its administrator."""
        told = {"SPECOLA_URL": self.url, "SPECOLA_TOKEN": self.token}
        return self.environment | told | ({"SSL_CERT_FILE": self.root} if self.root else {})

    @property
    def installation(self) -> str:
        """Its random id; empty while it has none."""
        file = self.data / "installation"
        return file.read_text(encoding="ascii").strip() if file.exists() else ""

    @property
    def link(self) -> str:
        """The one-time sign-in link that it printed."""
        found = LINK.search("\n".join(self.lines))
        assert found, self.lines
        return found[0]

    def pid(self, name: str) -> int:
        """Return the process id of one of the four processes."""
        return int((self.data / "run" / f"{name}.pid").read_text(encoding="ascii"))

    async def kill(self, name: str) -> None:
        """Kill a process with SIGKILL and wait until another has taken its place."""
        before = self.pid(name)
        os.kill(before, signal.SIGKILL)

        async def replaced() -> bool:
            with contextlib.suppress(ValueError, OSError):
                return self.pid(name) != before
            return False

        await until(replaced, what=f"another {name}")

    async def command(self, *words: str, given: str = "") -> tuple[int, str, str]:
        """Run `specola` with `words`; return exit code, output and error output."""
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            *words,
            env=self.settings,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate(given.encode())
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    def api(self) -> httpx.AsyncClient:
        """Return a client of the API, signed in by the administrator's token."""
        return httpx.AsyncClient(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=90,
            verify=ssl.create_default_context(cafile=self.root) if self.root else True,
        )

    async def healthy(self) -> None:
        """Wait until every part answers, as after one was killed."""

        async def told() -> bool:
            try:
                async with self.api() as api:
                    return (await api.get("/health")).json().get("up") is True
            except (httpx.HTTPError, ValueError):
                return False

        await until(told, what="a healthy platform")

    def at_task(self, address: str) -> httpx.AsyncClient:
        """Return a client of a task's origin; names below localhost are dialled at 127.0.0.1 with their Host header."""
        host = httpx.URL(address).netloc.decode()
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Host": host, "Authorization": f"Bearer {self.token}"},
            timeout=30,
        )

    async def end(self) -> None:
        """Stop it as Ctrl-C does."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            await self.process.wait()


@asynccontextmanager
async def installed(
    data: Path, *, engine: str, port: int | None = None, tls: tuple[Path, Path] | None = None
) -> AsyncIterator[Installed]:
    """Run the platform in `data` over the engine at the address `engine` for the body.

    Parameters
    ----------
    tls
        The files of a certificate for `localhost` and `*.tasks.test`, and of its key.
    """
    port, ssh_port = port or free_port(), free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPECOLA_")} | {
        "SPECOLA_DATA": str(data),
        "SPECOLA_BIND": f"127.0.0.1:{port}",
        "SPECOLA_ENGINE": engine,
        "SPECOLA_SSH_BIND": f"127.0.0.1:{ssh_port}",
    }
    if tls is not None:
        environment |= {
            "SPECOLA_TLS_CERT": str(tls[0]),
            "SPECOLA_TLS_KEY": str(tls[1]),
            "SPECOLA_TASKS_DOMAIN": "tasks.test",
        }
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "up",
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    platform = Installed(data=data, port=port, ssh_port=ssh_port, environment=environment, process=process)
    ready = asyncio.Event()
    reading = asyncio.create_task(_read(platform, ready))
    try:
        done, _ = await asyncio.wait(
            {asyncio.ensure_future(ready.wait()), reading}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        assert ready.is_set(), "the platform did not start:\n" + "\n".join(platform.lines)
        assert done
        code, token, errors = await platform.command("admin", "token", "admin", "--days", "1")
        assert code == 0, errors
        platform.token = token.split()[-1]
        note_installation(engine, platform.installation)
        yield platform
    finally:
        await platform.end()
        await reading
        if platform.installation:
            await forget(platform.installation)


async def _read(platform: Installed, ready: asyncio.Event) -> None:
    """Keep what the platform writes, so that a failing test can show it."""
    assert platform.process.stdout is not None
    async for line in platform.process.stdout:
        platform.lines.append(line.decode(errors="replace").rstrip())
        if READY in platform.lines[-1]:
            ready.set()
