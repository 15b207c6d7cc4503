"""The definition of a computing as the fields of a form, and back as YAML: one reader checks both."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from specola.domain.errors import DefinitionError, InvalidError, Problem
from specola.domain.settings import at_path, is_said, with_value
from specola.ports.kinds import Setting, SettingInput, StartingPoint
from specola.services.definition.computings import ComputingDefinition, read_value
from specola.services.definition.offers import write_offer
from specola.web.forms import Filled, read_pairs, write_pairs

__all__ = ["Part", "arranged", "begun", "faults_of", "flat", "to_form", "to_text"]

AMOUNTS = ("cpus", "memory", "gpus", "time")
HEAD = ("computing", "title", "description", "kind", "audience")
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,15})")


def flat(settings: Iterable[Setting]) -> Iterator[Setting]:
    """Yield the settings that have a field of their own."""
    for setting in settings:
        if setting.input is SettingInput.TABLE:
            yield from flat(setting.settings)
        else:
            yield setting


def begun(point: StartingPoint) -> str:
    """Return the definition that a record begins with."""
    table = {"computing": point.name, "title": point.title, "kind": point.kind, "settings": dict(point.settings)}
    return yaml.dump({key: value for key, value in table.items() if value}, Dumper=_Dumper, sort_keys=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The settings of one table in the order in which a form shows them.

    Parameters
    ----------
    table
        The table; None: all of them.
    first
        What is needed, said or secret, what its kind wants shown, and what has something wrong with it.
    rest
        What is left to its default.
    is_said
        Whether it is needed, or something stands in it.
    """

    table: Setting | None = None
    first: tuple[Setting, ...]
    tables: "tuple[Part, ...]"
    rest: tuple[Setting, ...]
    is_said: bool

    @property
    def has_host_keys(self) -> bool:
        """Whether it describes a machine, whose host keys can be fetched."""
        names = {one.path.rpartition(".")[2] for one in (*self.first, *self.rest)}
        return names >= {"address", "port", "keys"}


def arranged(settings: Sequence[Setting], form: Filled, table: Setting | None = None) -> Part:
    """Return settings in the order in which a form shows them."""

    def is_said(setting: Setting) -> bool:
        name = f"settings.{setting.path}"
        return bool(form[name] or form.fault(name))

    def is_first(setting: Setting) -> bool:
        return setting.required or setting.shown or setting.input is SettingInput.SECRET or is_said(setting)

    here = [one for one in settings if one.input is not SettingInput.TABLE]
    tables = tuple(arranged(one.settings, form, one) for one in settings if one.input is SettingInput.TABLE)
    return Part(
        table=table,
        first=tuple(one for one in here if is_first(one)),
        tables=tables,
        rest=tuple(one for one in here if not is_first(one)),
        is_said=table is None or table.required or any(map(is_said, here)) or any(one.is_said for one in tables),
    )


# -- from a definition to the form --------------------------------------------------------------------------------------


def to_form(definition: ComputingDefinition, settings: Sequence[Setting]) -> dict[str, str]:
    """Return the fields of a definition.

    Raises
    ------
    DefinitionError
        It says something that the kind does not know, and that the form would lose.
    """
    _check_known(definition, settings)
    form = {
        "computing": definition.name,
        "title": definition.title or "",
        "description": definition.description,
        "kind": definition.kind,
        "audience": definition.audience.value if definition.audience else "",
        "groups": ", ".join(definition.groups),
        "order": "" if definition.order is None else str(definition.order),
        **_offer_fields(definition),
    }
    for setting in flat(settings):
        form[f"settings.{setting.path}"] = _written(setting, at_path(definition.settings, setting.path))
        if setting.input is SettingInput.SECRET and is_said(definition.settings, setting.path):
            form[f"forget.{setting.path}"] = "" if form[f"settings.{setting.path}"] else "true"
    return form


def _check_known(definition: ComputingDefinition, settings: Sequence[Setting]) -> None:
    problems = list(_unknown(definition.settings, settings, "settings"))
    if problems:
        raise definition.placed(DefinitionError(problems))


def _unknown(table: Mapping[str, Any], settings: Sequence[Setting], path: str) -> Iterator[Problem]:
    known = {setting.path.rpartition(".")[2]: setting for setting in settings}
    for name, value in table.items():
        setting = known.get(name)
        if setting is None:
            yield Problem(f"{path}.{name}", "there is no such setting")
        elif setting.input is SettingInput.TABLE and isinstance(value, Mapping):
            yield from _unknown(value, setting.settings, f"{path}.{name}")
        elif value is not None and not _fits(setting, value):
            yield Problem(f"{path}.{name}", "this has another shape than the form's field")


