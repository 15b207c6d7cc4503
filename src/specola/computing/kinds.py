"""The kinds of computing there are, and how one is opened from its record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from specola.clock import Clock
from specola.computing.engine import EngineComputing, EngineSettings
from specola.computing.memory import MemoryComputing, World
from specola.computing.memory.config import MemorySettings
from specola.domain.errors import InvalidError
from specola.hosts.config import HostSettings
from specola.ports.computing import Computing
from specola.ports.hosts import Host, Hosts

__all__ = ["KINDS", "Context", "open_computing"]

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
    world
        What computings of kind `memory` keep; hand in one's own to script their behaviour.
    """

    installation: str
    data: Path
    clock: Clock
    hosts: Hosts | None = None
    world: World = field(default_factory=World)


def _memory(name: str, settings: Mapping[str, Any], context: Context) -> Computing:
    return MemoryComputing(
        name=name,
        settings=_read(MemorySettings, name, settings),
        installation=context.installation,
        world=context.world,
        clock=context.clock,
    )


def _engine(name: str, settings: Mapping[str, Any], context: Context) -> Computing:
    read = _read(EngineSettings, name, settings)
    return EngineComputing(
        name=name,
        settings=read,
        host=_host(name, read.host, context),
        installation=context.installation,
        data=context.data,
        clock=context.clock,
    )


def _host(name: str, settings: HostSettings | None, context: Context) -> Host | None:
    """Return the host that a computing works on, with its shared account; None: it is here."""
    if settings is None:
        return None
    if context.hosts is None:
        raise InvalidError(
            f"The computing “{name}” is on another host, which this process does not reach.", field="host"
        )
    return context.hosts.host(name, settings.account)


KINDS: Mapping[str, Callable[[str, Mapping[str, Any], Context], Computing]] = {"engine": _engine, "memory": _memory}


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
    opener = KINDS.get(kind)
    if opener is None:
        raise InvalidError(
            f"There is no kind of computing “{kind}”.", hint=f"Use one of: {', '.join(KINDS)}.", field="kind"
        )
    return opener(name, settings, context)


def _read(model: type[ModelT], name: str, settings: Mapping[str, Any]) -> ModelT:
    """Check a record's settings against the adapter's model; unknown keys are refused."""
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidError(
            f"The settings of the computing “{name}” are not valid: {where}: {first['msg']}.",
            hint=f"Known settings: {', '.join(model.model_fields)}.",
            field=f"settings.{where}",
        ) from error
