"""How jobs, handles and files of one installation are called on a cluster."""

import hashlib
import re
from dataclasses import dataclass

from specola.domain.computing import Handle
from specola.domain.task import TaskId

__all__ = [
    "AGENT",
    "CREDENTIAL",
    "ENROLMENT",
    "JOB",
    "LOG",
    "MANIFEST",
    "MARK",
    "OUTPUT",
    "STATUS",
    "Names",
    "Paths",
    "Ticket",
]

MANIFEST = "manifest.json"
CREDENTIAL = "credential"
ENROLMENT = "enrolment"
"""The secret by which the platform knows an agent that dials out."""
STATUS = "status.json"
LOG = "log"
JOB = "job.json"
"""What was handed in, written once the scheduler had taken it."""
MARK = "begun"
"""A link that the first job of a task makes as it starts; it names that job."""
OUTPUT = "agent.out"
AGENT = "agent.pyz"
TASK = re.compile(r"[0-9a-z_]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a handle says: with whose rights a task runs, and which task it is."""

    account: str
    task: TaskId


@dataclass(frozen=True, slots=True)
class Names:
    """The names that belong to one installation. A handle is the account and the job's name: known before there is a job."""

    installation: str

    def job(self, task: TaskId) -> str:
        """Return the name of a task's job."""
        return f"{self._begin}{task}"

    def image_job(self, key: str) -> str:
        """Return the name of the job that fetches an image."""
        return f"{self._begin}image-{key[:24]}"

    @property
    def probe_job(self) -> str:
        """The name of the job that looks at a compute node."""
        return f"{self._begin}look-around"

    def handle(self, account: str, task: TaskId) -> Handle:
        """Return the handle of a task."""
        return f"{account}/{self.job(task)}"

    def task(self, job: str) -> TaskId | None:
        """Return the task of a job's name; None: it is none of ours."""
        task = job.removeprefix(self._begin)
        return task if task != job and TASK.fullmatch(task) else None

    def ticket(self, handle: Handle) -> Ticket | None:
        """Return what a handle says; None: it is none of ours."""
        account, _, job = handle.rpartition("/")
        task = self.task(job)
        return Ticket(account, task) if task else None

    @property
    def _begin(self) -> str:
        return f"specola-{self.installation}-"


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are in an account's folder on the shared file system.

    Parameters
    ----------
    folder
        The folder itself, whole.
    images
        Where images are kept.
    home
        Where the account's own home is.
    """

    installation: str
    folder: str
    images: str
    home: str

    @property
    def tasks(self) -> str:
        """The folder of this installation's tasks."""
        return f"{self.folder}/{self.installation}/tasks"

    @property
    def looks(self) -> str:
        """The folder of what a job saw that looked at a compute node."""
        return f"{self.folder}/{self.installation}/look"

    def task(self, task: TaskId, *names: str) -> str:
        """Return a task's folder, or a file in it."""
        return "/".join((self.tasks, task, *names))

    def agent(self, content: bytes) -> str:
        """Return where an agent of exactly this content is."""
        return f"{self.folder}/agent/{hashlib.sha256(content).hexdigest()}/{AGENT}"
