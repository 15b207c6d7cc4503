"""Settings of a kind, read off its pydantic model: a description for forms, a check, and secrets taken apart."""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from specola.domain.errors import DefinitionError, Problem
from specola.domain.settings import without
from specola.ports.kinds import Setting, SettingInput

__all__ = ["described", "problems_of", "secret_paths", "taken_apart"]

PREFIX = re.compile(r"^(Value error|Assertion failed), ")


# -- a description for forms --------------------------------------------------------------------------------------------


def described(model: type[BaseModel]) -> tuple[Setting, ...]:
    """Return the settings of a model in order, tables below their own."""
    return tuple(_described(model, "", ()))


def _described(model: type[BaseModel], prefix: str, around: Sequence[type[BaseModel]]) -> Iterator[Setting]:
    around = (*around, model)
    for name, info in model.model_fields.items():
        kind = _plain(info.annotation)
        # A table may hold one of its own kind, as a machine the next on the way to it: the form has one, YAML any number.
        nested = _is_model(kind) and sum(issubclass(kind, one) or issubclass(one, kind) for one in around) < 2
        below = tuple(_described(kind, f"{prefix}{name}.", around)) if nested else ()
        yield Setting(
            path=prefix + name,
            title=info.title or name.replace("_", " ").capitalize(),
            description=info.description or "",
            input=SettingInput.TABLE if nested else _input(kind),
            default=_default(info),
            choices=_choices(kind),
            required=info.is_required(),
            shown=isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("shown") is True,
            settings=below,
        )


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _plain(annotation: Any) -> Any:
    """Return a type without what may surround it: constraints, and None."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in {Union, UnionType}:
            kinds = [one for one in get_args(annotation) if one is not type(None)]
            if len(kinds) != 1:
                return annotation
            annotation = kinds[0]
        else:
            return annotation


def _input(kind: Any) -> SettingInput:
    origin, inner = get_origin(kind), [_plain(one) for one in get_args(kind)]
    if kind is SecretStr:
        return SettingInput.SECRET
    if kind is bool:
        return SettingInput.FLAG
    if kind in {int, float}:
        return SettingInput.NUMBER
    if _choices(kind):
        return SettingInput.CHOICE
    if origin in {tuple, list, set, frozenset} and inner and _is_one_word(inner[0]):
        return SettingInput.LINES
    if isinstance(origin, type) and issubclass(origin, Mapping) and all(_is_one_word(one) for one in inner):
        return SettingInput.PAIRS
    return SettingInput.TEXT if _is_one_word(kind) else SettingInput.YAML


def _is_one_word(kind: Any) -> bool:
    """Tell whether a value is written as one word: a text, a number, a path, an address."""
    if get_origin(kind) in {Union, UnionType}:
        return all(_is_one_word(_plain(one)) for one in get_args(kind))
    return (
        isinstance(kind, type) and get_origin(kind) is None and not issubclass(kind, BaseModel | Mapping | list | tuple)
    )


def _choices(kind: Any) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return tuple(str(one) for one in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(one.value) for one in kind)
    return ()


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None or isinstance(value, BaseModel | SecretStr):
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "\n".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return "\n".join(str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


# -- secrets ------------------------------------------------------------------------------------------------------------


def secret_paths(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the paths of all secret settings of a model."""
    return tuple(_secrets(described(model)))


def _secrets(settings: Sequence[Setting]) -> Iterator[str]:
    for setting in settings:
        if setting.input is SettingInput.SECRET:
            yield setting.path
        yield from _secrets(setting.settings)


def taken_apart(valid: BaseModel) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what was said in valid settings, and apart from it, by path, what is secret."""
    said: dict[str, Any] = _whole(valid.model_dump(mode="json", exclude_unset=True))
    secrets: dict[str, str] = {}
    for path in secret_paths(type(valid)):
        value: Any = valid
        for part in path.split("."):
            value = getattr(value, part, None)
        if isinstance(value, SecretStr) and value.get_secret_value():
            secrets[path] = value.get_secret_value()
        said = without(said, path)
    return said, secrets


def _whole(value: Any) -> Any:
    """Return a value with its numbers as people write them: 4, not 4.0."""
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


# -- what is wrong ------------------------------------------------------------------------------------------------------


def problems_of(error: ValidationError) -> DefinitionError:
    """Return what is wrong with settings, without repeating what was set: it may be secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return DefinitionError([_problem(one) for one in found])


def _problem(error: ErrorDetails) -> Problem:
    path = "settings"
    for part in error["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    said = PREFIX.sub("", error["msg"])
    words = {"missing": "this is missing", "extra_forbidden": "there is no such setting"}
    return Problem(path, words.get(error["type"], said[:1].lower() + said[1:]))
