"""Processes killed at any moment: no task is lost or doubled, applications and live connections stay."""

import asyncio
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.engines import PrivateEngine
from tests.support.installed import Installed, installed, until
from tests.support.relay import relayed

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.containers,
    pytest.mark.xdist_group("podman-e2e"),
    pytest.mark.timeout(600),
]

PROCESSES = ("web", "worker", "signer", "connector", "gateway")
BACK_SECONDS = 5.0

# Answers a request to upgrade, then sends back whatever comes: a live connection that a test can watch.
ECHO = """
import socketserver

class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        head = b""
        while not head.endswith(b"\\r\\n\\r\\n"):
            head += self.rfile.readline()
        if b"upgrade" not in head.lower():
            self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
            return
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n")
        while data := self.connection.recv(65536):
            self.connection.sendall(data)

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

Server(("0.0.0.0", 8000), Echo).serve_forever()
"""


async def start(api: httpx.AsyncClient, **wanted: object) -> dict[str, object]:
    """Start a task and wait until it is ready."""
    answer = await api.post("/tasks", json=wanted, params={"wait": 60})
    assert answer.status_code == 201, answer.text
    task: dict[str, object] = answer.json()
    assert task["state"] == "running", task
    return task


def address(task: dict[str, object]) -> str:
    """Return where its first interface is opened."""
    interfaces = task["interfaces"]
    assert isinstance(interfaces, list)
    return str(interfaces[0]["url"])


def containers(engine: PrivateEngine, data: Path) -> list[str]:
    """Return the task ids of this installation's containers, by the engine's own word."""
    installation = (data / "installation").read_text(encoding="ascii").strip()
    argv = [*engine.podman(), "ps", "--all", "--filter", f"label=org.specola.installation={installation}"]
    argv += ["--format", '{{index .Labels "org.specola.task"}}']
    found = subprocess.run(argv, env=engine.environment(), capture_output=True, text=True, check=True)
    return sorted(found.stdout.split())


@pytest.mark.parametrize("name", PROCESSES)
async def test_a_killed_process_leaves_every_application_reachable_within_5_s(
    platform: Installed,
    demonstrations: PrivateEngine,
    name: str,
    record_property: Callable[[str, object], None],
) -> None:
    async with platform.api() as api:
        task = await start(api, software="sum")
        async with platform.at_task(address(task)) as application:
            await platform.kill(name)
            began = time.monotonic()

            async def answers() -> bool:
                try:
                    return bool((await application.get("/sum?a=40&b=2")).json()["sum"] == 42)
                except (httpx.HTTPError, ValueError, KeyError):
                    return False

            await until(answers, seconds=BACK_SECONDS, what=f"an answer after the death of {name}")
            record_property("back_after_seconds", round(time.monotonic() - began, 2))

        await platform.healthy()
        live = (await api.get("/tasks", params={"live": True})).json()["tasks"]
    assert [one["id"] for one in live] == [task["id"]]
    assert containers(demonstrations, platform.data) == [task["id"]]


async def test_starts_survive_the_death_of_any_process_and_none_is_doubled(
    platform: Installed, demonstrations: PrivateEngine
) -> None:
    chance = random.Random(20)

    async def insist(number: int) -> str:
        """Ask until there is an answer, as a program would: with the same key, so that it cannot start twice."""
        async with platform.api() as api:

            async def asked() -> str | None:
                try:
                    answer = await api.post(
                        "/tasks",
                        json={"software": "sum", "name": f"sum {number}"},
                        headers={"Idempotency-Key": f"insist-{number}"},
                    )
                except httpx.HTTPError:
                    return None
                return str(answer.json()["id"]) if answer.status_code == 201 else None

            return str(await until(asked, pause=0.1, what="an accepted start"))

    async def havoc() -> None:
        for name in PROCESSES * 2:
            await asyncio.sleep(chance.uniform(0.1, 0.6))
            await platform.kill(name)

    results = await asyncio.gather(*(insist(number) for number in range(6)), havoc())
    ids = sorted(str(one) for one in results[:6])
    async with platform.api() as api:

        async def all_run() -> bool:
            try:
                tasks = (await api.get("/tasks")).json()["tasks"]
            except (httpx.HTTPError, ValueError):
                return False
            return [one["state"] for one in tasks] == ["running"] * 6

        await until(all_run, seconds=120, what="six running tasks")
        assert sorted(one["id"] for one in (await api.get("/tasks")).json()["tasks"]) == ids
    assert containers(demonstrations, platform.data) == ids


