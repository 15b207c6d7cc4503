"""The computing port: what every place that runs containers can do."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from specola.domain.budget import Budget
from specola.domain.computing import (
    Channel,
    Handle,
    ImageDetails,
    Launch,
    LogLine,
    Observation,
    Probe,
    Progress,
    Terminal,
    Usage,
    WindowSize,
)
from specola.domain.task import TaskId

__all__ = [
    "NOTHING",
    "AwaitsAgents",
    "Computing",
    "Executes",
    "HasFiles",
    "HasImages",
    "HasLogs",
    "HasPorts",
    "HasUsage",
    "Report",
    "Running",
    "Stream",
    "Tells",
    "Watches",
]

NOTHING: Mapping[str, str] = MappingProxyType({})
Report = Callable[[Progress], Awaitable[None]]


class Stream(Protocol):
    """A byte stream both ways, each side of which can be ended by itself."""

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes; empty once the other side has ended its half."""

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the other side is slow."""

    async def end(self) -> None:
        """Say that nothing more will be written; reading goes on."""

    async def close(self) -> None:
        """Give the stream up, both halves."""


class Running(Protocol):
    """A command that runs inside a task. What it writes has to be read, or it waits."""

    async def read(self, most: int = 65536) -> tuple[Channel, bytes]:
        """Return up to `most` bytes that it wrote; no bytes once both of its outputs have ended."""

    async def write(self, data: bytes) -> None:
        """Send `data` to its input, waiting while it is slow; what comes after its end is dropped."""

    async def end(self) -> None:
        """End its input; its output goes on. On a terminal this is the key that means so."""

    async def resize(self, size: WindowSize) -> None:
        """Give its terminal another size; without a terminal, or after its end, nothing happens."""

    async def wait(self) -> int:
        """Return its exit code, 128 + N if signal N ended it, once somebody has read its outputs to their end.

        Raises
        ------
        ComputingUnreachableError
            The code could not be asked.
        """

    async def close(self) -> None:
        """Hang up: it ends, with all it has started; silent if it has ended.

        Each of them gets the signal of a hang-up (SIGHUP), and what has not ended soon after is killed. As everywhere,
        what has asked to outlive it goes on: what ignores that signal (nohup), or made a session of its own (tmux).
        """


class Computing(Protocol):
    """A place that can run containers. Instances hold no state worth keeping.

    Every verb raises `ComputingUnreachableError` when nothing could be learned, and may be repeated.
    """

    name: str

    async def probe(self, budget: Budget) -> Probe:
        """Say what is here, what it can do, and what is missing, each with a hint."""

    async def launch(self, launch: Launch, *, report: Report, budget: Budget) -> Handle:
        """Start a task, or find it already started under this task id.

        Raises
        ------
        LaunchError
            It can never start as asked (also `NoSpaceError`, `ImageUnknownError`, `ImageArchitectureError`).
        """

    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """Look at many tasks in one round trip.

        Parameters
        ----------
        handles
            N handles in any order; N may be 0.

        Returns
        -------
        Mapping[Handle, Observation]
            Exactly N entries. A handle this computing no longer knows gets `Observation.forgotten()`.
        """

    async def stop(self, handle: Handle, *, grace: timedelta) -> None:
        """Ask the task to end, wait `grace`, then force it; silent if it has already ended.

        A running task's `Launch.pre_stop` runs inside it first, for its own time at most, once however often this is
        repeated; how it ends does not hold up the stop.
        """

    async def remove(self, handle: Handle) -> None:
        """Remove all that is left of an ended task here, but not its home; silent if nothing is left."""

    async def discover(self) -> Mapping[TaskId, Handle]:
        """Find everything here that carries this installation's label, known to us or not."""

    async def dial(self, handle: Handle, port: int) -> Stream:
        """Open a byte stream to `port` of the task, by whatever way this computing has."""

    async def close(self) -> None:
        """Give back connections; tasks go on."""


