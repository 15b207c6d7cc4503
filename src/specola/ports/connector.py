"""The connector as services see it: questions to computings that cannot wait for the worker's next look."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from specola.domain.account_link import AccountSeen
from specola.domain.computing import ImageDetails, LogLine, Probe, Usage
from specola.domain.person import PersonId
from specola.domain.task import TaskId

__all__ = ["Connector", "ShownKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownKey:
    """A host key as whoever answers at an address shows it: the line for a record, and what people compare."""

    line: str
    fingerprint: str


class Connector(Protocol):
    """Asks computings on behalf of services. All methods raise `ConnectorUnreachableError` while it restarts."""

    async def probe(self, computing: str) -> Probe:
        """Ask the computing of that name what it is and can do, now."""

    async def probe_draft(self, name: str, kind: str, settings: Mapping[str, Any], *, own: bool = False) -> Probe:
        """Ask a computing that has no record yet, or another one under this name.

        Parameters
        ----------
        name
            What errors call it; accounts that belong to a record of that name are used.
        settings
            All of them, what is secret included.
        own
            Whether it is a person's: then its host is not to lead into the platform's own machine.

        Raises
        ------
        InvalidError
            There is no such kind, or a setting is wrong.
        ComputingUnreachableError
            It does not answer.
        """

    async def host_keys(self, address: str, port: int, *, own: bool = False) -> Sequence[ShownKey]:
        """Ask a machine that is not registered yet for its host keys; nobody is logged in.

        Parameters
        ----------
        own
            Whether it is for a person's own computing.

        Raises
        ------
        MachineUnreachableError
            No SSH server answers there.
        """

    async def inspect_image(self, computing: str, reference: str) -> ImageDetails:
        """Read an image's details from the computing or from its registry."""

    def logs(self, task: TaskId, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield what a live task writes."""

    async def usage(self, tasks: Sequence[TaskId]) -> Mapping[TaskId, Sequence[Usage]]:
        """Return the measurements kept of live tasks, oldest first, at most 10 minutes of them."""

    async def tell(self, task: TaskId, text: str) -> None:
        """Show those who work in a task a line of text, on its terminals and its desktop.

        A computing that has no way to, a task that does not run, and one that nobody looks at, are passed over in silence.

        Raises
        ------
        MissingError
            Nothing of such a task is on any computing.
        ComputingUnreachableError
            It could not be told.
        """

    async def prove(self, computing: str, account: str, person: PersonId) -> AccountSeen:
        """Enter an account that a person says is theirs, with what only its owner can have prepared, and look around.

        Raises
        ------
        AccountRefusedError
            It does not let the platform in.
        """

    async def health(self) -> None:
        """Return once the connector has answered that it is up."""
