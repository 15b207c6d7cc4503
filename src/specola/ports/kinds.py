"""The kinds of computing as services and doors see them: what a record's settings may say, without the adapters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

__all__ = ["CheckedSettings", "Kinds", "Setting", "SettingInput", "StartingPoint"]


class SettingInput(StrEnum):
    """How one setting is typed in."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    FLAG = "flag"
    LINES = "lines"
    """Several values, one a line."""
    PAIRS = "pairs"
    """NAME=VALUE, one a line."""
    SECRET = "secret"  # noqa: S105 - a word
    TABLE = "table"
    """A table of its own, with settings below it."""
    YAML = "yaml"
    """What has no field of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a kind.

    Parameters
    ----------
    path
        Its name with those of the tables around it: `host.port`.
    title, description
        What people call it, and what it does.
    default
        What it is where nothing is said, as it would be typed in; "" where that is nothing.
    choices
        Its values, where only some are allowed.
    required
        Whether something has to be said (in a table that is not required itself: if anything in it is said).
    shown
        Whether a form shows it at once, even where it has its default.
    settings
        Those below it.
    """

    path: str
    title: str
    description: str = ""
    input: SettingInput = SettingInput.TEXT
    default: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False
    shown: bool = False
    settings: "tuple[Setting, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingPoint:
    """One way to begin a record: what it is for, its kind, and the settings to begin with."""

    name: str
    title: str
    sentence: str
    kind: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSettings:
    """Settings that fit their kind: what is open, and apart from it, by path, what is secret.

    `own` says what in them is not for a person to decide who adds a computing for themselves; "": nothing.
    """

    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    own: str = ""


class Kinds(Protocol):
    """All kinds there are."""

    def names(self) -> Sequence[str]:
        """Return the name of every kind."""

    def title(self, kind: str) -> str:
        """Return what people call a kind; one that is not there any more is called by its name."""

    def starting_points(self, *, own: bool) -> Sequence[StartingPoint]:
        """Return what a form offers to begin with; `own`: to people who add a computing for themselves."""

    def settings(self, kind: str) -> Sequence[Setting]:
        """Return the settings of a kind in order. Raises InvalidError: there is no such kind."""

    def check(self, kind: str, settings: Mapping[str, Any]) -> CheckedSettings:
        """Check settings, and take what is secret apart.

        Parameters
        ----------
        settings
            As they were written, secrets in their places; texts may stand for numbers.

        Returns
        -------
        CheckedSettings
            What was said, in what JSON can say, without what was left to the defaults.

        Raises
        ------
        InvalidError
            There is no such kind.
        DefinitionError
            Something does not fit; each problem's field begins with `settings`.
        """
