"""Forms as they come from a browser: what was typed, kept for showing it again, and read into domain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import Request

from specola.domain.durations import format_duration, parse_duration
from specola.domain.errors import InvalidError, LimitError, NotOfferedError, SpecolaError
from specola.domain.placement import Placement
from specola.domain.sizes import parse_size
from specola.domain.software import HomeAccess, Resources
from specola.domain.task import Wish

__all__ = ["Filled", "queue_values", "read_form", "read_pairs", "read_wish", "write_pairs"]

MOST_FIELDS = 1000
MOST_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A form with what was typed, and what is wrong with it: `faults` by field, `error` about the whole."""

    values: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    error: SpecolaError | None = None

    def __getitem__(self, name: str) -> str:
        """Return what stands in a field; empty if it was not sent."""
        return self.values.get(name, "")

    def fault(self, name: str) -> str:
        """Return what is wrong with a field; empty if nothing is."""
        return self.faults.get(name, "")

    def refused(self, error: SpecolaError) -> "Filled":
        """Return this form with an error at its field, or above it if it names none that was sent."""
        if isinstance(error, InvalidError | LimitError) and error.field in self.values:
            sentence = (
                f"{error.sentence} {error.hint}" if isinstance(error, LimitError | NotOfferedError) else error.sentence
            )
            return Filled(values=self.values, faults={**self.faults, error.field: sentence})
        return Filled(values=self.values, faults=self.faults, error=error)


async def read_form(request: Request) -> Filled:
    """Read a sent form; files are left out."""
    form = await request.form(max_files=0, max_fields=MOST_FIELDS)
    return Filled(values={name: value for name, value in form.multi_items() if isinstance(value, str)})


def read_wish(form: Filled, *, software: str | None = None, again_of: str | None = None) -> Wish:
    """Read the options of a start. Raises InvalidError with the field that is wrong."""
    parameters, options = _below(form, "parameters."), _below(form, "queue_options.")
    return Wish(
        software=software,
        again_of=again_of,
        release=form["release"] or None,
        name=form["name"].strip() or None,
        computing=form["computing"] or None,
        cpus=_cpus(form["cpus"].strip()),
        memory=_size("memory", form["memory"].strip()),
        shm=_size("shm", form["shm"].strip()),
        home=_home(form["home"]),
        gpus=_gpus(form["gpus"].strip()),
        gpu_model=form["gpu_model"].strip() if "gpu_model" in form.values else None,
        placement=Placement(
            time=_time(form["time"].strip()),
            partition=form.values.get("partition"),
            project=form.values.get("project"),
            options={name: value.strip() for name, value in options.items() if value.strip()},
        ),
        environment=read_pairs("environment", form["environment"]),
        parameters=parameters,
    )


def queue_values(resources: Resources, placement: Placement) -> dict[str, str]:
    """Return the fields of a start that say how it is queued."""
    values = {
        "gpus": str(resources.gpus or ""),
        "gpu_model": resources.gpu_model,
        "time": "" if placement.time is None else format_duration(placement.time),
        "partition": placement.partition or "",
        "project": placement.project or "",
    }
    return values | {f"queue_options.{name}": value for name, value in placement.options.items()}


def _below(form: Filled, prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value
        for name, value in form.values.items()
        if name.startswith(prefix) and value != ""
    }


def _gpus(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < MOST_DIGITS):
        raise InvalidError(f"“{text[:40]}” is not a number of GPUs.", hint="Write 1.", field="gpus")
    return int(text)


def _time(text: str) -> timedelta | None:
    if not text:
        return None
    try:
        return parse_duration(text)
    except InvalidError as error:
        raise InvalidError(f"{error.sentence} {error.hint}", hint=error.hint, field="time") from error


def _cpus(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise InvalidError(f"“{text[:40]}” is not a number of CPUs.", hint="Write 2 or 0.5.", field="cpus") from error


def _home(text: str) -> HomeAccess | None:
    if not text:
        return None
    try:
        return HomeAccess(text)
    except ValueError as error:
        hint = f"Choose one of {', '.join(HomeAccess)}."
        raise InvalidError(
            f"“{text[:40]}” is nothing that can be done with a home.", hint=hint, field="home"
        ) from error


def _size(name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_size(text)
    except InvalidError as error:
        raise InvalidError(error.sentence, hint=error.hint, field=name) from error


def read_pairs(name: str, text: str) -> dict[str, str]:
    """Read lines of NAME=VALUE; empty lines are left out. Raises InvalidError with `name` as its field."""
    pairs: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        key, sign, value = line.partition("=")
        if not sign or not key.strip():
            raise InvalidError(f"Line {number} is not NAME=VALUE.", hint="Write one NAME=VALUE a line.", field=name)
        pairs[key.strip()] = value
    return pairs


def write_pairs(pairs: Mapping[str, str]) -> str:
    """Write lines that `read_pairs` reads."""
    return "\n".join(f"{key}={value}" for key, value in pairs.items())
