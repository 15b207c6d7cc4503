"""The programs that are measured beside each other, and what they stand between; each pinned to one core."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "COOKIE",
    "HOST",
    "OTHERS_CORE",
    "PROXY_CORE",
    "TASK",
    "TOKEN",
    "Contender",
    "contenders",
    "free_port",
    "gateway",
    "pinned",
    "running",
    "serving",
    "spread",
]

PROXY_CORE = 0
OTHERS_CORE = 1
COOKIE = "bench"
TASK = "k3f9x2ab4c"
HOST = f"lab--{TASK}.localhost"
TOKEN = "specola_" + "b" * 43
SMALL = 1024
LARGE = 100 * 1024 * 1024
CACHE = Path(".cache/bench")
PATIENCE = 20.0

BACKEND = """
worker_processes 1; daemon off; pid {folder}/backend.pid; error_log {folder}/backend.err; user root;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; sendfile on; tcp_nodelay on;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/files; }} }}
"""
PROXY = """
worker_processes 1; daemon off; pid {folder}/proxy.pid; error_log {folder}/proxy.err; user root;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; tcp_nodelay on;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream task {{ server 127.0.0.1:{backend}; keepalive 128; keepalive_requests 100000000; }}
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://task; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_buffering off;
      proxy_read_timeout 600s; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr; }} }} }}
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """A program under measurement, at a port; `pid` is the process that does the work."""

    name: str
    port: int
    pid: int


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pinned(core: int) -> list[str]:
    """Return what stands before a command that is to run on one core."""
    return [shutil.which("taskset") or "taskset", "-c", str(core)]


@contextmanager
def running(argv: Sequence[str], *, core: int, port: int, environment: dict[str, str] | None = None) -> Iterator[int]:
    """Run a program pinned to a core until the body ends; yields its process id once it accepts connections."""
    command = [*pinned(core), *argv]
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a port accepts connections."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not listen")


def worker_of(pid: int) -> int:
    """Return nginx's one worker, below its master."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0])


@contextmanager
def spread(*some: Contender) -> Iterator[None]:
    """Let the kernel choose the core of these for the body, as it does wherever nobody measures."""
    threads = {
        int(thread.name): os.sched_getaffinity(int(thread.name))
        for one in some
        for thread in Path(f"/proc/{one.pid}/task").iterdir()
    }
    for thread in threads:
        os.sched_setaffinity(thread, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        for thread, cores in threads.items():
            with suppress(ProcessLookupError):  # a thread of a connection, which has ended
                os.sched_setaffinity(thread, cores)


@contextmanager
def serving(folder: Path) -> Iterator[Contender]:
    """Run the server that all contenders stand before; yields it as the contender that has nothing between."""
    files = folder / "files"
    files.mkdir()
    (files / "small").write_bytes(b"x" * SMALL)
    (files / "large").write_bytes(os.urandom(1024) * (LARGE // 1024))
    port = free_port()
    config = folder / "backend.conf"
    config.write_text(BACKEND.format(folder=folder, port=port))
    with running(["nginx", "-c", str(config)], core=OTHERS_CORE, port=port) as pid:
        yield Contender("nothing between", port, worker_of(pid))


@contextmanager
def contenders(folder: Path, backend: int) -> Iterator[list[Contender]]:
    """Run nginx, configurable-http-proxy and the gateway before one backend."""
    with nginx(folder, backend) as first, configurable(backend) as second, gateway(folder, backend) as third:
        yield [first, second, third]


@contextmanager
def nginx(folder: Path, backend: int) -> Iterator[Contender]:
    """Run nginx as a reverse proxy with kept connections."""
    port = free_port()
    config = folder / "proxy.conf"
    config.write_text(PROXY.format(folder=folder, port=port, backend=backend))
    with running(["nginx", "-c", str(config)], core=PROXY_CORE, port=port) as pid:
        yield Contender("nginx", port, worker_of(pid))


@contextmanager
def configurable(backend: int) -> Iterator[Contender]:
    """Run configurable-http-proxy, installed into a cache folder the first time."""
    program = CACHE / "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", str(CACHE), "configurable-http-proxy"], check=True)
    port = free_port()
    argv = ["node", str(program), "--ip", "127.0.0.1", "--port", str(port), "--api-port", str(free_port())]
    argv += ["--default-target", f"http://127.0.0.1:{backend}", "--log-level", "error"]
    with running(argv, core=PROXY_CORE, port=port) as pid:
        yield Contender("configurable-http-proxy", port, pid)


@contextmanager
def gateway(folder: Path, backend: int, *, protocol: str = "http") -> Iterator[Contender]:
    """Run the gateway, with a `web` beside it that lets one cookie pass, to a server that speaks `protocol`."""
    port = free_port()
    data = folder / "data"
    (data / "run").mkdir(parents=True, exist_ok=True)
    decider = subprocess.Popen([sys.executable, "-m", "bench.decider", str(data), str(backend), protocol])
    environment = {"SPECOLA_DATA": str(data), "SPECOLA_BIND": f"127.0.0.1:{port}", "SPECOLA_RUN_AS": "root"}
    try:
        argv = [sys.executable, "-m", "specola", "gateway"]
        with running(argv, core=PROXY_CORE, port=port, environment=environment) as pid:
            yield Contender("gateway", port, pid)
    finally:
        decider.terminate()
        decider.wait()
