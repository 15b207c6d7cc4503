"""Definitions written: from a software entry to YAML that reads back as the same entry."""

from dataclasses import fields as fields_of
from typing import Any

import yaml

from specola.domain.durations import format_duration
from specola.domain.sizes import format_size
from specola.domain.software import (
    HomeAccess,
    Interface,
    Parameter,
    ParameterKind,
    PreStop,
    Release,
    Resources,
    RunsAs,
    Software,
)

__all__ = ["write_definition"]


def write_definition(software: Software) -> str:
    """Return the definition of an entry: what is not said has its usual value, and is left out.

    Ids, owner, sharing, digests and times belong to the catalogue and are not written.
    """
    head: dict[str, Any] = {
        "software": software.name,
        "title": software.title,
        "description": software.description,
        "homepage": software.homepage,
        "tags": list(software.tags),
        "needs_registry": software.needs_registry,
    }
    releases = [_release(one) for one in software.releases]
    body = releases[0] if len(releases) == 1 else {"releases": releases}
    return yaml.dump(_said(head) | body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they look."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _said(table: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is empty."""
    return {key: value for key, value in table.items() if value not in ("", [], {}, None, False)}


def _release(release: Release) -> dict[str, Any]:
    return _said(
        {
            "version": release.version,
            "image": release.image,
            "command": list(release.command),
            "environment": dict(release.environment),
            "resources": _resources(release.resources),
            "time": "" if release.time is None else format_duration(release.time),
            "pre_stop": _pre_stop(release.pre_stop),
            "user": "" if release.user is RunsAs.IMAGE else release.user.value,
            "home": release.home,
            "home_access": "" if release.home_access is HomeAccess.WRITE else release.home_access.value,
            "scratch": release.scratch,
            "capabilities": list(release.capabilities),
            "interfaces": [_interface(one) for one in release.interfaces],
            "parameters": [_parameter(one) for one in release.parameters],
        }
    )


def _resources(resources: Resources) -> dict[str, Any]:
    usual = Resources()
    words: dict[str, Any] = {
        "cpus": _number(resources.cpus),
        "memory": format_size(resources.memory),
        "shm": format_size(resources.shm),
        "gpus": resources.gpus,
        "gpu_model": resources.gpu_model,
    }
    return {
        field.name: words[field.name]
        for field in fields_of(Resources)
        if getattr(resources, field.name) != getattr(usual, field.name)
    }


def _pre_stop(pre_stop: PreStop | None) -> list[str] | dict[str, Any] | None:
    if pre_stop is None:
        return None
    command = list(pre_stop.command)
    if pre_stop.time == PreStop(command=()).time:
        return command
    return {"command": command, "time": format_duration(pre_stop.time)}


def _interface(interface: Interface) -> dict[str, Any]:
    usual = Interface(name=interface.name, port=interface.port)
    table: dict[str, Any] = {"name": interface.name, "port": interface.port, "protocol": interface.protocol.value}
    if interface.open != usual.open:
        table["open"] = interface.open
    if interface.credential is not None:
        table["credential"] = {interface.credential.way.value: interface.credential.template}
    if interface.health is not None:
        table["health"] = {"path": interface.health.path, "expect": interface.health.expect}
    if interface.activity != usual.activity:
        activity = {"ignore": list(interface.activity.ignore), "pings": interface.activity.pings}
        shown = ("ignore", "pings") if interface.activity.pings != usual.activity.pings else ("ignore",)
        table["activity"] = {key: activity[key] for key in shown if activity[key] != []}
    if interface.origin is not usual.origin:
        table["origin"] = interface.origin.value
    return table


def _parameter(parameter: Parameter) -> dict[str, Any]:
    table = _said(
        {
            "name": parameter.name,
            "title": parameter.title,
            "kind": "" if parameter.kind is ParameterKind.TEXT else parameter.kind.value,
            "default": parameter.default,
            "choices": list(parameter.choices),
        }
    )
    for key in ("minimum", "maximum"):
        limit = getattr(parameter, key)
        if limit is not None:
            table[key] = _number(limit)
    return table


def _number(number: float) -> int | float:
    return int(number) if number == int(number) else number
