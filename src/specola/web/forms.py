"""Forms as they come from a browser: what was typed, kept for showing it again, and read into domain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request

from specola.domain.errors import InvalidError, LimitError, NotOfferedError, SpecolaError
from specola.domain.sizes import parse_size
from specola.domain.task import Wish

__all__ = ["Filled", "read_form", "read_pairs", "read_wish", "write_pairs"]

MOST_FIELDS = 1000


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
    parameters = {
        name.removeprefix("parameters."): value
        for name, value in form.values.items()
        if name.startswith("parameters.") and value != ""
    }
    return Wish(
        software=software,
        again_of=again_of,
        release=form["release"] or None,
        name=form["name"].strip() or None,
        computing=form["computing"] or None,
        cpus=_cpus(form["cpus"].strip()),
        memory=_size("memory", form["memory"].strip()),
        shm=_size("shm", form["shm"].strip()),
        environment=read_pairs("environment", form["environment"]),
        parameters=parameters,
    )


def _cpus(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise InvalidError(f"“{text[:40]}” is not a number of CPUs.", hint="Write 2 or 0.5.", field="cpus") from error


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
