"""Private container engines for tests: a Podman service and a Docker daemon of our own, beside any of the machine's.

Both live in a cached folder, so that images are loaded once. Several test processes share them: each notes its process
id, the first starts the engine, the last ends it, by the process id that was noted.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from specola.computing.engine.api import Engine
from specola.computing.engine.firewall import forget
from specola.computing.engine.names import INSTALLATION as LABEL
from specola.computing.engine.service import answering_socket, find_service
from tests.support.images import TEST_IMAGES, load
from tests.support.ports import REGISTRY_PORTS

__all__ = ["PrivateEngine", "cache_folder", "docker_engine", "note_installation", "podman_engine"]

ResultT = TypeVar("ResultT")
INSTALLATIONS = "installations"
START_SECONDS = 60.0
END_SECONDS = 30.0


def _run(question: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine from a plain function: in a thread, since a fixture may be set up inside a running loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, question).result()


def cache_folder() -> Path:
    """Return where engines of tests keep images between runs."""
    return Path(os.environ.get("SPECOLA_TEST_CACHE") or "/var/tmp/specola-tests")


@dataclass(frozen=True, slots=True)
class PrivateEngine:
    """An engine of our own: where it is, and how it is started."""

    name: str
    folder: Path

    @property
    def socket(self) -> Path:
        """Where it answers."""
        return self.folder / "engine.sock"

    @property
    def url(self) -> str:
        """Its address, as the adapter's setting takes it."""
        return f"unix://{self.socket}"

    @contextlib.contextmanager
    def shared(self) -> Iterator["PrivateEngine"]:
        """Have the engine while the body runs; the first user starts it, the last ends it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            users = [*self._users(), os.getpid()]
            if not self._answers():
                self._start()
            self._note(users)
            if len(users) == 1:
                _run(_sweep(self))
            _run(_load(self.url))
        try:
            yield self
        finally:
            with self._alone():
                users = [one for one in self._users() if one != os.getpid()]
                self._note(users)
                if not users:
                    self._end()

    def argv(self) -> list[str]:
        """Return the engine's command."""
        if self.name == "docker":
            places = {"--data-root": "root", "--exec-root": "run", "--pidfile": "docker.pid"}
            options = [f"{option}={self.folder / place}" for option, place in places.items()]
            return ["dockerd", *options, f"--host={self.url}", "--bridge=none"]
        return [*self.podman(), "system", "service", "--time=0", self.url]

    def podman(self) -> list[str]:
        """Return how Podman is called so that nothing of it is the machine's."""
        places = {"--root": "root", "--runroot": "run", "--tmpdir": "tmp", "--network-config-dir": "networks"}
        return ["podman", *(f"{option}={self.folder / place}" for option, place in places.items())]

    def environment(self) -> dict[str, str]:
        """Return the engine's environment: for Podman, a private configuration with this machine's quirks."""
        if self.name == "docker":
            return dict(os.environ)
        files = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_REGISTRIES_CONF": "registries.conf"}
        return {**os.environ, **{name: str(self.folder / file) for name, file in files.items()}}

    def _start(self) -> None:
        if self.name == "podman":
            service = _run(find_service(socket=self.socket, folder=self.folder / "found"))
            quirks = service.configuration.read_text(encoding="utf-8") if service.configuration else ""
            # Locks in shared memory are one set for all Podmans of a machine; and what watched over a command that was
            # run in a container would stay for 5 minutes.
            own = '[engine]\nlock_type = "file"\nexit_command_delay = 1\n'
            text = quirks.replace("[engine]\n", own) if "[engine]\n" in quirks else quirks + own
            (self.folder / "containers.conf").write_text(text, encoding="utf-8")
            # Docker asks loopback registries without TLS by itself, Podman those that it is told of.
            plain = (f'[[registry]]\nlocation = "127.0.0.1:{port}"\ninsecure = true\n' for port in REGISTRY_PORTS)
            (self.folder / "registries.conf").write_text("\n".join(plain), encoding="utf-8")
        self.socket.unlink(missing_ok=True)
        if shutil.which(self.argv()[0]) is None:
            raise RuntimeError(f"{self.argv()[0]} is not installed; make setup installs what tests need")
        # What watches over a container writes a file where the engine works when that container runs out of memory.
        argv = ["/usr/bin/env", f"--chdir={self.folder}", *self.argv()]
        log = str(self.folder / "engine.log")
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        # A session of its own: an interrupt at the keyboard ends the tests first, and they end the engine.
        pid = os.posix_spawn(argv[0], argv, self.environment(), file_actions=actions, setsid=True)
        (self.folder / "engine.pid").write_text(str(pid), encoding="ascii")
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if os.waitpid(pid, os.WNOHANG) != (0, 0) or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not start: see {log}")
            time.sleep(0.1)

    def _end(self) -> None:
        if self.name == "podman":
            # Containers of Podman outlive its service.
            subprocess.run(
                [*self.podman(), "rm", "--all", "--force", "--time=0"],
                env=self.environment(),
                check=False,
                capture_output=True,
            )
        pid = int((self.folder / "engine.pid").read_text(encoding="ascii"))
        if not self._is_ours(pid):
            return
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + END_SECONDS
        while self._is_ours(pid):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def _is_ours(self, pid: int) -> bool:
        try:
            return str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def _answers(self) -> bool:
        return _run(answering_socket((self.socket,))) is not None

    def _users(self) -> list[int]:
        file = self.folder / "users"
        noted = file.read_text(encoding="ascii").split() if file.exists() else []
        return [int(one) for one in noted if Path(f"/proc/{one}").exists()]

    def _note(self, users: list[int]) -> None:
        (self.folder / "users").write_text(" ".join(map(str, users)), encoding="ascii")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / "lock").open("w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def note_installation(url: str, installation: str) -> None:
    """Note who has packet filter rules for networks of a private engine, so that they go even if this run is killed."""
    if not url.startswith("unix://"):
        return
    with (Path(url.removeprefix("unix://")).parent / INSTALLATIONS).open("a", encoding="ascii") as file:
        file.write(f"{installation}\n")


async def _load(url: str) -> None:
    """Load the test images."""
    engine = Engine(url)
    try:
        await load(engine, TEST_IMAGES)
    finally:
        await engine.close()


async def _sweep(private: PrivateEngine) -> None:
    """Remove what a killed run left on an engine that nobody else uses now: containers, networks, rules."""
    engine, noted = Engine(private.url), private.folder / INSTALLATIONS
    try:
        for container in await engine.docker.containers.list(all=True):
            await container.delete(force=True, v=True)
        for network in await engine.docker.networks.list():
            if LABEL in (network.get("Labels") or {}):
                await (await engine.docker.networks.get(network["Id"])).delete()
    finally:
        await engine.close()
    if noted.exists():
        for installation in set(noted.read_text(encoding="ascii").split()):
            await forget(installation)
        noted.unlink()


@pytest.fixture(scope="session")
def podman_engine() -> Iterator[PrivateEngine]:
    """A Podman of our own, with the test images."""
    with PrivateEngine("podman", cache_folder() / "podman").shared() as engine:
        yield engine


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[PrivateEngine]:
    """A Docker of our own, with the test images."""
    with PrivateEngine("docker", cache_folder() / "docker").shared() as engine:
        yield engine
