"""A network of its own for each task, from a pool that is gone through in rotation."""

import asyncio
import fcntl
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import islice
from pathlib import Path
from typing import Any

from aiodocker import Docker
from aiodocker.exceptions import DockerError
from aiodocker.networks import DockerNetwork

from specola.clock import Clock
from specola.computing.engine.errors import is_conflict, is_missing
from specola.computing.engine.names import Names
from specola.domain.errors import LaunchError
from specola.domain.task import TaskId
from specola.threads import in_thread

__all__ = ["Networks", "Routes", "Subnet", "local_routes", "routes_in"]

Routes = Callable[[], Awaitable[list[IPv4Network]]]

PREFIX = 29
# How many subnets are tried when the engine knows of something in the way that we cannot see.
TRIES = 8
ROUTES = Path("/proc/net/route")
OVERLAP = ("overlap", "is already used", "already being used", "subnet")


@dataclass(frozen=True, slots=True)
class Subnet:
    """A task's network: 8 addresses, of which the bridge has the first and the container the second."""

    network: IPv4Network

    @property
    def gateway(self) -> IPv4Address:
        """The bridge's own address."""
        return self.network[1]

    @property
    def container(self) -> IPv4Address:
        """The container's address."""
        return self.network[2]

    def meets(self, others: list[IPv4Network]) -> bool:
        """Tell whether any of `others` has addresses of this one."""
        return any(self.network.overlaps(one) for one in others)


