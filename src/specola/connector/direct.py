"""The connector port in this process: asks the computings of a directory itself."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from specola.connector.directory import Directory
from specola.connector.sampler import Sampler
from specola.domain.account_link import AccountSeen
from specola.domain.budget import Budget
from specola.domain.computing import ImageDetails, LogLine, Probe, Usage
from specola.domain.errors import AccountRefusedError, ComputingUnreachableError, InvalidError
from specola.domain.person import PersonId
from specola.domain.task import TaskId
from specola.hosts.config import MachineSettings
from specola.hosts.scanning import host_keys
from specola.ports.computing import HasImages, HasLogs, Tells
from specola.ports.connector import ShownKey

__all__ = ["IMAGE_SECONDS", "PROBE_SECONDS", "DirectConnector", "Proves"]

PROBE_SECONDS = 20.0
IMAGE_SECONDS = 60.0


class Proves(Protocol):
    """What enters accounts that are still to be proven."""

    async def prove(self, computing: str, account: str, person: PersonId) -> AccountSeen:
        """Enter an account that a person says is theirs, and look around."""


class DirectConnector:
    """What stands behind the connector's socket; implements `specola.ports.connector.Connector`."""

    def __init__(self, directory: Directory, sampler: Sampler, prover: Proves | None = None) -> None:
        self._directory = directory
        self._sampler = sampler
        self._prover = prover

    async def probe(self, computing: str) -> Probe:
        """Ask the computing of that name what it is and can do, now."""
        place = await self._directory.computing(computing)
        return await place.probe(Budget(PROBE_SECONDS, f"Asking the computing “{computing}”"))

    async def probe_draft(self, name: str, kind: str, settings: Mapping[str, Any], *, own: bool = False) -> Probe:
        """Ask a computing that has no record yet, or another one under this name."""
        async with self._directory.trial(name, kind, settings, own=own) as place:
            return await place.probe(Budget(PROBE_SECONDS, f"Asking the computing “{name}”"))

    async def host_keys(self, address: str, port: int, *, own: bool = False) -> Sequence[ShownKey]:
        """Ask a machine that is not registered yet for its host keys; nobody is logged in."""
        shown = await host_keys(MachineSettings(address=address, port=port), elsewhere=own)
        return [ShownKey(line=one.line, fingerprint=one.fingerprint) for one in shown]

    async def inspect_image(self, computing: str, reference: str) -> ImageDetails:
        """Read an image's details from the computing or from its registry."""
        place = await self._directory.computing(computing)
        if not isinstance(place, HasImages):
            raise InvalidError(
                f"The computing “{computing}” cannot say what an image is before it runs.",
                hint="Write the definition yourself instead of having it drafted.",
            )
        return await place.inspect_image(reference, Budget(IMAGE_SECONDS, f"Reading the image “{reference}”"))

    async def logs(self, task: TaskId, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield what a live task writes."""
        place, way = await self._directory.way(task)
        if not isinstance(place, HasLogs):
            raise ComputingUnreachableError(way.computing, "it keeps no logs")
        async for line in place.logs(way.handle, follow=follow, tail=tail):
            yield line

    async def usage(self, tasks: Sequence[TaskId]) -> Mapping[TaskId, Sequence[Usage]]:
        """Return the measurements kept of live tasks, oldest first, at most 10 minutes of them."""
        return self._sampler.of(tasks)

    async def tell(self, task: TaskId, text: str) -> None:
        """Show those who work in a task a line of text, where its computing can."""
        place, way = await self._directory.way(task)
        if isinstance(place, Tells):
            await place.tell(way.handle, text)

    async def prove(self, computing: str, account: str, person: PersonId) -> AccountSeen:
        """Enter an account that a person says is theirs, and look around."""
        if self._prover is None:
            raise AccountRefusedError(computing, account, "no hosts are reached from here")
        return await self._prover.prove(computing, account, person)

    async def health(self) -> None:
        """Return: this process is up."""
