"""How the things of one installation are called and labelled in a cluster."""

import hashlib
import re
from dataclasses import dataclass

from specola.computing.kubernetes.config import PERSON
from specola.domain.computing import Handle
from specola.domain.task import TaskId

__all__ = [
    "ARCHITECTURE",
    "CONTAINER",
    "IMAGE",
    "INSTALLATION",
    "PORTS",
    "PRE_STOP",
    "REMOVED",
    "STOPPED",
    "TASK",
    "Names",
    "Place",
    "label_of",
]

INSTALLATION = "org.specola.installation"
TASK = "org.specola.task"
PORTS = "org.specola.ports"
ARCHITECTURE = "org.specola.architecture"
IMAGE = "org.specola.image"
PRE_STOP = "org.specola.pre-stop"
REMOVED = "org.specola.removed"
STOPPED = "org.specola.stopped"
"""Says of a pod that it was asked to end, so that what its cluster calls a deadline is told apart from one."""

CONTAINER = "task"
ODD = re.compile(r"[^a-z0-9]+")
LONGEST = 40


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task's pod is; as text, it is the task's handle, and can be told before there is a pod."""

    namespace: str
    name: str

    @classmethod
    def of(cls, handle: Handle) -> "Place | None":
        """Read a handle; None: it is none of ours."""
        namespace, slash, name = handle.partition("/")
        return cls(namespace, name) if slash and namespace and name else None

    @property
    def handle(self) -> Handle:
        """The handle."""
        return f"{self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        """Where the API has the pod."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    @property
    def secret(self) -> str:
        """Where the API has the secret of the same name."""
        return f"/api/v1/namespaces/{self.namespace}/secrets/{self.name}"


@dataclass(frozen=True, slots=True)
class Names:
    """The names that belong to one installation."""

    installation: str
    namespace: str

    def place(self, task: TaskId, person: str) -> Place:
        """Return where the pod of a person's task is."""
        return Place(self.namespace.replace(PERSON, label_of(person)), f"specola-{self.installation}-{task}")

    def labels(self, task: TaskId) -> dict[str, str]:
        """Return what marks an object as one of a task of ours."""
        return {INSTALLATION: self.installation, TASK: task, "app.kubernetes.io/managed-by": "specola"}

    @property
    def selector(self) -> str:
        """The label selector that finds all that is ours."""
        return f"{INSTALLATION}={self.installation},{TASK}"


def label_of(text: str) -> str:
    """Return a text as it may stand in a name; where something of it had to go, a hash keeps it apart from others."""
    plain = ODD.sub("-", text.lower()).strip("-")[:LONGEST].strip("-")
    if plain == text:
        return plain
    return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".lstrip("-")
