"""What the platform tells the agent of one task, as the file that lies in the task's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

__all__ = ["VERSION", "Image", "Manifest", "Mount", "Platform", "Resources", "Storage"]

VERSION = 1
PartT = TypeVar("PartT")


@dataclass(frozen=True)
class Image:
    """The image of a task.

    Parameters
    ----------
    reference
        Its name, with the registry.
    digest
        Its digest there; with it, nothing else is fetched.
    id
        The digest of its configuration, if the record knows it.
    sif
        Where it is on the shared file system, converted for Apptainer; made if it is not there.
    archive
        Where it is as an archive (`podman save`), which is used in place of the registry.
    insecure
        Whether the registry is asked without TLS.
    keep_days
        For how many days converted images are kept that no task uses, this one and those beside it; 0: for ever.
    """

    reference: str
    digest: str | None = None
    id: str | None = None
    sif: str | None = None
    archive: str | None = None
    insecure: bool = False
    keep_days: float = 0.0


@dataclass(frozen=True)
class Mount:
    """A folder of the node, and where it is in the container. A source that is missing is made, closed to others."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Resources:
    """What a task may use: CPUs, bytes of memory and of shared memory, GPUs; 0: not said."""

    cpus: float = 0
    memory: int = 0
    shm: int = 0
    gpus: int = 0


@dataclass(frozen=True)
class Storage:
    """Where Podman keeps what belongs to this task; both on the node's own disk."""

    root: str
    runroot: str


@dataclass(frozen=True)
class Platform:
    """Where the agent reaches the platform, which shows that it knows the task's secret.

    Parameters
    ----------
    url
        The platform's address: `https`, or `http://127.0.0.1`.
    proxy
        The site's proxy, `http://HOST:PORT`; empty: none.
    authority
        Certificates that alone vouch for the platform's, as PEM; empty: those that the node trusts.
    """

    url: str
    proxy: str = ""
    authority: str = ""


@dataclass(frozen=True)
class Manifest:
    """Everything the agent needs to start one task.

    Parameters
    ----------
    task, installation, title, owner
        Whose it is, and how people call it.
    runtime
        `apptainer` or `podman`.
    command
        The program and its arguments; empty: the image's own.
    environment
        Variables beside the image's own.
    user
        `home`: the account's own number; `image`: the image's own user, where the runtime can do that.
    home, scratch
        What is mounted. A scratch folder whose source is empty is made on the node, and gone with the task.
    ports
        The declared ports by the names of their interfaces.
    network
        `outbound`: the task reaches out, where the node has what that needs; `none`: it does not.
    grace
        Seconds between asking the task to end and forcing it.
    warn
        How many seconds before the deadline the scheduler's warning (SIGUSR1) comes.
    deadline
        When the scheduler ends it, in seconds since 1970.
    kill_wait
        Seconds that the scheduler leaves between SIGTERM and SIGKILL: all has to be done by then.
    pre_stop
        A command that is run in the container before it is asked to end. It has `pre_stop_time` seconds of its own.
    capabilities
        The capabilities that its root has, where the runtime gives any.
    folders
        Where the node's own disk is looked for, before what its environment tells.
    platform
        Where the agent dials out to; None: it does not.
    """

    task: str
    installation: str
    image: Image
    title: str = ""
    owner: str = ""
    runtime: str = "apptainer"
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = "home"
    home: Mount | None = None
    scratch: Mount | None = None
    resources: Resources = Resources()
    ports: Mapping[str, int] = field(default_factory=dict)
    network: str = "outbound"
    grace: float = 10.0
    warn: float = 0.0
    deadline: float | None = None
    kill_wait: float = 30.0
    pre_stop: tuple[str, ...] = ()
    pre_stop_time: float = 30.0
    capabilities: tuple[str, ...] = ()
    storage: Storage | None = None
    folders: tuple[str, ...] = ()
    platform: Platform | None = None

    def text(self) -> str:
        """Return it as the file has it."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1, sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Manifest:
        """Read the file. What a later platform added is passed over.

        Raises
        ------
        ValueError
            It is of another version, or no manifest.
        """
        told = json.loads(text)
        if not isinstance(told, dict) or told.get("version") != VERSION:
            raise ValueError("This manifest is of a version that this agent does not know.")
        try:
            return _made(
                cls,
                {
                    **told,
                    "image": _made(Image, told["image"]),
                    "home": _part(Mount, told.get("home")),
                    "scratch": _part(Mount, told.get("scratch")),
                    "storage": _part(Storage, told.get("storage")),
                    "platform": _part(Platform, told.get("platform")),
                    "resources": _made(Resources, told.get("resources") or {}),
                    **{
                        name: tuple(told.get(name) or ()) for name in ("command", "pre_stop", "capabilities", "folders")
                    },
                },
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"This manifest lacks something: {error}.") from error


def _part(kind: type[PartT], told: Any) -> PartT | None:
    return None if told is None else _made(kind, told)


def _made(kind: type[PartT], told: Mapping[str, Any]) -> PartT:
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type] # each of them is a dataclass
    return kind(**{name: value for name, value in told.items() if name in known})
