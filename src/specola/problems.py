"""Failures as JSON between processes, and back as the same classes."""

from collections.abc import Iterator, Mapping
from typing import Any

from specola.domain.errors import SpecolaError

__all__ = ["problem_of", "raised"]


def problem_of(error: SpecolaError) -> dict[str, Any]:
    """Write a failure down, with whatever its class keeps beside sentence and hint."""
    kept = {name: value for name, value in vars(error).items() if name not in {"sentence", "hint"}}
    return {"code": error.code, "sentence": error.sentence, "hint": error.hint, "args": kept}


def raised(body: Mapping[str, Any]) -> SpecolaError:
    """Return the failure that was written down, as an instance of the class it had.

    A constructor words its sentence from its arguments, so it is passed by: sentence and facts are here already.
    """
    known = {cls.code: cls for cls in _classes(SpecolaError)}
    cls = known.get(body["code"], SpecolaError)
    error = cls.__new__(cls)
    SpecolaError.__init__(error, body["sentence"], hint=body.get("hint", ""))
    for name, value in body.get("args", {}).items():
        setattr(error, name, value)
    return error


def _classes(cls: type[SpecolaError]) -> Iterator[type[SpecolaError]]:
    yield cls
    for one in cls.__subclasses__():
        yield from _classes(one)