@runtime_checkable
class Watches(Protocol):
    """A computing that tells when something changed (capability `watch`)."""

    def watch(self) -> AsyncIterator[Handle]:
        """Yield the handle of each task that may have changed, from now on, until the connection breaks."""


@runtime_checkable
class AwaitsAgents(Protocol):
    """Tasks there may be reached by what their agents open to the platform."""

    async def expects(self, handle: Handle) -> bool:
        """Tell whether the agent of a task may come: it was told to, and the task has not ended as far as is known."""

    async def welcome(self, handle: Handle, stream: Stream) -> None:
        """Keep a connection that a task's agent has opened, for as long as it lasts; it takes an older one's place.

        Raises
        ------
        ConnectionError
            No agent answers there.
        """


@runtime_checkable
class HasLogs(Protocol):
    """A computing that keeps what a task writes (capability `logs`)."""

    def logs(self, handle: Handle, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield the lines written so far, oldest first (the last `tail` of them), and with `follow` those to come."""


@runtime_checkable
class HasUsage(Protocol):
    """A computing that measures what tasks use (capability `usage`)."""

    async def usage(self, handles: Collection[Handle]) -> Mapping[Handle, Usage]:
        """Measure the running ones among `handles`; the others are left out."""


@runtime_checkable
class HasPorts(Protocol):
    """A computing that sees on which ports the programs of a task listen (capability `ports`)."""

    async def listening(self, handles: Collection[Handle]) -> Mapping[Handle, Mapping[int, bool]]:
        """Look at many running tasks.

        Parameters
        ----------
        handles
            N handles in any order; N may be 0.

        Returns
        -------
        Mapping[Handle, Mapping[int, bool]]
            For each task, TCP ports, declared or not, each with whether it is bound to the task's own loopback alone.
            Tasks that do not run, or that could not be looked at this time, are left out.
        """


@runtime_checkable
class HasImages(Protocol):
    """A computing that can say what an image is before it is started (capability `images`)."""

    async def inspect_image(self, reference: str, budget: Budget) -> ImageDetails:
        """Read an image's details from here, or from its registry if it is not here.

        Raises
        ------
        ImageUnknownError
            Neither this computing nor the registry has it.
        ImageUnreachableError
            It is not here and the registry could not be asked.
        RegistryRefusedError
            It is not here and the registry must not be asked.
        """


@runtime_checkable
class Executes(Protocol):
    """A computing that can run commands inside a task (capabilities `execute` and `terminal`)."""

    async def execute(
        self,
        handle: Handle,
        command: Sequence[str],
        *,
        terminal: Terminal | None = None,
        environment: Mapping[str, str] = NOTHING,
    ) -> Running:
        """Start a command with the rights and the environment of the task's user, in that user's home if there is one.

        Parameters
        ----------
        command
            The program and its arguments; empty: the user's login shell. A line of text for a shell is made a command
            by `shell_command`.
        terminal
            What it runs on; None: nothing, so that its two outputs stay apart and its input can be ended.
        environment
            Variables beside those of the task.

        Raises
        ------
        TaskNotRunningError
            The task has ended, or not begun.
        LaunchError
            This task gives no way to run commands in it.
        """


@runtime_checkable
class Tells(Protocol):
    """A computing that can tell those who work inside a task something (capability `tell`)."""

    async def tell(self, handle: Handle, text: str) -> None:
        """Show one line of text on every terminal of a task, and on its desktop where that has a way.

        A task that does not run, and one that nobody looks at, are passed over in silence.

        Raises
        ------
        ComputingUnreachableError
            It could not be told.
        """


@runtime_checkable
class HasFiles(Protocol):
    """A computing that gives access to a task's files (capability `files`)."""

    async def files(self, handle: Handle) -> Stream:
        """Open a session of the SSH file transfer protocol, version 3, with the rights of the task's user.

        Relative paths begin in the user's home.

        Raises
        ------
        TaskNotRunningError
            The task has ended, or not begun.
        LaunchError
            This task gives no way to its files.
        """