def _fits(setting: Setting, value: Any) -> bool:
    match setting.input:
        case SettingInput.TABLE | SettingInput.PAIRS:
            return isinstance(value, Mapping) and (
                setting.input is SettingInput.TABLE or all(isinstance(one, str) for one in value.values())
            )
        case SettingInput.LINES:
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case SettingInput.YAML:
            return True
        case _:
            return isinstance(value, str)


def _written(setting: Setting, value: Any) -> str:
    if value is None:
        return ""
    match setting.input:
        case SettingInput.LINES:
            return "\n".join(value)
        case SettingInput.PAIRS:
            return write_pairs(value)
        case SettingInput.YAML:
            return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=None).rstrip("\n")
        case _:
            return str(value)


def _offer_fields(definition: ComputingDefinition) -> dict[str, str]:
    table = write_offer(definition.offer)
    form = {
        f"offer.{part}.{name}": str(table.get(part, {}).get(name, ""))
        for part in ("maximum", "default")
        for name in AMOUNTS
    }
    form |= {f"offer.{name}": ", ".join(table.get(name, ())) for name in ("partitions", "projects")}
    options = {name: ", ".join(values) for name, values in table.get("options", {}).items()}
    form["offer.options"] = write_pairs(options)
    form["offer.mirrors"] = write_pairs(table.get("mirrors", {}))
    return form


# -- from the form to YAML ----------------------------------------------------------------------------------------------


def to_text(form: Filled, settings: Sequence[Setting]) -> str:
    """Return the definition that a form says; what is wrong with it is found by whoever reads definitions.

    Raises
    ------
    InvalidError, DefinitionError
        A field of several lines cannot be read.
    """
    table: dict[str, Any] = {name: form[name].strip().replace("\r\n", "\n") for name in HEAD}
    table["groups"] = _words(form["groups"])
    table["order"] = _number(form["order"])
    table["settings"] = _settings(form, settings)
    table["offer"] = _offer(form)
    said = {key: value for key, value in table.items() if value not in ("", [], {})}
    return yaml.dump(said, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _settings(form: Filled, settings: Sequence[Setting]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for setting in flat(settings):
        name = f"settings.{setting.path}"
        value = _read(setting, name, form[name].replace("\r\n", "\n"))
        if value not in ("", [], {}):
            said = with_value(said, setting.path, value)
    for setting in flat(settings):
        # Null forgets a secret that is kept; one that was typed anew goes first.
        wanted = setting.input is SettingInput.SECRET and form[f"forget.{setting.path}"] == "true"
        table, _, _ = setting.path.rpartition(".")
        if wanted and not is_said(said, setting.path) and (not table or is_said(said, table)):
            said = with_value(said, setting.path, None)
    return said


def _read(setting: Setting, name: str, text: str) -> Any:
    match setting.input:
        case SettingInput.LINES:
            return [line.strip() for line in text.splitlines() if line.strip()]
        case SettingInput.PAIRS:
            return read_pairs(name, text)
        case SettingInput.YAML:
            return _value(name, text) if text.strip() else ""
        case SettingInput.NUMBER:
            return _number(text)
        case SettingInput.SECRET:
            # A file that was pasted keeps its last line's end.
            return text if "\n" in text.strip() else text.strip()
        case _:
            return text.strip()


def _value(name: str, text: str) -> Any:
    try:
        return read_value(text)
    except DefinitionError as error:
        raise InvalidError(error.problems[0].text(), field=name) from error


def _offer(form: Filled) -> dict[str, Any]:
    offer: dict[str, Any] = {}
    for part in ("maximum", "default"):
        amounts = {name: _number(form[f"offer.{part}.{name}"]) for name in AMOUNTS}
        offer[part] = {name: value for name, value in amounts.items() if value != ""}
    offer |= {name: _words(form[f"offer.{name}"]) for name in ("partitions", "projects")}
    options = read_pairs("offer.options", _all_pairs(form["offer.options"]))
    offer["options"] = {name: _words(values) for name, values in options.items()}
    offer["mirrors"] = read_pairs("offer.mirrors", form["offer.mirrors"])
    return {key: value for key, value in offer.items() if value}


def _all_pairs(text: str) -> str:
    """Let an option stand alone, for any value."""
    return "\n".join(line if "=" in line or not line.strip() else f"{line}=" for line in text.splitlines())


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _number(text: str) -> int | str:
    text = text.strip()
    return int(text) if WHOLE.fullmatch(text) else text


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they look."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


# -- what is wrong, at its field ------------------------------------------------------------------------------------------


def faults_of(problems: Iterable[Problem], values: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong by the form's field: that of the part named, or of what it is part of."""
    faults: dict[str, str] = {}
    for problem in problems:
        place = problem.field
        while place and place not in values:
            place = re.sub(r"(^|\.)[^.\[\]]+$|\[[0-9]+\]$", "", place)
        faults[place] = f"{faults[place]}; {problem.sentence}" if place in faults else problem.sentence
    return faults