async def test_a_live_upgraded_connection_survives_all_but_the_gateway(platform: Installed) -> None:
    definition = {
        "software": "echo",
        "title": "Echo",
        "image": "localhost/specola/sum:1.0",
        "command": ["python3", "-c", ECHO],
        "interfaces": [{"name": "echo", "port": 8000}],
    }
    async with platform.api() as api:
        assert (await api.post("/software", json=definition)).status_code == 201
        task = await start(api, software="echo")
    host = httpx.URL(address(task)).netloc.decode()
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.port)
    writer.write(
        f"GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {platform.token}\r\n"
        "Connection: Upgrade\r\nUpgrade: echo\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    for name in ("web", "worker", "connector"):
        await platform.kill(name)
        writer.write(f"after {name}\n".encode())
        assert await reader.readline() == f"after {name}\n".encode()
    await platform.kill("gateway")
    assert await reader.read() == b""
    writer.close()


async def test_a_container_that_dies_outside_is_shown_within_2_s(
    platform: Installed, demonstrations: PrivateEngine
) -> None:
    async with platform.api() as api:
        task = await start(api, software="sum")
        installation = (platform.data / "installation").read_text(encoding="ascii").strip()
        name = f"specola-{installation}-{task['id']}"
        subprocess.run(
            [*demonstrations.podman(), "kill", "--signal=KILL", name],
            env=demonstrations.environment(),
            check=True,
            capture_output=True,
        )

        async def failed() -> bool:
            return bool((await api.get(f"/tasks/{task['id']}")).json()["state"] == "failed")

        await until(failed, seconds=2.0, what="the task's failure")
        shown = (await api.get(f"/tasks/{task['id']}")).json()
    assert shown["reason"]["sentence"]
    assert shown["reason"]["hint"]


async def test_without_its_engine_a_task_keeps_its_state_and_says_since_when(
    demonstrations: PrivateEngine, data_folder: Path
) -> None:
    data_folder.mkdir()
    data_folder.chmod(0o711)
    async with (
        relayed(demonstrations.socket, data_folder / "way.sock") as way,
        installed(data_folder, engine=f"unix://{data_folder / 'way.sock'}") as platform,
        platform.api() as api,
    ):
        task = await start(api, software="sum")

        async def shown() -> dict[str, object]:
            found: dict[str, object] = (await api.get(f"/tasks/{task['id']}")).json()
            return found

        async def unseen() -> bool:
            return (await shown())["unseen_since"] is not None

        async def seen() -> bool:
            return (await shown())["unseen_since"] is None

        way.close()
        await until(unseen, what="the note that the task is not seen")
        assert (await shown())["state"] == "running"
        async with platform.at_task(address(task)) as application:
            assert (await application.get("/sum?a=1&b=1")).json()["sum"] == 2
        refused = await api.post("/tasks", json={"software": "sum"})
        assert refused.status_code == 503
        assert refused.json()["hint"]

        await way.open()
        await until(seen, what="the task seen again")
        assert (await shown())["state"] == "running"
        stopped = (await api.post(f"/tasks/{task['id']}/stop", params={"wait": 30})).json()
        assert stopped["state"] == "stopped"
    assert containers(demonstrations, data_folder) == []


async def test_a_restart_of_all_finds_running_tasks_again(demonstrations: PrivateEngine, data_folder: Path) -> None:
    async with installed(data_folder, engine=demonstrations.url) as platform, platform.api() as api:
        task = await start(api, software="sum")
        port = platform.port
    assert containers(demonstrations, data_folder) == [task["id"]]
    async with installed(data_folder, engine=demonstrations.url, port=port) as platform, platform.api() as api:
        async with platform.at_task(address(task)) as application:
            assert (await application.get("/sum?a=1&b=2")).json()["sum"] == 3
        stopped = (await api.post(f"/tasks/{task['id']}/stop", params={"wait": 30})).json()
        assert stopped["state"] == "stopped"
