"""Definitions of computings: the record of a place as YAML or JSON, read and written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from specola.domain.computing import Audience, Computing
from specola.domain.errors import DefinitionError, Problem
from specola.domain.offer import Offer
from specola.services.definition.fields import Fields
from specola.services.definition.offers import read_offer, write_offer
from specola.services.definition.tree import Node, NodeKind, compose

__all__ = ["ComputingDefinition", "computing_name_fault", "read_computing", "read_value", "write_computing"]

NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", re.ASCII)
LONGEST_NAME = 60
RESERVED = frozenset({"add", "test"})
"""They stand in addresses where names do."""
LAST_ORDER = 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputingDefinition:
    """What a definition says; None: nothing is said of it, so it stays as it is, or is chosen.

    Parameters
    ----------
    settings
        As they were written: every value a text, a list, a table, or None where null stands.
    root
        The whole text's tree, by which problems of the settings find their lines.
    """

    name: str
    kind: str
    title: str | None = None
    description: str = ""
    audience: Audience | None = None
    groups: tuple[str, ...] = ()
    order: int | None = None
    offer: Offer = field(default_factory=Offer)
    settings: Mapping[str, Any] = field(repr=False)
    root: Node = field(repr=False)

    def placed(self, error: DefinitionError) -> DefinitionError:
        """Return problems with the lines that they are about."""
        problems = [_placed(self.root, problem) for problem in error.problems]
        return DefinitionError(sorted(problems, key=lambda one: (one.line, one.column)))


def computing_name_fault(text: str) -> str | None:
    """Say what is wrong with the name of a computing, or None."""
    if text in RESERVED:
        return f"“{text}” is a word of the platform's own; choose another name"
    if len(text) > LONGEST_NAME or NAME.fullmatch(text) is None:
        return f"this has to be up to {LONGEST_NAME} lower-case letters and digits, with single hyphens or dots between"
    return None


def read_computing(text: str) -> ComputingDefinition:
    """Return what the definition of a computing says.

    Parameters
    ----------
    text
        YAML or JSON, at most 256 KiB.

    Raises
    ------
    DefinitionError
        Every fault that was found (at most 100), each with its line and column. Settings are not looked into: their kind
        knows them.
    """
    problems: list[Problem] = []
    root = compose(text, problems)
    fields = Fields(root, "", problems)
    name = fields.required("computing", most=200, check=computing_name_fault)
    groups = fields.texts("groups", most=64)
    said = fields.has("audience") or fields.has("groups")
    audience = fields.choice("audience", Audience.GROUPS if groups else Audience.EVERYBODY)
    if (audience is Audience.GROUPS) != bool(groups):
        fault = (
            "name the groups under “groups”" if audience is Audience.GROUPS else "leave “audience” out, or say groups"
        )
        fields.fault("audience" if fields.has("audience") else "groups", fault)
    definition = ComputingDefinition(
        name=name,
        title=fields.text("title", most=100, check=_one_line) or None,
        description=fields.text("description", most=4000),
        kind=fields.required("kind", most=40),
        audience=audience if said else None,
        groups=groups,
        order=fields.whole("order", 0, low=0, high=LAST_ORDER) if fields.has("order") else None,
        settings=_settings(fields),
        offer=read_offer(fields.child("offer")),
        root=root,
    )
    fields.know("order")
    fields.finish()
    if problems:
        raise DefinitionError(sorted(problems, key=lambda one: (one.line, one.column)))
    return definition


def _one_line(text: str) -> str | None:
    return "this has to be one line" if "\n" in text else None


def read_value(text: str) -> Any:
    """Return one value in YAML as settings have it. Raises DefinitionError."""
    problems: list[Problem] = []
    root = compose(text, problems)
    if problems:
        raise DefinitionError(problems)
    return _values(root)


def _settings(fields: Fields) -> Mapping[str, Any]:
    table = fields.child("settings")
    return {} if table is None else _values(table.node)


def _values(node: Node) -> Any:
    if node.kind is NodeKind.MAP:
        return {key.text: _values(value) for key, value in node.entries}
    if node.kind is NodeKind.LIST:
        return [_values(one) for one in node.items]
    return None if node.is_null else node.text


def _placed(root: Node, problem: Problem) -> Problem:
    """Return a problem with the place of what it names, or of the nearest table around that."""
    node = root
    for part in re.findall(r"[^.\[\]]+", problem.field):
        below = next((value for key, value in node.entries if key.text == part), None)
        if below is None and part.isdigit() and int(part) < len(node.items):
            below = node.items[int(part)]
        if below is None:
            break
        node = below
    return Problem(problem.field, problem.sentence, line=node.line, column=node.column)


# -- written ------------------------------------------------------------------------------------------------------------


def write_computing(computing: Computing, *, groups: Mapping[str, str]) -> str:
    """Return the definition of a record, without what is secret: secrets that are not given anew are kept.

    Parameters
    ----------
    groups
        The names of groups by id; one that is not among them is gone, and left out.
    """
    table: dict[str, Any] = {
        "computing": computing.name,
        "title": computing.title,
        "description": computing.description,
        "kind": computing.kind,
    }
    if computing.owner is None:
        table["audience"] = computing.audience.value
        table["groups"] = [groups[one] for one in computing.groups if one in groups]
    table["order"] = computing.order
    table["settings"] = dict(computing.settings)
    table["offer"] = write_offer(computing.offer)
    said = {key: value for key, value in table.items() if value not in ("", [], {}, None)}
    return yaml.dump(said, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they look."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
