"""`specola up` for real: its processes, killed one by one, and what it says when it cannot start."""

import http.client
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.harness import short_folder
from tests.support.ports import free_port

PROCESSES = ("web", "worker", "signer", "connector", "gateway")
PATIENCE = 60.0


def until(met: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.1)


class Up:
    """A `specola up` of our own, with pretended tasks."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port, self.out = data, port, data.with_name(f"{data.name}.out")
        user = "nobody" if os.geteuid() == 0 else "specola"
        settings = {"DATA": str(data), "BIND": f"127.0.0.1:{port}", "RUN_AS": user, "ENGINE": "memory"}
        self.environment = {**os.environ, **{f"SPECOLA_{name}": value for name, value in settings.items()}}
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "specola", "up"], env=self.environment, stdout=out, stderr=subprocess.STDOUT
            )

    def said(self) -> str:
        return self.out.read_text()

    def pid(self, name: str) -> int:
        return int((self.data / "run" / f"{name}.pid").read_text())

    def is_well(self) -> bool:
        # By the library alone: a client made for each question would take the processor from whoever has to start.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/api/v1/health", headers={"Host": f"localhost:{self.port}"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def running() -> Iterator[Up]:
    with short_folder() as folder:
        # Below /tmp, where the unprivileged user may pass.
        folder.chmod(0o755)
        up = Up(folder / "data", free_port())
        try:
            until(lambda: "Ctrl-C" in up.said() or up.process.poll() is not None, up.said())
            assert up.process.poll() is None, up.said()
            yield up
        finally:
            up.process.kill()
            up.process.wait()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def readable_by(user: str, path: Path) -> bool:
    """Tell whether somebody else can open a file."""
    return subprocess.run(["cat", path], user=user, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_the_platform_outlives_the_death_of_each_process() -> None:
    began = time.monotonic()
    with running() as up:
        # One process comes back in less time than all of them took to start, on a machine as busy as this one.
        took = time.monotonic() - began
        assert up.is_well()
        assert f"http://localhost:{up.port}/sign-in/link#" in up.said()
        for name in PROCESSES:
            before = up.pid(name)
            os.kill(before, signal.SIGKILL)
            began = time.monotonic()
            until(lambda name=name, before=before: up.pid(name) != before and up.is_well(), f"{name} back")  # type: ignore[misc]
            assert time.monotonic() - began < max(20.0, 2 * took)
        second = subprocess.run(
            [sys.executable, "-m", "specola", "up"], env=up.environment, capture_output=True, text=True, check=False
        )
        assert second.returncode == 5
        assert "is running already" in second.stderr
        pids = [up.pid(name) for name in PROCESSES]
        assert up.end() == 0
        assert not any(is_alive(pid) for pid in pids)


@pytest.mark.slow
def test_its_processes_die_with_it_and_nothing_unprivileged_stays_root() -> None:
    with running() as up:
        pids = {name: up.pid(name) for name in PROCESSES}
        if os.geteuid() == 0:
            owners = {name: Path(f"/proc/{pid}").stat().st_uid for name, pid in pids.items()}
            assert owners["web"] == owners["gateway"] == pwd.getpwnam("nobody").pw_uid
            # It became unprivileged, and its memory stayed closed to others of the same user.
            signer = Path(f"/proc/{pids['signer']}")
            assert f"Uid:\t{owners['web']}\t{owners['web']}" in (signer / "status").read_text()
            assert not readable_by("nobody", signer / "maps")
            assert not readable_by("nobody", up.data / "signer" / "authority")
            assert owners["worker"] == owners["connector"] == 0
        os.kill(up.process.pid, signal.SIGKILL)
        until(lambda: not any(is_alive(pid) for pid in pids.values()), "all dead")


@pytest.mark.slow
def test_an_address_in_use_is_named() -> None:
    with short_folder() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        folder.chmod(0o755)
        up = Up(folder / "data", taken.getsockname()[1])
        assert up.process.wait(PATIENCE) == 5
        assert f"cannot listen on 127.0.0.1:{up.port}: something else listens there already" in up.said()
        assert "SPECOLA_BIND" in up.said()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its user")
def test_a_missing_user_is_named_with_how_to_make_it() -> None:
    with short_folder() as folder:
        environment = {**os.environ, "SPECOLA_DATA": str(folder), "SPECOLA_RUN_AS": "no-such-user"}
        environment |= {"SPECOLA_BIND": f"127.0.0.1:{free_port()}", "SPECOLA_ENGINE": "memory"}
        answer = subprocess.run(
            [sys.executable, "-m", "specola", "up"], env=environment, capture_output=True, text=True, check=False
        )
        assert "useradd --system no-such-user" in answer.stderr
        assert answer.returncode == 2
