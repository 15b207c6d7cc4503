"""A software definition as the fields of a form, and back as YAML: one reader checks both."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from specola.domain.durations import format_duration
from specola.domain.errors import Problem
from specola.domain.sizes import format_size
from specola.domain.software import Activity, Interface, Parameter, PreStop, Release, Software
from specola.web.forms import Filled, read_pairs, write_pairs

__all__ = ["INTERFACE", "PARAMETER", "faults_of", "grown", "rows", "shrunk", "to_form", "to_yaml"]

INTERFACE = (
    "name",
    "port",
    "protocol",
    "open",
    "credential_way",
    "credential",
    "health",
    "expect",
    "ignore",
    "pings",
    "origin",
)
PARAMETER = ("name", "title", "kind", "default", "choices", "minimum", "maximum")
COLUMNS: Mapping[str, Sequence[str]] = {"interfaces": INTERFACE, "parameters": PARAMETER}
ROW = re.compile(r"(?P<table>interfaces|parameters)\[(?P<index>[0-9]{1,3})\]")
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,15})")
# Where a problem of the definition is shown, if the form has its field under another name.
ELSEWHERE = {
    "health.path": "health",
    "health.expect": "expect",
    "activity.ignore": "ignore",
    "activity.pings": "pings",
    "activity": "ignore",
    "pre_stop": "pre_stop.command",
}


def rows(values: Mapping[str, str], table: str) -> list[int]:
    """Return the numbers of a table's rows that the form has, from 0."""
    found = {int(match["index"]) for name in values if (match := ROW.match(name)) and match["table"] == table}
    return sorted(found)


def grown(values: Mapping[str, str], table: str) -> dict[str, str]:
    """Return the form with one more, empty row."""
    number = max(rows(values, table), default=-1) + 1
    return {**values, **{f"{table}[{number}].{column}": "" for column in COLUMNS[table]}}


def shrunk(values: Mapping[str, str], table: str, without: int) -> dict[str, str]:
    """Return the form without one row, the later ones moved up."""
    kept = [number for number in rows(values, table) if number != without]
    form = {name: value for name, value in values.items() if not name.startswith(f"{table}[")}
    for place, number in enumerate(kept):
        form |= {
            f"{table}[{place}].{column}": values.get(f"{table}[{number}].{column}", "") for column in COLUMNS[table]
        }
    return form


# -- from an entry to the form ------------------------------------------------------------------------------------------


def to_form(software: Software) -> dict[str, str]:
    """Return the fields of an entry and its current release."""
    release = software.current
    form = {
        "software": software.name,
        "title": software.title,
        "description": software.description,
        "homepage": software.homepage,
        "tags": ", ".join(software.tags),
        "needs_registry": "true" if software.needs_registry else "",
        **_release_fields(release),
    }
    for number, interface in enumerate(release.interfaces):
        form |= _row("interfaces", number, _interface_fields(interface))
    for number, parameter in enumerate(release.parameters):
        form |= _row("parameters", number, _parameter_fields(parameter))
    return form


def _row(table: str, number: int, fields: Mapping[str, str]) -> dict[str, str]:
    return {f"{table}[{number}].{column}": value for column, value in fields.items()}


def _release_fields(release: Release) -> dict[str, str]:
    return {
        "version": release.version,
        "image": release.image,
        "command": "\n".join(release.command),
        "environment": write_pairs(release.environment),
        "resources.cpus": f"{release.resources.cpus:g}",
        "resources.memory": format_size(release.resources.memory),
        "resources.shm": format_size(release.resources.shm),
        "resources.gpus": str(release.resources.gpus or ""),
        "resources.gpu_model": release.resources.gpu_model,
        "time": "" if release.time is None else format_duration(release.time),
        "pre_stop.command": "\n".join(release.pre_stop.command) if release.pre_stop else "",
        "pre_stop.time": _pre_stop_time(release.pre_stop),
        "user": release.user.value,
        "home": release.home or "",
        "home_access": release.home_access.value,
        "scratch": release.scratch or "",
        "capabilities": ", ".join(release.capabilities),
    }


def _pre_stop_time(pre_stop: PreStop | None) -> str:
    usual = PreStop(command=()).time
    return "" if pre_stop is None or pre_stop.time == usual else format_duration(pre_stop.time)


def _interface_fields(interface: Interface) -> dict[str, str]:
    credential, health = interface.credential, interface.health
    return {
        "name": interface.name,
        "port": str(interface.port),
        "protocol": interface.protocol.value,
        "open": interface.open,
        "credential_way": credential.way.value if credential else "",
        "credential": credential.template if credential else "",
        "health": health.path if health else "",
        "expect": health.expect if health else "",
        "ignore": ", ".join(interface.activity.ignore),
        "pings": "" if interface.activity.pings == Activity().pings else str(interface.activity.pings),
        "origin": interface.origin.value,
    }


