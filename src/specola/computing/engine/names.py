"""How the things of one installation are called and labelled on an engine."""

from dataclasses import dataclass
from typing import Any

from specola.domain.computing import Handle
from specola.domain.task import TaskId

__all__ = [
    "ARCHITECTURE",
    "INSTALLATION",
    "PORTS",
    "REFERENCE",
    "TASK",
    "Names",
]

INSTALLATION = "org.specola.installation"
TASK = "org.specola.task"
PORTS = "org.specola.ports"
ARCHITECTURE = "org.specola.architecture"
REFERENCE = "org.specola.reference"


@dataclass(frozen=True, slots=True)
class Names:
    """The names that belong to one installation."""

    installation: str

    def of(self, task: TaskId) -> Handle:
        """Return the name of a task's container and network, which is its handle too: it can be told before a start."""
        return f"specola-{self.installation}-{task}"

    def labels(self, task: TaskId) -> dict[str, str]:
        """Return what marks a container or a network as a task of ours."""
        return {INSTALLATION: self.installation, TASK: task}

    @property
    def selector(self) -> str:
        """The label filter that finds all that is ours."""
        return f"{INSTALLATION}={self.installation}"

    @staticmethod
    def handle(listed: dict[str, Any]) -> Handle:
        """Return the handle of a container in a list answer."""
        return str(listed["Names"][0]).removeprefix("/")
