"""Ways from the platform to the agent of a task: each gives one byte stream, and nothing above knows which."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import override

from specola.computing.batch.accounts import Account
from specola.computing.batch.arrivals import Arrivals
from specola.computing.batch.session import Session
from specola.domain.computing import Handle
from specola.ports.computing import Stream

__all__ = ["SOCKET", "Direct", "Forward", "Outward", "Relay", "Way", "Whereabouts"]

SOCKET = "agent.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where a running task is: its job, the node, and the folder of its agent's socket there."""

    handle: Handle
    account: Account
    job: str
    node: str
    sockets: str
    agent: str


class Way(Protocol):
    """One way to agents.

    `seconds` is how long one attempt may take, `attempts` how many are worth it that took so long, and `tries` how many
    that broke off before.
    """

    name: str
    seconds: float
    attempts: int
    tries: int

    async def session(self, where: Whereabouts) -> Session:
        """Return a session with the agent of a task."""


class Opened(ABC):
    """A way by which the platform opens a byte stream."""

    seconds: float

    @abstractmethod
    async def open(self, where: Whereabouts) -> Stream:
        """Return a byte stream to the agent of a task; its first bytes are the agent's greeting."""

    async def session(self, where: Whereabouts) -> Session:
        """Open a stream, and begin a session over it."""
        return await Session.over(await self.open(where), seconds=self.seconds)


class Direct(Opened):
    """The agent's socket on the host itself."""

    name = "direct"
    seconds = 10.0
    attempts = tries = 1

    @override
    async def open(self, where: Whereabouts) -> Stream:
        """Connect to the agent's socket through the host's SSH server."""
        return await where.account.host.connect(f"{where.sockets}/{SOCKET}")


class Forward(Opened):
    """The agent's socket on a compute node, by SSH through the login node, which the node allows the owner of a job.

    Right after a job has ended, pam_slurm_adopt may still put a new connection into what is left of it, and that ends too:
    so it is tried again for a few seconds.
    """

    name = "forward"
    seconds = 8.0
    attempts = 1
    tries = 10

    @override
    async def open(self, where: Whereabouts) -> Stream:
        """Connect to the agent's socket through the node's SSH server."""
        if not where.node:
            raise ConnectionError("It is not known on which node the task runs.")
        return await where.account.host.beyond(where.node, f"{where.sockets}/{SOCKET}")


class Relay(Opened):
    """A step of the task's own job, whose input and output Slurm carries.

    A step that is asked for right after the controller came back may be kept waiting for minutes, and starts at once if
    it is given up and asked for again: so each attempt is short.

    Parameters
    ----------
    launcher
        The words that start a program on a node of a job; None: on this very host.
    python
        The Python of the nodes.
    """

    name = "relay"
    seconds = 4.0
    attempts = tries = 2

    def __init__(self, *, launcher: Sequence[str] | None, python: str) -> None:
        self._launcher = launcher
        self._python = python

    @override
    async def open(self, where: Whereabouts) -> Stream:
        """Start the agent's relay beside it."""
        relay = (self._python, where.agent, "relay", where.sockets)
        if self._launcher is None:
            return await where.account.host.open(relay)
        step = (f"--jobid={where.job}", "--overlap", "--unbuffered", "--quiet", "--nodes=1", "--ntasks=1", "--mem=0")
        return await where.account.host.open((*self._launcher, *step, *relay))


class Outward:
    """A connection that the agent itself has opened to the platform."""

    name = "outward"
    seconds = 10.0
    attempts = tries = 1

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    async def session(self, where: Whereabouts) -> Session:
        """Take what has arrived, or wait for it: an agent calls again within seconds."""
        return await self._arrivals.get(where.handle)
