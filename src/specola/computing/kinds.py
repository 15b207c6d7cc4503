"""The kinds of computing there are, and how one is opened from its record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from specola.clock import Clock
from specola.computing.batch import BatchComputing, BatchSettings
from specola.computing.batch.config import not_a_persons
from specola.computing.engine import (
    AccountEngines,
    EngineComputing,
    EngineSettings,
    not_a_persons as not_a_persons_engine,
)
from specola.computing.kubernetes import KubernetesComputing, KubernetesSettings, Reaching
from specola.computing.memory import MemoryComputing, World
from specola.computing.memory.config import MemorySettings
from specola.domain.errors import InvalidError
from specola.hosts.config import Identity
from specola.ports.computing import Computing
from specola.ports.hosts import Hosts

__all__ = ["KINDS", "Context", "Kind", "Start", "open_computing"]

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every computing of one installation shares.

    Parameters
    ----------
    installation
        The installation's random id, which every container, network and job carries.
    data
        The data folder; homes are below it.
    clock
        Where time and randomness come from.
    hosts
        The hosts that computings work on; None: this process reaches none.
    platform
        The platform's own address, as people type it.
    awaits_agents
        Whether this process is the one to which agents of batch tasks come that dial out.
    world
        What computings of kind `memory` keep; hand in one's own to script their behaviour.
    """

    installation: str
    data: Path
    clock: Clock
    hosts: Hosts | None = None
    platform: str = ""
    awaits_agents: bool = False
    world: World = field(default_factory=World)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One way to begin the record of a computing: what it is for, and the settings to begin with.

    `own`: it is offered to everybody, for themselves; else to administrators only.
    """

    name: str
    title: str
    sentence: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[ModelT]):
    """A kind of computing.

    Parameters
    ----------
    title
        What people call it.
    settings
        What a record may say. Form, YAML and their checks are made from it: each field's `title`, `description` and
        default are shown, and what is a `SecretStr` is kept sealed and never shown again.
    opener
        Opens one from its name and settings, without asking anything of it.
    starts
        What the form offers to begin with; empty: it is not offered.
    own
        Says what in some settings is not a person's to decide who adds a computing for themselves ("": nothing).
        None: only administrators add this kind. What reads files, sockets or rights of the platform's own has to be
        refused here.
    """

    title: str
    settings: type[ModelT]
    opener: Callable[[str, ModelT, Context], Computing]
    starts: tuple[Start, ...] = ()
    own: Callable[[ModelT], str] | None = None


def _memory(name: str, settings: MemorySettings, context: Context) -> Computing:
    return MemoryComputing(
        name=name, settings=settings, installation=context.installation, world=context.world, clock=context.clock
    )


def _engine(name: str, settings: EngineSettings, context: Context) -> Computing:
    opened = partial(
        EngineComputing, settings=settings, installation=context.installation, data=context.data, clock=context.clock
    )
    if settings.host is None:
        return opened(name=name)
    hosts = context.hosts
    if hosts is None:
        raise InvalidError(
            f"The computing “{name}” is on another host, which this process does not reach.", field="host"
        )
    if settings.host.identity in {Identity.SHARED, Identity.LOCAL}:
        return opened(name=name, host=hosts.host(name, settings.host.account))
    return AccountEngines(
        name=name,
        clock=context.clock,
        hosts=hosts,
        opened=lambda account: opened(name=name, host=hosts.host(name, account), account=account),
    )


def _batch(name: str, settings: BatchSettings, context: Context) -> Computing:
    return BatchComputing(
        name=name,
        settings=settings,
        installation=context.installation,
        data=context.data,
        clock=context.clock,
        hosts=context.hosts,
        platform=context.platform,
        awaits_agents=context.awaits_agents,
    )


BATCH = Kind(
    title="Batch cluster",
    settings=BatchSettings,
    opener=_batch,
    starts=(
        Start(
            name="slurm",
            title="Slurm cluster",
            sentence="Tasks are jobs; the login node is reached by SSH, and nothing is installed by root.",
            settings={"scheduler": "slurm", "folder": "~/.specola", "home": "~/specola-home"},
            own=True,
        ),
        Start(
            name="host",
            title="Host without an engine",
            sentence="A machine reached by SSH that has Apptainer, or Podman without root, and no scheduler.",
            settings={"scheduler": "none", "folder": "~/.specola", "home": "~/specola-home"},
            own=True,
        ),
    ),
    own=not_a_persons,
)


def _kubernetes(name: str, settings: KubernetesSettings, context: Context) -> Computing:
    return KubernetesComputing(name=name, settings=settings, installation=context.installation, clock=context.clock)


def _kubernetes_of_a_person(settings: KubernetesSettings) -> str:
    """Say what is not a person's to decide: what reads files or rights of the platform's own."""
    if not settings.kubeconfig.get_secret_value():
        return "The kubeconfig has to be given itself: files and the account of the platform's host are not yours."
    if settings.file_server != KubernetesSettings().file_server:
        return "The server of files is chosen by an administrator."
    if settings.local:
        return "The cluster must not be on the platform's own host: set local to false."
    if settings.reach is not Reaching.INSIDE:
        return "Tasks of a cluster of your own are reached through its API alone."
    if settings.insecure_registries:
        return "Registries without TLS are named by an administrator."
    return ""


ENGINE = Kind(
    title="Container engine",
    settings=EngineSettings,
    opener=_engine,
    starts=(
        Start(name="here", title="Container engine here", sentence="Docker or Podman on the platform's own machine."),
        Start(
            name="ssh",
            title="Container engine on another host",
            sentence="Docker or Podman on a machine reached by SSH, also behind a jump host; nothing is installed by root.",
            settings={"host": {"identity": "key"}},
            own=True,
        ),
    ),
    own=not_a_persons_engine,
)
# It touches nothing of the platform's, so anybody may have one.
MEMORY = Kind(title="In memory", settings=MemorySettings, opener=_memory, own=lambda _settings: "")

KUBERNETES = Kind(
    title="Kubernetes",
    settings=KubernetesSettings,
    opener=_kubernetes,
    starts=(
        Start(
            name="kubernetes",
            title="Kubernetes cluster",
            sentence="One pod for each task, with rights in one namespace.",
            settings={"local": False},
            own=True,
        ),
    ),
    own=_kubernetes_of_a_person,
)

KINDS: Mapping[str, Kind[Any]] = {
    "batch": BATCH,
    "engine": ENGINE,
    "kubernetes": KUBERNETES,
    "memory": MEMORY,
}


def open_computing(kind: str, *, name: str, settings: Mapping[str, Any], context: Context) -> Computing:
    """Open a computing; nothing is asked of it yet.

    Parameters
    ----------
    kind
        One of `KINDS`.
    name
        The computing's name, as errors call it.
    settings
        The settings of its record, read by the adapter alone.
    context
        What is shared by all computings of this installation.

    Raises
    ------
    InvalidError
        There is no such kind, or a setting is unknown or wrong.
    """
    known = KINDS.get(kind)
    if known is None:
        raise InvalidError(
            f"There is no kind of computing “{kind}”.", hint=f"Use one of: {', '.join(KINDS)}.", field="kind"
        )
    return known.opener(name, _read(known.settings, name, settings), context)


def _read(model: type[ModelT], name: str, settings: Mapping[str, Any]) -> ModelT:
    """Check a record's settings against the adapter's model; unknown keys are refused."""
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidError(
            f"The settings of the computing “{name}” are not valid: {where}: {first['msg']}.",
            hint=f"Known settings: {', '.join(model.model_fields)}.",
            field=f"settings.{where}",
        ) from None  # pydantic's own error repeats what was set, which may be secret
