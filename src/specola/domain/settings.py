"""Settings of a record as trees of plain values, and single ones of them by their path: `host.jump.address`."""

from collections.abc import Mapping
from typing import Any

__all__ = ["at_path", "is_said", "with_value", "with_values", "without", "without_nulls"]


def at_path(settings: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path; None: nothing."""
    value: Any = settings
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def with_value(settings: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return settings with another value at a path; tables on the way are made."""
    head, _, rest = path.partition(".")
    if not rest:
        return {**settings, head: value}
    below = settings.get(head)
    return {**settings, head: with_value(below if isinstance(below, Mapping) else {}, rest, value)}


def with_values(settings: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with other values, given by their paths."""
    whole = dict(settings)
    for path, value in values.items():
        whole = with_value(whole, path, value)
    return whole


def without(settings: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return settings without what stands at a path."""
    head, _, rest = path.partition(".")
    if not rest:
        return {key: value for key, value in settings.items() if key != head}
    below = settings.get(head)
    if not isinstance(below, Mapping):
        return dict(settings)
    return {**settings, head: without(below, rest)}


def is_said(settings: Mapping[str, Any], path: str) -> bool:
    """Tell whether something stands at a path, be it null."""
    table, _, name = path.rpartition(".")
    around = at_path(settings, table) if table else settings
    return isinstance(around, Mapping) and name in around


def without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without what is null: it has its default."""
    return {
        key: without_nulls(value) if isinstance(value, Mapping) else value
        for key, value in settings.items()
        if value is not None
    }
