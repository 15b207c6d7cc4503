"""Batch computings under test, on the lab's cluster and on its host without an engine."""

import asyncio
import shlex
import tempfile
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from lab import registry, slurm, sshhost
from lab.keys import Host, Keys
from lab.machine import Machine
from lab.registry import Registry
from lab.slurm import Slurm
from lab.sshhost import SshHosts as SshLab
from specola.clock import Clock
from specola.computing.batch.names import Names, Ticket
from specola.computing.kinds import Context, open_computing
from specola.domain.computing import Handle, Launch, Phase, shell_command
from specola.domain.placement import Placement
from specola.hosts.config import HostSettings
from specola.hosts.registered import RegisteredHosts
from specola.ports.computing import Computing, Executes, Running
from tests.support.commands import run
from tests.support.hosts import authority_of, settings_of
from tests.support.identities import LabIdentities
from tests.support.images import ARM_IMAGE, TEST_IMAGE
from tests.support.lab import Login, own_ground, shared
from tests.support.places import ECHO, HTTP, Reports, VolumePlace, a_launch, budget, until

__all__ = ["BatchPlace", "HostPlace", "SlurmPlace", "breakable", "cluster", "host_without_engine", "images", "reaching"]

NAME, NOBODY = "cluster", "nobody"
ACCOUNT = "ann"
SHARED = timedelta(minutes=59)
"""How long a task may run that tests share."""
WITHIN = ("specola-test/box:1", "specola-test/arm:1")
SAID = "/tmp/said"
# Another program writes what it is told to; it follows a file, since nobody may write to the output of another.
SERVE = f"touch {SAID}; /.specola/busybox tail -f {SAID} & nc -ll -p {ECHO} -e cat & exec httpd -f -p {HTTP} -h /www"


@contextmanager
def cluster() -> Iterator[Slurm]:
    """Have the lab's cluster while the body runs."""
    with shared("slurm", up=slurm.up, down=slurm.down) as place:
        yield place


@contextmanager
def host_without_engine() -> Iterator[SshLab]:
    """Have the lab's SSH hosts while the body runs."""
    with shared("sshhost", up=sshhost.up, down=sshhost.down) as place:
        yield place


@contextmanager
def images() -> Iterator[Registry]:
    """Have the lab's registry with the test images in it while the body runs."""
    with shared("registry", up=_registry, down=registry.down) as place:
        yield place


@contextmanager
def breakable() -> Iterator[tuple[Slurm, Registry]]:
    """Have a cluster that nobody else uses, and a registry, while the body runs: it may break them."""
    with own_ground() as ground:
        try:
            yield slurm.up(ground), _registry(ground)
        finally:
            registry.down(ground)


def _registry(ground: Path) -> Registry:
    with tempfile.TemporaryDirectory() as folder:
        archives = {}
        for name, image in zip(WITHIN, (TEST_IMAGE, ARM_IMAGE), strict=True):
            archive = Path(folder) / f"{image.id[7:23]}.tar"
            archive.write_bytes(image.archive())
            archives[name] = archive
        return registry.up(ground, archives)


@asynccontextmanager
async def reaching(
    keys: Keys, host: Host, *, through: Host | None = None, **more: object
) -> AsyncIterator[RegisteredHosts]:
    """Have connections to a lab host as `cluster`; behind `nobody` there is no machine."""
    settings = settings_of(keys, host, through, keys=(), authorities=authority_of(keys), **more)
    known = {NAME: settings, NOBODY: settings.model_copy(update={"address": "127.0.0.1", "port": 9, "jump": None})}

    async def look_up(computing: str) -> HostSettings:
        return known[computing]

    hosts = RegisteredHosts(look_up, LabIdentities(keys))
    try:
        yield hosts
    finally:
        hosts.close()


