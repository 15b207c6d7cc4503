"""How the things of one installation are called and labelled on an engine."""

from dataclasses import dataclass
from typing import Any

from specola.domain.computing import Handle
from specola.domain.task import TaskId

__all__ = [
    "ARCHITECTURE",
    "HOME",
    "INSTALLATION",
    "PORTS",
    "REFERENCE",
    "TASK",
    "Names",
]

INSTALLATION = "org.specola.installation"
TASK = "org.specola.task"
HOME = "org.specola.home"
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

    def home(self, key: str) -> str:
        """Return the name of the volume that is somebody's home."""
        return f"specola-{self.installation}-home-{key}"

    def scratch(self, task: TaskId) -> str:
        """Return the name of the volume that is a task's scratch."""
        return f"{self.of(task)}-scratch"

    @property
    def marks(self) -> dict[str, str]:
        """What marks anything as ours."""
        return {INSTALLATION: self.installation}

    def labels(self, task: TaskId) -> dict[str, str]:
        """Return what marks a container, a network or a volume as a task's."""
        return self.marks | {TASK: task}

    @property
    def selector(self) -> str:
        """The label filter that finds all that is ours."""
        return f"{INSTALLATION}={self.installation}"

    @staticmethod
    def handle(listed: dict[str, Any]) -> Handle:
        """Return the handle of a container in a list answer."""
        return str(listed["Names"][0]).removeprefix("/")