def _parameter_fields(parameter: Parameter) -> dict[str, str]:
    return {
        "name": parameter.name,
        "title": parameter.title,
        "kind": parameter.kind.value,
        "default": parameter.default,
        "choices": ", ".join(parameter.choices),
        "minimum": "" if parameter.minimum is None else f"{parameter.minimum:g}",
        "maximum": "" if parameter.maximum is None else f"{parameter.maximum:g}",
    }


# -- from the form to YAML ----------------------------------------------------------------------------------------------


def to_yaml(form: Filled) -> str:
    """Return the definition that a form says; what is wrong with it is found by whoever reads definitions.

    Raises
    ------
    InvalidError
        The environment is not written as NAME=VALUE.
    """
    table: dict[str, Any] = {name: _plain(form[name]) for name in ("software", "title", "description", "homepage")}
    table["tags"] = _words(form["tags"])
    table["needs_registry"] = form["needs_registry"] == "true" or None
    table |= {name: form[name].strip() for name in ("version", "image")}
    table["command"] = [line for line in form["command"].splitlines() if line]
    table["environment"] = read_pairs("environment", form["environment"])
    sizes = ("cpus", "memory", "shm", "gpus", "gpu_model")
    table["resources"] = _said({name: _number(form[f"resources.{name}"]) for name in sizes})
    table["time"] = form["time"].strip()
    command = [line for line in form["pre_stop.command"].splitlines() if line]
    table["pre_stop"] = _said({"command": command, "time": form["pre_stop.time"].strip()})
    table["user"] = form["user"]
    table["home"] = form["home"].strip()
    # Without a home the choice beside it means nothing.
    table["home_access"] = form["home_access"] if table["home"] else ""
    table["scratch"] = form["scratch"].strip()
    table["capabilities"] = _words(form["capabilities"])
    table["interfaces"] = [_interface(form, number) for number in rows(form.values, "interfaces")]
    table["parameters"] = [_parameter(form, number) for number in rows(form.values, "parameters")]
    return yaml.safe_dump(_said(table), sort_keys=False, allow_unicode=True, width=110)


def _interface(form: Filled, number: int) -> dict[str, Any]:
    at = f"interfaces[{number}]."
    table: dict[str, Any] = {
        "name": form[at + "name"].strip(),
        "port": _number(form[at + "port"]),
        "protocol": form[at + "protocol"],
    }
    if table["protocol"] not in {"http", "https"}:
        return _said(table)
    if form[at + "credential_way"]:
        table["credential"] = {form[at + "credential_way"]: form[at + "credential"]}
    if form[at + "health"].strip() or form[at + "expect"].strip():
        table["health"] = _said({"path": form[at + "health"].strip(), "expect": form[at + "expect"].strip()})
    table["activity"] = _said({"ignore": _words(form[at + "ignore"]), "pings": _number(form[at + "pings"])})
    table["open"] = "" if form[at + "open"].strip() == "/" else form[at + "open"].strip()
    table["origin"] = "" if form[at + "origin"] == "keep" else form[at + "origin"]
    return _said(table)


def _parameter(form: Filled, number: int) -> dict[str, Any]:
    at = f"parameters[{number}]."
    table: dict[str, Any] = {name: form[at + name].strip() for name in ("name", "title", "kind", "default")}
    table["choices"] = _words(form[at + "choices"])
    table |= {name: _number(form[at + name]) for name in ("minimum", "maximum")}
    return _said(table)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _number(text: str) -> int | str:
    text = text.strip()
    return int(text) if WHOLE.fullmatch(text) else text


def _said(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value not in ("", [], {}, None)}


# -- what is wrong, at its field ------------------------------------------------------------------------------------------


def faults_of(problems: Iterable[Problem], values: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong by the form's field, as far as the form has a field for it.

    A problem of a part without a field of its own (`command[2]`, `environment.X`) is shown at the field it is part of;
    one of a whole row (`interfaces[0]`) at the row.
    """
    faults: dict[str, str] = {}
    for problem in problems:
        place = _field(problem.field, values)
        faults[place] = f"{faults[place]}; {problem.sentence}" if place in faults else problem.sentence
    return faults


def _field(path: str, values: Mapping[str, str]) -> str:
    row = ROW.match(path)
    prefix, rest = (row[0] + ".", path[row.end() + 1 :]) if row else ("", path)
    while rest:
        name = prefix + ELSEWHERE.get(rest, rest)
        if name in values:
            return name
        rest = re.sub(r"(^|\.)[^.\[\]]+$|\[[0-9]+\]$", "", rest)
    return row[0] if row else ""