class Networks:
    """Hands out subnets so that a freed address rests before another task gets it.

    Decisions about a task's address are cached for a minute by gateways, and an engine left to itself gives a freed
    address to the next container at once. Where the rotation stands, and what was freed when, is kept in a file, since
    it has to outlive this process.

    Parameters
    ----------
    routes
        Tells what the engine's host has routes to: subnets that would hide something real.
    """

    def __init__(
        self, *, pool: IPv4Network, rest: float, file: Path, names: Names, clock: Clock, routes: Routes
    ) -> None:
        self._pool = pool
        self._routes = routes
        self._rest = rest
        self._file = file
        self._names = names
        self._clock = clock

    async def ensure(self, docker: Docker, task: TaskId, *, isolate: bool = False) -> Subnet:
        """Make the task's network, or find it made already.

        Parameters
        ----------
        isolate
            Whether the engine (Podman) is told to keep it apart from other networks, where no rules of ours do.

        Raises
        ------
        LaunchError
            Every subnet of the pool is in use or resting.
        """
        name = self._names.of(task)
        existing = await docker.networks.list()
        if ours := [one for one in existing if one["Name"] == name]:
            # Docker makes a second network of a name if the answer to the first order was not waited for.
            for one in ours[1:]:
                await self._delete(docker, one)
            return Subnet(_subnets(ours[0])[0])
        taken = [subnet for one in existing for subnet in _subnets(one)] + await self._routes()
        for subnet in await asyncio.to_thread(self._candidates, taken):
            try:
                await docker.networks.create(self._body(name, task, subnet, isolate=isolate))
            except DockerError as error:
                if is_conflict(error) and name in error.message:
                    return await self._found(docker, name)
                if any(word in error.message.lower() for word in OVERLAP):
                    continue
                raise
            return subnet
        raise LaunchError(
            "All networks for tasks are in use.",
            hint="Wait some minutes; an administrator can give the engine a larger pool of networks.",
            code="networks_used_up",
        )

    async def remove(self, docker: Docker, task: TaskId) -> None:
        """Remove the task's network and let its addresses rest; silent if there is none."""
        name = self._names.of(task)
        for one in await docker.networks.list(filters={"name": name}):
            if one["Name"] == name:
                await self._delete(docker, one)

    async def _delete(self, docker: Docker, network: dict[str, Any]) -> None:
        try:
            # Not found once more before it is deleted, as `docker.networks.get` would.
            await DockerNetwork(docker, network["Id"]).delete()  # type: ignore[no-untyped-call]  # aiodocker has left its types out
        except DockerError as error:
            if is_missing(error):
                return
            raise
        await asyncio.to_thread(self._released, _subnets(network))

    async def _found(self, docker: Docker, name: str) -> Subnet:
        network = await docker.networks.get(name)
        return Subnet(_subnets(await network.show())[0])

    def _body(self, name: str, task: TaskId, subnet: Subnet, *, isolate: bool) -> dict[str, Any]:
        return {
            "Name": name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "EnableIPv6": False,
            "Options": {"isolate": "true"} if isolate else {},
            "Labels": self._names.labels(task),
            "IPAM": {"Config": [{"Subnet": str(subnet.network), "Gateway": str(subnet.gateway)}]},
        }

    def _candidates(self, taken: list[IPv4Network]) -> list[Subnet]:
        """Return subnets worth trying, in rotation, and move the rotation on past the first of them."""
        with self._state() as state:
            count = 2 ** (PREFIX - self._pool.prefixlen)
            order = [(state["cursor"] + step) % count for step in range(count)]
            free = (index for index in order if str(index) not in state["resting"])
            found = list(islice((one for one in free if not self._at(one).meets(taken)), TRIES))
            if found:
                state["cursor"] = (found[0] + 1) % count
        return [self._at(index) for index in found]

    def _at(self, index: int) -> Subnet:
        base = int(self._pool.network_address) + index * 2 ** (32 - PREFIX)
        return Subnet(IPv4Network((base, PREFIX)))

    def _released(self, subnets: list[IPv4Network]) -> None:
        with self._state() as state:
            for subnet in subnets:
                if subnet.subnet_of(self._pool):
                    index = (int(subnet.network_address) - int(self._pool.network_address)) >> (32 - PREFIX)
                    state["resting"][str(index)] = self._clock.now().timestamp()

    @contextmanager
    def _state(self) -> Iterator[dict[str, Any]]:
        """Read the file, let the body change what it says, and write it; one process at a time."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            state = _read(file.read()) or {"cursor": self._start(), "resting": {}}
            now = self._clock.now().timestamp()
            state["resting"] = {
                index: since for index, since in state["resting"].items() if 0 <= now - since < self._rest
            }
            yield state
            file.seek(0)
            file.truncate()
            json.dump(state, file)

    def _start(self) -> int:
        """Return where a new installation begins: two that share a machine seldom meet."""
        digest = hashlib.sha256(self._names.installation.encode()).digest()
        return int.from_bytes(digest[:4], "big") % int(2 ** (PREFIX - self._pool.prefixlen))


def _read(text: str) -> dict[str, Any] | None:
    """Return the state a file holds; None if it was cut short by a crash, which costs the rotation, not a task."""
    try:
        state = json.loads(text)
        return {"cursor": int(state["cursor"]), "resting": {str(k): float(v) for k, v in state["resting"].items()}}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _subnets(network: dict[str, Any]) -> list[IPv4Network]:
    """Return the IPv4 subnets of a network as an engine describes it."""
    told = ((network.get("IPAM") or {}).get("Config")) or []
    return [IPv4Network(one["Subnet"], strict=False) for one in told if ":" not in one.get("Subnet", ":")]


async def local_routes() -> list[IPv4Network]:
    """Return what this machine has routes to, except the default route."""
    try:
        return routes_in(await in_thread(ROUTES.read_text, encoding="ascii"))
    except FileNotFoundError:
        return []


def routes_in(table: str) -> list[IPv4Network]:
    """Read the kernel's table of routes (`/proc/net/route`), except the default route."""
    found = []
    for line in table.splitlines()[1:]:
        _, destination, _, _, _, _, _, mask, *_ = line.split()
        address, bits = _little(destination), _little(mask)
        if int(bits):
            found.append(IPv4Network(f"{address}/{bits}"))
    return found


def _little(text: str) -> IPv4Address:
    # The kernel prints addresses in the machine's byte order, which is little-endian wherever we run.
    return IPv4Address(int.from_bytes(bytes.fromhex(text), "little"))
