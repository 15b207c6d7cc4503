"""Drafts of computings: what a definition comes to as a record, with what an earlier record keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from specola.domain.computing import Audience, Computing
from specola.domain.errors import DefinitionError, Problem
from specola.domain.person import Actor
from specola.domain.settings import at_path, is_said, with_value, with_values, without_nulls
from specola.ports.kinds import CheckedSettings, Kinds
from specola.services.definition.computings import ComputingDefinition

__all__ = ["ComputingDraft", "checked_settings", "own_name", "renewed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputingDraft:
    """A record that is not saved yet, and its secret settings by path."""

    record: Computing
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """All settings, secrets in their places."""
        return with_values(self.record.settings, self.secrets)


def checked_settings(kinds: Kinds, definition: ComputingDefinition, kept: Mapping[str, str]) -> CheckedSettings:
    """Check the settings of a definition.

    Parameters
    ----------
    kept
        Secrets of the record that it changes. They stand in where the definition says nothing of them; null forgets one.

    Raises
    ------
    InvalidError, DefinitionError
        There is no such kind, or something does not fit; with its line.
    """
    settings = without_nulls(definition.settings)
    for path, secret in kept.items():
        table, _, _ = path.rpartition(".")
        if not is_said(definition.settings, path) and (not table or isinstance(at_path(settings, table), Mapping)):
            settings = with_value(settings, path, secret)
    try:
        return kinds.check(definition.kind, settings)
    except DefinitionError as error:
        raise definition.placed(error) from None


def own_name(name: str, actor: Actor) -> str:
    """Return the whole name of somebody's own computing, so that it can be no other's."""
    prefix = f"{actor.person.name}."
    return name if name.startswith(prefix) else prefix + name


def renewed(
    known: Computing, definition: ComputingDefinition, checked: CheckedSettings, *, groups: Sequence[str]
) -> ComputingDraft:
    """Return a record changed to what a definition says.

    Parameters
    ----------
    known
        The record as it is; whose it is, its kind and its name stay.
    groups
        The ids of the groups that the definition names.

    Raises
    ------
    DefinitionError
        It names another computing or kind, or wants the platform's own to be somebody's.
    """
    _check_same(known, definition)
    audience = known.audience if known.owner or definition.audience is None else definition.audience
    record = replace(
        known,
        title=definition.title or definition.name,
        description=definition.description,
        audience=audience,
        groups=tuple(groups) if definition.audience else known.groups,
        order=known.order if definition.order is None else definition.order,
        offer=definition.offer,
        settings=checked.settings,
        secrets=tuple(sorted(checked.secrets)),
    )
    return ComputingDraft(record=record, secrets=checked.secrets)


def _check_same(known: Computing, definition: ComputingDefinition) -> None:
    problems = []
    if known.name not in {definition.name, f"{known.name.partition('.')[0]}.{definition.name}"}:
        problems.append(Problem("computing", f"this is the record of “{known.name}”; a computing keeps its name"))
    if definition.kind != known.kind:
        problems.append(Problem("kind", f"a computing keeps its kind, here {known.kind}; add another one instead"))
    if known.owner is None and definition.audience is Audience.OWNER:
        problems.append(Problem("audience", "this computing is the platform's: it is for everybody, or for groups"))
    if problems:
        raise definition.placed(DefinitionError(problems))
