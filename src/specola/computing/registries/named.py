"""Registries as settings name them, which have to be called as images call them."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from specola.domain.errors import InvalidError
from specola.domain.reference import ImageReference

__all__ = ["RegistryNames"]


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    for one in names:
        try:
            named = ImageReference.parse(f"{one}/a").registry
        except InvalidError:
            named = ""
        if not named or named != one or one == "localhost":
            raise ValueError(f"“{one}” is no registry; write HOST:PORT, for example localhost:5000")
    return names


RegistryNames: TypeAlias = Annotated[tuple[str, ...], AfterValidator(_checked)]
"""Registries, each as `HOST` or `HOST:PORT`."""
