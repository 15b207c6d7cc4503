"""Sizes in bytes as people write them: 4GiB, 512 MB, 64m."""

import re

from specola.domain.errors import InvalidError

__all__ = ["about_size", "format_size", "parse_size"]

# A single letter means the binary unit, as in `docker run --memory 4g`.
UNITS = {
    "": 1,
    "b": 1,
    "k": 1024,
    "m": 1024**2,
    "g": 1024**3,
    "t": 1024**4,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "tib": 1024**4,
}
LARGEST = 1024**5
SIZE = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,9})?)\s*([A-Za-z]{0,3})", re.ASCII)


def parse_size(text: str) -> int:
    """Return the bytes that a written size means.

    Parameters
    ----------
    text
        A number with an optional unit: B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB or a single letter
        (powers of 1024). Upper and lower case mean the same.

    Raises
    ------
    InvalidError
        It is not a size, or larger than 1024 TiB.
    """
    found = SIZE.fullmatch(text.strip())
    if found is None or found[2].lower() not in UNITS:
        raise InvalidError(
            f"“{text[:40]}” is not a size.", hint="Write a number with a unit, for example 4GiB or 512MiB."
        )
    size = (
        round(float(found[1]) * UNITS[found[2].lower()]) if "." in found[1] else int(found[1]) * UNITS[found[2].lower()]
    )
    if size > LARGEST:
        raise InvalidError(f"“{text}” is larger than 1024 TiB.", hint="Write a smaller size, for example 4GiB.")
    return size


def format_size(size: int) -> str:
    """Return a size in the largest binary unit that divides it, so that `parse_size` gives it back exactly."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        step = UNITS[unit.lower()]
        if size and size % step == 0:
            return f"{size // step}{unit}"
    return str(size)


def about_size(size: float) -> str:
    """Return about how much memory a number of bytes is, for people: at most one digit after the point."""
    for unit, step in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2)):
        if size >= step:
            return f"{_short(size / step)} {unit}"
    return f"{_short(size / 1024)} KiB"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 100 else f"{number:.0f}"
