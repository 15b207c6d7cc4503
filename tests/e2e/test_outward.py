"""A task whose agent dials out, on a host of the lab: used like any other, reached again after whatever was killed."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab import sshhost
from lab.place import RELAY
from lab.records import reached
from lab.sshhost import SshHosts
from specola.connector.client import ConnectorClient
from tests.matrix.places import Yard
from tests.support.batch import WITHIN, host_without_engine, images
from tests.support.installed import Installed, installed, until
from tests.support.lab import LAB
from tests.support.terminals import Page

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.lab,
    pytest.mark.containers,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]

NAME, OWNER, OTHER = "outward", "ann", "ben"
AGAIN = 10.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WEB, ECHO = 8000, 9000
SERVE = f"nc -ll -p {ECHO} -e cat & exec httpd -f -p {WEB} -h /www"


@contextmanager
def platform_on(lab: SshHosts, port: int) -> Iterator[None]:
    """Have the platform answer on the loopback of the host too, as if that had a way out to it."""
    process = str(lab.place.machine(lab.inner.name).process)
    relay = subprocess.Popen([sys.executable, "-I", str(RELAY), str(port), process])
    try:
        yield
    finally:
        relay.kill()
        relay.wait()


@dataclass(frozen=True, slots=True)
class Place:
    """A platform, a host whose tasks dial out to it, and a task there that runs."""

    platform: Installed
    lab: SshHosts
    task: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """The task's folder on the host."""
        return f"/home/{OWNER}/.specola/{self.platform.installation}/tasks/{self.task['id']}"

    def run(self, *words: str, user: str) -> str:
        """Run a command on the host that may fail; return all that it wrote."""
        script = '"$@" 2>&1; true'
        return self.lab.place.machine(self.lab.inner.name).run("sh", "-c", script, "-", *words, user=user)

    async def answers(self) -> bool:
        """Tell whether its application does."""
        address = f"http://web--{self.task['id']}.localhost:{self.platform.port}"
        try:
            async with self.platform.at_task(address) as client:
                return (await client.get("/")).status_code in {200, 404}
        except httpx.HTTPError:
            return False

    async def echoes(self) -> bool:
        """Tell whether what is sent to its TCP interface comes back."""
        code, came, errors = await self.platform.command("connect", "--stdio", self.task["id"], "echo", given="hello\n")
        assert code == 0, errors
        return came == "hello\n"


@pytest.fixture
async def place(data_folder: Path, tmp_path: Path) -> AsyncIterator[Place]:
    """All of it."""
    with images() as registry, host_without_engine() as lab:
        async with installed(data_folder, engine=f"unix://{tmp_path}/nobody.sock") as platform:
            with platform_on(lab, platform.port):
                platform.environment.update(HOME=str(tmp_path), XDG_CONFIG_HOME="", XDG_STATE_HOME="")
                yield Place(platform, lab, await started(platform, lab, f"127.0.0.1:{registry.port}"))


async def started(platform: Installed, lab: SshHosts, registry: str) -> Mapping[str, Any]:
    """Add the host, and start a task there."""
    yard = Yard(platform, pytest.fail)
    sshhost.trust(await yard.authority(), LAB)
    settings = {
        "scheduler": "none",
        "runtime": "apptainer",
        "host": {**reached(lab.keys, lab.inner, lab.front), "identity": "certificate"},
        "way": "outward",
        "insecure_registries": [registry],
    }
    await yard.add({"computing": NAME, "kind": "batch", "settings": settings})
    await yard.enter(NAME)
    await yard.answers(NAME)
    interfaces = [
        {"name": "web", "port": WEB, "protocol": "http"},
        {"name": "echo", "port": ECHO, "protocol": "tcp"},
    ]
    software = {
        "software": "box",
        "title": "Box",
        "image": f"{registry}/{WITHIN[0]}",
        "command": ["sh", "-c", SERVE],
        "interfaces": interfaces,
    }
    async with platform.api() as api:
        assert (answer := await api.post("/software", json=software)).status_code == 201, answer.text
        wanted = {"software": "box", "computing": NAME, "memory": "256MiB"}
        answer = await api.post("/tasks", json=wanted, params={"wait": 60})
        assert answer.json().get("state") == "running", answer.text
        return dict(answer.json())


async def test_task_that_dials_out(place: Place) -> None:
    platform, task = place.platform, place.task["id"]
    assert await place.answers()
    assert await place.echoes()
    code, output, errors = await platform.command("exec", task, "--", "sh", "-c", "echo $((6 * 7)); exit 5")
    assert (code, output) == (5, "42\n"), errors

    for name in ("gateway", "connector"):
        await platform.kill(name)
        # How long a process takes to start is not the way's doing.
        await platform.healthy()
        began = time.monotonic()
        await until(place.answers, what=f"the task, after {name} was killed")
        took = time.monotonic() - began
        assert took < AGAIN, (
            name,
            took,
            await asyncio.to_thread(place.run, "cat", f"{place.folder}/calls.log", user=OWNER),
        )
        assert await place.echoes()
    caller = f"agent.pyz call {place.folder}"
    # A pattern that its own command line does not match.
    await asyncio.to_thread(place.run, "pkill", "--full", caller.replace("call", "[c]all"), user=OWNER)
    await until(place.answers, what="the task, after its own end of the connection was killed")

    await line_is_shown(place)
    await neighbour_gets_nothing(place)

    async with platform.api() as api:
        assert (await api.get(f"/tasks/{task}")).json()["state"] == "running"
        assert (await api.post(f"/tasks/{task}/stop", params={"wait": 60})).json()["state"] == "stopped"
    assert caller not in await asyncio.to_thread(place.run, "ps", "-ww", "-eo", "args", user="root")


async def line_is_shown(place: Place) -> None:
    """Have a line shown on a terminal of the task, as the worker does ahead of a time limit."""
    task, run = place.task["id"], place.platform.data / "run"
    connector = ConnectorClient(run / "connector.sock")
    page = await Page.open(run / "terminals.sock", person=place.task["owner"], task=task)
    await page.attach()
    await connector.tell(task, "It ends in 5 minutes.")
    await page.shows("[specola] It ends in 5 minutes.")
    await page.say("end")
    _ = await page.ended()
    page.socket.peer.close()
    await connector.close()


async def neighbour_gets_nothing(place: Place) -> None:
    """Try as another user of the host to read the secret, and to come without it."""
    secret = (await asyncio.to_thread(place.run, "cat", f"{place.folder}/enrolment", user=OWNER)).strip()
    assert len(secret) == 64
    told = await asyncio.to_thread(place.run, "cat", f"{place.folder}/enrolment", user=OTHER)
    assert "denied" in told
    everything = "ps -ww axeo args; cat /proc/*/environ /proc/*/cmdline"
    assert secret not in await asyncio.to_thread(place.run, "sh", "-c", everything, user=OTHER)
    # Not even their owner's processes say it.
    assert secret not in await asyncio.to_thread(place.run, "sh", "-c", everything, user=OWNER)
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")
    for shown in ("", f"Authorization: Specola-Agent {place.task['id']} {'0' * 32} {'0' * 64}"):
        headers = [word for one in (*upgrade, shown) if one for word in ("--header", one)]
        url = f"http://127.0.0.1:{place.platform.port}/.specola/agents"
        words = ("curl", "--silent", "--max-time", "5", "--output", "/dev/null", "--write-out", "%{http_code}")
        assert await asyncio.to_thread(place.run, *words, *headers, url, user=OTHER) == "403"
