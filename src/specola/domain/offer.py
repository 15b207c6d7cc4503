"""The offer of a computing: what tasks may ask of it, and what they get where they ask for nothing."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from specola.domain.durations import format_duration
from specola.domain.errors import InvalidError
from specola.domain.reference import ImageReference
from specola.domain.sizes import format_size

__all__ = ["Amounts", "Offer", "mirror_fault"]

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+,=@/-]{0,63}", re.ASCII)
"""A name that a scheduler takes; nothing in it means anything to a shell or a command line."""
MOST_WORDS = 64
DOCKER_HUB = "docker.io"
"""The registry of images that name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much of each a task has; `memory` in bytes. None: nothing is said, so the computing itself decides."""

    cpus: float | None = None
    memory: int | None = None
    gpus: int | None = None
    time: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse what no task could have. Raises InvalidError."""
        if self.cpus is not None and not (math.isfinite(self.cpus) and self.cpus > 0):
            raise InvalidError("A number of CPUs is above 0.", hint="Write 4, or 0.5.", field="cpus")
        if self.memory is not None and self.memory <= 0:
            raise InvalidError("A size of memory is above 0.", hint="Write 16GiB.", field="memory")
        if self.gpus is not None and self.gpus < 0:
            raise InvalidError("A number of GPUs cannot be negative.", hint="Write 0 for none.", field="gpus")
        if self.time is not None and self.time <= timedelta():
            raise InvalidError("A length of time is above 0.", hint="Write 8h.", field="time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What may be asked for on one computing.

    Parameters
    ----------
    maximum
        The most that one task may ask for.
    default
        What it gets where neither the wish nor the release says anything.
    partitions
        The ones that are offered, the usual one first; empty: all that are found there.
    projects
        What use may be booked on, the usual one first; empty: all that are found there.
    options
        What else may be told to the scheduler, by name, with the values that are allowed; no values: any.
    mirrors
        Where images are to be had from there, by how their names begin: `localhost/specola` at
        `registry.example/specola`. The longest beginning counts.
    """

    maximum: Amounts = field(default_factory=Amounts)
    default: Amounts = field(default_factory=Amounts)
    partitions: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mirrors: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an offer that contradicts itself. Raises InvalidError."""
        for name in ("partitions", "projects"):
            _check_words(getattr(self, name), name)
        _check_words(tuple(self.options), "options")
        for name, values in self.options.items():
            _check_words(values, f"options.{name}")
        _check_within(self.default, self.maximum)
        _check_mirrors(self.mirrors)

    def found_at(self, image: ImageReference) -> ImageReference:
        """Return by which name an image is to be had from there."""
        name = f"{image.registry or DOCKER_HUB}/{image.repository}"
        for beginning in sorted(self.mirrors, key=len, reverse=True):
            if name.startswith(f"{beginning}/"):
                there = ImageReference.parse(self.mirrors[beginning] + name.removeprefix(beginning))
                return replace(there, tag=image.tag, digest=image.digest)
        return image


def _check_words(words: Collection[str], where: str) -> None:
    if len(words) > MOST_WORDS or len(set(words)) != len(words):
        raise InvalidError(f"These are more than {MOST_WORDS}, or one stands here twice.", field=where)
    for word in words:
        if WORD.fullmatch(word) is None:
            raise InvalidError(
                f"“{word[:64]}” is not a word that a scheduler takes.",
                hint="Use letters, digits and _ . : + , = @ / -, a letter or digit first.",
                field=where,
            )


def _check_within(default: Amounts, maximum: Amounts) -> None:
    words = (
        ("cpus", f"{default.cpus or 0:g}", f"{maximum.cpus or 0:g}"),
        ("memory", format_size(default.memory or 0), format_size(maximum.memory or 0)),
        ("gpus", str(default.gpus), str(maximum.gpus)),
        ("time", format_duration(default.time or timedelta()), format_duration(maximum.time or timedelta())),
    )
    for name, usual, most in words:
        given, limit = getattr(default, name), getattr(maximum, name)
        if given is not None and limit is not None and given > limit:
            raise InvalidError(
                f"The default ({usual}) is above the maximum ({most}).",
                hint="Lower the default, or raise the maximum.",
                field=f"default.{name}",
            )


def mirror_fault(text: str) -> str | None:
    """Say what is wrong with how the name of an image is to begin; None: nothing."""
    try:
        named = ImageReference.parse(f"{text}/a")
    except InvalidError:
        named = None
    if named is None or not named.registry or named.text != f"{text}/a":
        return "an image's name begins with REGISTRY or REGISTRY/PATH, for example docker.io/library"
    return None


def _check_mirrors(mirrors: Mapping[str, str]) -> None:
    for word in (*mirrors, *mirrors.values()):
        if fault := mirror_fault(word):
            raise InvalidError(f"“{word[:64]}” does not fit: {fault}.", field="mirrors")