class BatchPlace(VolumePlace):
    """Tasks as jobs of one account; what a launch starts is waited for, since a job is only queued by then."""

    kind = "batch"
    tells_addresses = False
    has_images = False
    shared: ClassVar[dict[tuple[str, str], tuple[str, Handle]]] = {}
    """Of each cluster and runtime the installation and handle of the task that tests share; it ends with the lab."""

    def __init__(
        self, context: Context, *, settings: Mapping[str, Any], login: Login, registry: Registry, runtime: str
    ) -> None:
        self.settings = {
            "runtime": runtime,
            "question_interval": 0.5,
            "answer": 20,
            "insecure_registries": [f"127.0.0.1:{registry.port}"],
            "clean_stop": "",
            "home": f"~/homes-{context.installation}",
            **settings,
        }
        self.login = login
        self.keys: Keys | None = login.keys
        self.references = list(registry.digests)
        # Podman keeps images on the disks of the nodes.
        self.keeps_images = runtime == "apptainer"
        self.names = Names(context.installation)
        self._running: dict[tuple[Handle, int], Running] = {}
        super().__init__(context)

    @property
    def box(self) -> str:
        """The test image."""
        return next(one for one in self.references if one.endswith(WITHIN[0]))

    @override
    def open(self, context: Context | None = None) -> Computing:
        whole = context or self.context
        whole = replace(whole, hosts=whole.hosts or self.context.hosts)
        computing = open_computing("batch", name=NAME, settings=self.settings, context=whole)
        self.opened.append(computing)
        return computing

    @override
    def unreachable(self) -> Computing:
        computing = open_computing("batch", name=NOBODY, settings=self.settings, context=self.context)
        self.opened.append(computing)
        return computing

    @override
    async def launch(self, launch: Launch, reports: Reports | None = None) -> Handle:
        handle = await self.computing.launch(launch, report=reports or Reports(), budget=budget(120))
        await self.begun(handle)
        return handle

    async def begun(self, handle: Handle) -> None:
        """Wait until a task runs, or has ended."""

        async def look() -> bool:
            return (await self.observe(handle)).phase is not Phase.CREATED

        await until(look, seconds=60)

    @override
    async def standing(self) -> Handle:
        key = str(self.login.keys.configuration), str(self.settings["runtime"])
        installation, handle = self.shared.get(key, (self.context.installation, ""))
        # Removed is what the first one finds: what belongs to this test's own installation.
        self.computing = self.open(replace(self.context, installation=installation))
        if not handle or (await self.observe(handle)).phase is not Phase.RUNNING:
            # An installation that no test's end removes.
            installation = Clock().new_id(12)
            self.computing = self.open(replace(self.context, installation=installation))
            handle = await self.launch(replace(self.web(), placement=Placement(time=SHARED)))
            self.shared[key] = installation, handle
        return handle

    def shell(self, script: str) -> Launch:
        """Run a script of the test image's shell."""
        return a_launch(self.box, "sh", "-c", script)

    @override
    def web(self) -> Launch:
        return self.shell(SERVE)

    @override
    def asleep(self) -> Launch:
        return self.shell("exec sleep 1000")

    @override
    async def as_root(self, handle: Handle, script: str) -> str:
        assert isinstance(self.computing, Executes)
        done = await run(self.computing, handle, shell_command(script))
        return done.output.decode()

    @override
    async def scratches(self) -> list[str]:
        # The folders of a task on its node are one for its scratch and all else that is gone with it.
        found = []
        for machine in self.machines():
            told = await asyncio.to_thread(machine.run, "find", "/scratch", "/var/tmp", "-maxdepth", "1")
            found += [line for line in told.splitlines() if f"specola-{self.context.installation}-" in line]
        return found

    @abstractmethod
    def machines(self) -> list[Machine]:
        """Return the machines that tasks run on."""

    @override
    async def close(self) -> None:
        self.computing = self.opened[0]
        await super().close()
        await self.try_remote("rm", "-rf", f"homes-{self.context.installation}")

    @override
    def exits(self) -> Launch:
        return self.shell("echo starting; echo no such setting >&2; exit 3")

    @override
    def stubborn(self) -> Launch:
        return self.shell("trap '' TERM; echo ready; while true; do sleep 1; done")

    @override
    def other_machine(self) -> Launch:
        return a_launch(next(one for one in self.references if one.endswith(WITHIN[1])))

    @override
    async def say(self, handle: Handle, text: str) -> None:
        await self._inside(handle, f'echo "$1" >>{SAID}', text)

    @override
    async def listen(self, handle: Handle, port: int, *, loopback: bool) -> None:
        address = f"127.0.0.1:{port}" if loopback else str(port)
        assert isinstance(self.computing, Executes)
        script = 'echo $$ >"/tmp/served.$1"; exec httpd -f -p "$2" -h /www'
        command = ["sh", "-c", script, "inside", str(port), address]
        self._running[handle, port] = await self.computing.execute(handle, command)

    @override
    async def hush(self, handle: Handle, port: int) -> None:
        await self._inside(handle, 'kill "$(cat "/tmp/served.$1")"', str(port))

    async def _inside(self, handle: Handle, script: str, *words: str) -> None:
        """Run a script in a task."""
        assert isinstance(self.computing, Executes)
        running = await self.computing.execute(handle, ["sh", "-c", script, "inside", *words])
        while (await running.read())[1]:
            pass
        assert await running.wait() == 0

    def ticket(self, handle: Handle) -> Ticket:
        """Return what a handle says."""
        ticket = self.names.ticket(handle)
        assert ticket is not None
        return ticket

    async def remote(self, *words: str) -> str:
        """Run a command on the host, as its account."""
        return await asyncio.to_thread(self.login.run, shlex.join(words))

    async def try_remote(self, *words: str) -> str:
        """Run a command on the host that may fail; return its output."""
        done = await asyncio.to_thread(self.login.tries, shlex.join(words))
        return done.stdout.decode().strip()


