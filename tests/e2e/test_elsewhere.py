"""Tasks elsewhere outlive whatever breaks on the way to them, and are reached again by themselves."""

import asyncio
import contextlib
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from lab import kubernetes, registry, slurm, sshhost
from lab.place import Place
from lab.records import ACCOUNT, Records, authorise
from tests.support.browser import chromium
from tests.support.forwards import forwarded
from tests.support.images import TEST_IMAGE
from tests.support.installed import Installed, installed, until
from tests.support.lab import own_ground

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.lab,
    pytest.mark.containers,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

BOX = "specola-test/box:1"
WEB, ECHO = 8000, 9000
# What it answers is made when it starts, so that one that was started anew answers something else.
SERVE = (
    "cd /tmp || cd /dev/shm; mkdir www && cat /proc/sys/kernel/random/uuid >www/made"
    f" && (nc -ll -p {ECHO} -e cat & exec httpd -f -p {WEB} -h www)"
)
AGAIN = 10.0
"""Within how many seconds a task is reached again once the way is back."""


@dataclass
class Stage:
    """A platform that can be stopped and started again, and a lab that can be broken."""

    ground: Path
    registry: int
    data: Path
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    platform: Installed = field(init=False)

    async def start(self, port: int | None = None) -> None:
        """Start the platform."""
        self.platform = await self.stack.enter_async_context(installed(self.data, engine="memory", port=port))

    async def restart(self) -> None:
        """Stop all of the platform, and start it again."""
        await self.stack.aclose()
        await self.start(self.platform.port)

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """Return what the API answers."""
        async with self.platform.api() as api:
            answer = await api.request(method, path, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def add(self, record: Mapping[str, Any]) -> str:
        """Add a computing, unless it was; return its name."""
        name: str = record["computing"]
        if name not in [one["name"] for one in await self.ask("GET", "/computings")]:
            await self.ask("POST", "/computings", json=record)
        return name

    async def is_reached(self, name: str) -> bool:
        """Tell whether a computing answered when it was last asked."""
        told = await self.ask("GET", f"/computings/{name}")
        return bool(told["reachable"] and told["probe"])


@dataclass(frozen=True)
class Task:
    """A task that serves, and a local port that leads to one of its interfaces."""

    stage: Stage
    id: str
    port: int
    made: str = ""

    async def state(self) -> Mapping[str, Any]:
        """Return what the platform says of it."""
        told: Mapping[str, Any] = await self.stage.ask("GET", f"/tasks/{self.id}")
        return told

    async def page(self) -> str:
        """Return what it answers by HTTP; empty: it is not reached."""
        async with self.stage.platform.at_task(f"http://web--{self.id}.localhost:{self.stage.platform.port}") as client:
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.get("/made", timeout=5)
                return answer.text if answer.is_success else ""
        return ""

    async def echoes(self) -> bool:
        """Tell whether a new TCP connection through the forward brings back what is sent."""
        sent = os.urandom(64)
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(sent)
                    return await reader.readexactly(len(sent)) == sent
                finally:
                    writer.close()
        return False

    async def answers(self) -> str:
        """Return what it answers, if it is reached both ways."""
        return await self.page() if await self.echoes() else ""

    async def is_the_same(self, after: str) -> None:
        """Wait until it is reached again, as the same container that was never told as ended."""
        made = await until(self.answers, seconds=AGAIN, pause=0.1, what=f"the task after {after}")
        assert made == self.made, after
        await self.goes_on(after)

    async def goes_on(self, when: str) -> None:
        """Look whether it is told as running, and always was."""
        told = await self.state()
        assert told["state"] == "running", (when, told)


Breaks = Callable[["Stage", Task, str], Awaitable[None]]


async def kill_worker(stage: Stage, task: Task, computing: str) -> None:
    await stage.platform.kill("worker")
    await stage.platform.healthy()


async def kill_connector(stage: Stage, task: Task, computing: str) -> None:
    await stage.platform.kill("connector")
    await stage.platform.healthy()


async def restart_platform(stage: Stage, task: Task, computing: str) -> None:
    await stage.restart()


def restart_sshd(up: Callable[[Path], Any], machine: Callable[[Path], Any]) -> Breaks:
    """Return what ends an SSH server with all its connections, and starts it again."""

    async def breaks(stage: Stage, task: Task, computing: str) -> None:
        await asyncio.to_thread(machine(stage.ground).run, "pkill", "--signal=KILL", "sshd")
        await asyncio.to_thread(up, stage.ground)

    return breaks


def login(ground: Path) -> Any:
    return Place("slurm", ground, ("login",)).machine("login")


def front(ground: Path) -> Any:
    return Place("sshhost", ground, ("front",)).machine("front")


async def noticed(stage: Stage, task: Task, computing: str) -> None:
    """Wait until the platform says that a computing does not answer; its task is no worse for it."""

    async def lost() -> bool:
        return not await stage.is_reached(computing)

    await until(lost, seconds=60, pause=0.1, what=f"{computing} as not reachable")
    await task.goes_on(f"{computing} is away")


async def halt_login(stage: Stage, task: Task, computing: str) -> None:
    await asyncio.to_thread(login(stage.ground).halt)
    await noticed(stage, task, computing)
    await asyncio.to_thread(slurm.up, stage.ground)


async def kill_controller(stage: Stage, task: Task, computing: str) -> None:
    login(stage.ground).signal("slurmctld", signal.SIGKILL)
    await noticed(stage, task, computing)
    await asyncio.to_thread(slurm.up, stage.ground)


async def restart_server(stage: Stage, task: Task, computing: str) -> None:
    node = Place("kubernetes", stage.ground, ("node",)).machine("node")
    await asyncio.to_thread(node.end, "kube-apiserver")
    await noticed(stage, task, computing)
    await asyncio.to_thread(kubernetes.up, stage.ground)


async def add_ssh_host(stage: Stage) -> str:
    lab = await asyncio.to_thread(sshhost.up, stage.ground)
    name = await stage.add(Records(stage.registry).ssh_engine(lab))
    line = (await stage.ask("GET", f"/computings/{name}/accounts"))["line"]
    await asyncio.to_thread(authorise, lab.place, lab.front.name, line)
    return name


async def add_cluster(stage: Stage) -> str:
    lab = await asyncio.to_thread(slurm.up, stage.ground)
    await asyncio.to_thread(slurm.trust, (await stage.ask("GET", "/accounts/authority"))["line"], stage.ground)
    name = await stage.add(Records(stage.registry).slurm(lab))
    await stage.ask("PUT", f"/computings/{name}/accounts/admin", json={"account": ACCOUNT})
    return name


async def add_kubernetes(stage: Stage) -> str:
    lab = await asyncio.to_thread(kubernetes.up, stage.ground)
    return await stage.add(Records(stage.registry).kubernetes(lab, BOX))


OURS: Sequence[tuple[str, Breaks]] = [
    ("its worker was killed", kill_worker),
    ("its connector was killed", kill_connector),
    ("the platform was stopped and started", restart_platform),
]
PLACES: Mapping[str, tuple[Callable[[Stage], Awaitable[str]], Sequence[tuple[str, Breaks]]]] = {
    "ssh": (add_ssh_host, [*OURS, ("sshd was restarted", restart_sshd(sshhost.up, front))]),
    "slurm": (
        add_cluster,
        [
            *OURS,
            ("sshd was restarted", restart_sshd(slurm.up, login)),
            ("slurmctld was killed", kill_controller),
            ("the login node was halted", halt_login),
        ],
    ),
    "kubernetes": (add_kubernetes, [*OURS, ("its API server was restarted", restart_server)]),
}


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A lab of this file's own, since it is broken here."""
    with own_ground() as folder:
        yield folder


@pytest.fixture(scope="module")
async def stage(anyio_backend: str, ground: Path) -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="sp-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        archive = Path(name) / "box.tar"
        archive.write_bytes(TEST_IMAGE.archive())
        images = await asyncio.to_thread(registry.up, ground, {BOX: archive})
        stage = Stage(ground, images.port, Path(name) / "data")
        await stage.start()
        try:
            yield stage
        finally:
            await stage.stack.aclose()


@asynccontextmanager
async def wished(stage: Stage, computing: str) -> AsyncIterator[str]:
    """Have a task on a computing while the body runs, which it need not do yet; give its id."""
    definition = {
        "software": f"box-{computing}",
        "image": f"127.0.0.1:{stage.registry}/{BOX}",
        "command": ["sh", "-c", SERVE],
        "resources": {"cpus": 0.5, "memory": "64MiB"},
        "user": "home",
        "home": "/home/person",
        "interfaces": [
            {"name": "web", "port": WEB, "protocol": "http"},
            {"name": "echo", "port": ECHO, "protocol": "tcp"},
        ],
    }
    await stage.ask("POST", "/software", json=definition)
    told = await stage.ask("POST", "/tasks", json={"software": definition["software"], "computing": computing})
    try:
        yield told["id"]
    finally:
        # A platform that did not come back is told by whatever met it first.
        with contextlib.suppress(httpx.TransportError):
            await stage.ask("POST", f"/tasks/{told['id']}/stop", params={"wait": 60})
            await stage.ask("DELETE", f"/software/{definition['software']}")


MARKS = {"kubernetes": [pytest.mark.kubernetes, pytest.mark.long], "ssh": [pytest.mark.long]}


@pytest.mark.parametrize("where", [pytest.param(one, marks=MARKS.get(one, [])) for one in PLACES])
async def test_a_task_goes_on_whatever_breaks_on_the_way_to_it(stage: Stage, where: str) -> None:
    add, faults = PLACES[where]
    computing = await add(stage)
    await until(lambda: stage.is_reached(computing), seconds=60, pause=0.1, what=computing)
    async with wished(stage, computing) as name, forwarded(stage.platform, name, "echo") as port:
        made = await until(Task(stage, name, port).answers, seconds=60, pause=0.1, what="a task that is reached")
        task = Task(stage, name, port, made)
        for what, breaks in faults:
            await breaks(stage, task, computing)
            await task.is_the_same(what)


@pytest.mark.browser
async def test_a_task_that_was_held_in_the_queue_is_reached_without_being_asked_for_again(stage: Stage) -> None:
    computing = await add_cluster(stage)
    await until(lambda: stage.is_reached(computing), seconds=60, pause=0.1, what=computing)
    _, link, _ = await stage.platform.command("admin", "link", "admin")
    machine = login(stage.ground)

    async def told(*words: str) -> str:
        """Tell Slurm something, as its administrator."""
        return str(await asyncio.to_thread(machine.run, *words)).strip()

    await told("scontrol", "update", "partitionname=main", "state=down")
    async with wished(stage, computing) as task, chromium(stage.platform.port) as browser:
        reaching = asyncio.create_task(echoed(stage, task))
        page = await browser.new_page()
        await page.goto(link.strip())
        await expect(page.get_by_role("heading", name="Start something")).to_be_visible(timeout=60_000)
        await page.goto(f"http://web--{task}.localhost:{stage.platform.port}/made")
        await expect(page.get_by_text("PENDING (PartitionDown)")).to_be_visible(timeout=30_000)
        job = f"specola-{stage.platform.installation}-{task}"
        number = await told("squeue", "--noheader", f"--name={job}", "--format=%i")
        await told("scontrol", "hold", number)
        await told("scontrol", "update", "partitionname=main", "state=up")
        await expect(page.get_by_text("An administrator of the computing holds it back")).to_be_visible(timeout=60_000)
        assert not reaching.done()
        await told("scontrol", "release", number)
        await expect(page.locator("body")).to_have_text(re.compile(r"^\s*[0-9a-f-]{36}\s*$"), timeout=60_000)
        await asyncio.wait_for(reaching, 60)


async def echoed(stage: Stage, task: str) -> None:
    """Have a forward that waits as long as the task does, and then a connection through it."""
    async with forwarded(stage.platform, task, "echo") as port:
        await until(Task(stage, task, port).echoes, seconds=AGAIN, pause=0.1, what="an echo")
