"""Click to first byte: a task asked for by the API and had through the gateway, beside the same container by hand."""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.contenders import free_port
from bench.gateway import Target
from scripts.images import Image
from specola.computing.engine.firewall import forget

__all__ = ["Platform", "main", "measure", "running_platform"]

IMAGE = "sum"
PATH = "/sum?a=1&b=2"
PORT = 8000
LIMIT = 0.4
STEP = 0.005
PATIENCE = 90.0
# As on the machines that let nobody raise limits; elsewhere they cost nothing.
ULIMITS = [{"Name": "nofile", "Soft": 1024, "Hard": 4096}, {"Name": "nproc", "Soft": 4096, "Hard": 8192}]
USUAL_ENGINES = ("/run/docker.sock", "/run/podman/podman.sock")


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform that runs for this benchmark alone."""

    port: int
    token: str = field(repr=False)
    engine: Path

    def client(self, host: str) -> httpx.Client:
        """Return a client of one of the platform's hosts, which clients outside browsers cannot resolve."""
        headers = {"Authorization": f"Bearer {self.token}", "Host": f"{host}:{self.port}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=PATIENCE)


def until(question: Callable[[], bool], what: str) -> None:
    """Ask again and again until the answer is yes."""
    end = time.monotonic() + PATIENCE
    while not question():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {PATIENCE:.0f} s")
        time.sleep(STEP)


def is_good(client: httpx.Client, path: str) -> bool:
    """Tell whether a GET is answered with 200."""
    try:
        return client.get(path).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def running_platform() -> Iterator[Platform]:
    """Run the platform on a free port with data of its own."""
    with tempfile.TemporaryDirectory(prefix="specola-bench-") as name:
        data = Path(name)
        data.chmod(0o711)
        port = free_port()
        environment = os.environ | {"SPECOLA_DATA": name, "SPECOLA_BIND": f"127.0.0.1:{port}"}
        with (data / "up.log").open("wb") as log:
            command = [sys.executable, "-m", "specola", "up"]
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Host": f"localhost:{port}"}) as client:
                until(lambda: is_good(client, "/api/v1/health"), f"the platform starts, see {log.name}")
            yield Platform(port=port, token=make_token(environment), engine=engine_socket(data))
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)
            # The rules for its tasks' networks stay when a platform stops; nobody will start this one again.
            if (data / "installation").exists() and os.geteuid() == 0:
                asyncio.run(forget((data / "installation").read_text(encoding="ascii").strip()))


def make_token(environment: Mapping[str, str]) -> str:
    """Make a person and a token by the commands of the host."""
    command = [sys.executable, "-m", "specola", "admin"]
    subprocess.run([*command, "create", "bench"], env=environment, check=True, capture_output=True)
    made = subprocess.run([*command, "token", "bench"], env=environment, check=True, capture_output=True, text=True)
    return next(word for word in made.stdout.split() if word.startswith("specola_"))


def engine_socket(data: Path) -> Path:
    """Return where the engine answers: one that was here already, or the one that the platform started."""
    usual = [Path(path) for path in USUAL_ENGINES]
    found = [path for path in (*usual, *data.rglob("podman.sock")) if path.is_socket()]
    if not found:
        raise RuntimeError("the engine's socket is not where it is looked for")
    return found[0]


def by_platform(platform: Platform) -> float:
    """Start a task and have its first byte through the gateway; return the seconds."""
    with platform.client("localhost") as api:
        api.get("/api/v1/health")
        begin = time.monotonic()
        task = good(api.post("/api/v1/tasks", json={"software": IMAGE}))
        with platform.client(f"api--{task['id']}.localhost") as visitor:
            until(lambda: is_good(visitor, PATH), "the task answers")
        seconds = time.monotonic() - begin
        good(api.post(f"/api/v1/tasks/{task['id']}/stop"))
        until(lambda: good(api.get(f"/api/v1/tasks/{task['id']}"))["ended"] is not None, "the task ends")
        api.delete(f"/api/v1/tasks/{task['id']}").raise_for_status()
    return seconds


def by_hand(engine: Path) -> float:
    """Create and start the same container by the engine's API and ask it directly; return the seconds."""
    wanted = {
        "Image": Image(IMAGE).reference,
        "HostConfig": {
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Ulimits": ULIMITS,
            "Memory": 128 * 1024**2,
        },
    }
    transport = httpx.HTTPTransport(uds=str(engine))
    with httpx.Client(transport=transport, base_url="http://engine/v1.40", timeout=PATIENCE) as api:
        api.get("/_ping")
        begin = time.monotonic()
        name = good(api.post("/containers/create", json=wanted))["Id"]
        try:
            api.post(f"/containers/{name}/start").raise_for_status()
            networks = good(api.get(f"/containers/{name}/json"))["NetworkSettings"]["Networks"]
            address = next(iter(networks.values()))["IPAddress"]
            with httpx.Client(base_url=f"http://{address}:{PORT}") as visitor:
                until(lambda: is_good(visitor, PATH), "the container answers")
            return time.monotonic() - begin
        finally:
            api.delete(f"/containers/{name}", params={"force": "true"}).raise_for_status()


def good(answer: httpx.Response) -> dict[str, Any]:
    """Return what a good answer says."""
    answer.raise_for_status()
    return dict(answer.json())


def measure(rounds: int) -> Iterator[str]:
    """Measure both in turn, after one round that is not counted; yield the lines of the report."""
    ours: list[float] = []
    hand: list[float] = []
    with running_platform() as platform:
        for number in range(rounds + 1):
            hand.append(by_hand(platform.engine))
            ours.append(by_platform(platform))
            print(f"start {number} of {rounds}: by hand {hand[-1]:.3f} s, specola {ours[-1]:.3f} s", flush=True)
    more = statistics.median(ours[1:]) - statistics.median(hand[1:])
    yield f"{'click to first byte':26}{'by hand':>12}{'specola':>12}"
    yield f"{'median, s':26}{statistics.median(hand[1:]):12.3f}{statistics.median(ours[1:]):12.3f}"
    yield Target("click to first byte, more than by hand, s", more, LIMIT, at_least=False).line()


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    print("", *measure(parser.parse_args().rounds), sep="\n")


if __name__ == "__main__":
    main()