class SlurmPlace(BatchPlace):
    """The lab's cluster."""

    def __init__(self, context: Context, *, lab: Slurm, registry: Registry, runtime: str) -> None:
        self.lab = lab
        host = settings_of(lab.keys, lab.login, keys=(), authorities=authority_of(lab.keys))
        shown = host.model_dump(mode="json") | {"identity": "shared", "account": ACCOUNT}
        settings = {"host": shown, "scheduler": "slurm", "scratch": "/scratch", "image_memory": "1GiB"}
        login = Login(lab.keys, ACCOUNT, lab.login.name)
        super().__init__(context, settings=settings, login=login, registry=registry, runtime=runtime)

    @override
    def machines(self) -> list[Machine]:
        return [self.lab.place.machine(node.name) for node in self.lab.nodes]

    @override
    async def scratches(self) -> list[str]:
        # What a killed agent has left is removed by the next one on its node: Slurm lets nobody else in there.
        sweep = f"python3 $(ls -t .specola/agent/*/agent.pyz | head -n 1) sweep {self.context.installation}"
        for node in self.lab.nodes:
            step = ("srun", "--quiet", f"--nodelist={node.name}", "--mem=100M", "--time=2", "sh", "-c", sweep)
            await self.remote(*step)
        return await super().scratches()

    async def jobs(self, handle: Handle) -> list[str]:
        """Return the numbers of all jobs of a task, ended or not."""
        name = self.names.job(self.ticket(handle).task)
        told = await self.remote("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i %T")
        return [line.split()[0] for line in told.splitlines()]

    @override
    async def kill(self, handle: Handle) -> None:
        for job in await self.jobs(handle):
            await self.try_remote("scancel", "--signal=KILL", "--batch", job)

    @override
    async def starts(self, launch: Launch) -> int:
        return len(await self.jobs(self.names.handle(ACCOUNT, launch.task)))


class HostPlace(BatchPlace):
    """The lab's host behind another, with neither engine nor scheduler."""

    def __init__(self, context: Context, *, lab: SshLab, registry: Registry, runtime: str = "apptainer") -> None:
        self.lab = lab
        host = settings_of(lab.keys, lab.inner, lab.front, keys=(), authorities=authority_of(lab.keys))
        shown = host.model_dump(mode="json") | {"identity": "shared", "account": ACCOUNT}
        settings = {"host": shown, "scheduler": "none"}
        login = Login(lab.keys, ACCOUNT, lab.inner.name)
        super().__init__(context, settings=settings, login=login, registry=registry, runtime=runtime)

    @override
    def machines(self) -> list[Machine]:
        return [self.lab.place.machine(self.lab.inner.name)]

    async def agents(self, handle: Handle) -> list[str]:
        """Return the numbers of the processes that look after a task."""
        end = f"/{self.context.installation}/tasks/{self.ticket(handle).task}"
        told = await self.remote("ps", "-ww", "-u", ACCOUNT, "-o", "pid=,ppid=,args=")
        lines = [line.split() for line in told.splitlines() if line.rstrip().endswith(end)]
        found = {words[0]: words[1] for words in lines if "python" in words[2]}
        # What an agent has forked looks like itself.
        return [process for process, parent in found.items() if parent not in found]

    @override
    async def kill(self, handle: Handle) -> None:
        for process in await self.agents(handle):
            await self.try_remote("kill", "-KILL", process)

    @override
    async def starts(self, launch: Launch) -> int:
        handle = self.names.handle(ACCOUNT, launch.task)
        return max(len(await self.agents(handle)), int((await self.observe(handle)).phase is not Phase.FORGOTTEN))
