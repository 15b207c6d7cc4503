"""Parameters: what a person may choose at start, as a definition declares it and as a wish sets it."""

import difflib
import math
from collections.abc import Mapping, Sequence

from specola.domain.errors import InvalidError
from specola.domain.software import Parameter, ParameterKind
from specola.services.definition import checks
from specola.services.definition.fields import Fields

__all__ = ["choose", "parameter_value_fault", "read_parameters"]

LONGEST = 4000
TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})


def read_parameters(fields: Fields) -> tuple[Parameter, ...]:
    """Read the key `parameters` of a release."""
    seen: set[str] = set()
    parameters = []
    for below in fields.children("parameters"):
        parameter = _read(below)
        if parameter.name and parameter.name in seen:
            below.fault("name", f"two parameters have the name “{parameter.name}”")
        seen.add(parameter.name)
        parameters.append(parameter)
    return tuple(parameters)


def _read(fields: Fields) -> Parameter:
    choices = fields.texts("choices", most=200)
    kind = fields.choice("kind", ParameterKind.CHOICE if choices else ParameterKind.TEXT)
    parameter = Parameter(
        name=fields.required("name", check=checks.parameter_name_fault),
        title=fields.text("title", most=100),
        kind=kind,
        default=fields.text("default", most=LONGEST),
        choices=choices,
        minimum=fields.number("minimum"),
        maximum=fields.number("maximum"),
    )
    _check(fields, parameter)
    fields.finish()
    return parameter


def _check(fields: Fields, parameter: Parameter) -> None:
    if (parameter.kind is ParameterKind.CHOICE) != bool(parameter.choices):
        fields.fault("choices", "“choices” are for the kind “choice”, which needs at least one")
        return
    if parameter.kind is not ParameterKind.NUMBER:
        for key in ("minimum", "maximum"):
            if fields.has(key):
                fields.fault(key, "this means something for the kind “number” only")
    elif _low(parameter) > _high(parameter):
        fields.fault("minimum", "the minimum is above the maximum")
        return
    if fields.has("default"):
        sentence = parameter_value_fault(parameter, parameter.default)
        if sentence is not None:
            fields.fault("default", sentence)


def _low(parameter: Parameter) -> float:
    return -math.inf if parameter.minimum is None else parameter.minimum


def _high(parameter: Parameter) -> float:
    return math.inf if parameter.maximum is None else parameter.maximum


def parameter_value_fault(parameter: Parameter, value: str) -> str | None:
    """Say why `value` does not fit `parameter`, or None."""
    if len(value) > LONGEST or "\x00" in value:
        return f"a value has at most {LONGEST} characters, and no NUL"
    if parameter.kind is ParameterKind.CHOICE and value not in parameter.choices:
        return f"“{value[:60]}” is none of {', '.join(parameter.choices)}"
    if parameter.kind is ParameterKind.BOOLEAN and value.lower() not in TRUE | FALSE:
        return f"“{value[:60]}” has to be true or false"
    if parameter.kind is ParameterKind.NUMBER:
        return _number_fault(parameter, value)
    return None


def _number_fault(parameter: Parameter, value: str) -> str | None:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        return f"“{value[:60]}” has to be a number"
    if number < _low(parameter):
        return f"{value[:60]} is below the least, {parameter.minimum:g}"
    if number > _high(parameter):
        return f"{value[:60]} is above the most, {parameter.maximum:g}"
    return None


def choose(parameters: Sequence[Parameter], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the value of every parameter: the chosen one, else the default (of a choice: the first).

    Raises
    ------
    InvalidError
        A name is unknown, or a value does not fit; `field` names it.
    """
    known = [one.name for one in parameters]
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean “{near[0]}”?" if near else f"Parameters are {', '.join(known) or 'none'}."
            raise InvalidError(f"There is no parameter “{name[:60]}”.", hint=hint, field=f"parameters.{name[:60]}")
    return {one.name: _value(one, chosen.get(one.name)) for one in parameters}


def _value(parameter: Parameter, chosen: str | None) -> str:
    if chosen is None:
        return parameter.default or usual_value(parameter)
    sentence = parameter_value_fault(parameter, chosen)
    if sentence is not None:
        what = f"The parameter “{parameter.title or parameter.name}” does not fit: {sentence}."
        raise InvalidError(what, hint="Choose another value.", field=f"parameters.{parameter.name}")
    if parameter.kind is ParameterKind.BOOLEAN:
        return "true" if chosen.lower() in TRUE else "false"
    return chosen


def usual_value(parameter: Parameter) -> str:
    """Return what a parameter without a default is set to."""
    if parameter.kind is ParameterKind.CHOICE:
        return parameter.choices[0]
    if parameter.kind is ParameterKind.BOOLEAN:
        return "false"
    if parameter.kind is ParameterKind.NUMBER:
        return f"{min(max(0.0, _low(parameter)), _high(parameter)):g}"
    return ""
