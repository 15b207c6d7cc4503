"""Durations as people write them: 90m, 2h30m, 1.5h, 1-12:00:00, PT45M."""

import re
from datetime import timedelta

from specola.domain.errors import InvalidError

__all__ = ["format_duration", "parse_duration"]

LONGEST = timedelta(days=3660)
LENGTHS = (604800, 86400, 3600, 60, 1)
NUMBER = r"(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*"
WORDS = re.compile(rf"{NUMBER}w)?\s*{NUMBER}d)?\s*{NUMBER}h)?\s*{NUMBER}m(?:in)?)?\s*{NUMBER}s(?:ec)?)?", re.ASCII)
# ISO 8601-1:2019, 5.5.2.2, without years and months, whose length differs.
ISO = re.compile(rf"p{NUMBER}w)?{NUMBER}d)?(?:t(?=[0-9]){NUMBER}h)?{NUMBER}m)?{NUMBER}s)?)?", re.ASCII)
# Those forms of sbatch(1), --time, that mean the same to everybody.
DAYS = re.compile(r"([0-9]{1,7})-([0-9]{1,2})(?::([0-9]{1,2}))?(?::([0-9]{1,2}))?", re.ASCII)
CLOCK = re.compile(r"([0-9]{1,7}):([0-9]{1,2}):([0-9]{1,2})", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Return the time that a written duration means.

    Parameters
    ----------
    text
        Numbers with units, the largest first (`90m`, `90min`, `2h30m`, `1d 12h`, `1.5h`, `1w`), the forms of Slurm that
        say what they mean (`2:30:00`, `1-12`, `1-12:00:00`), or ISO 8601 (`PT1H30M`, `P2D`). Upper and lower case mean
        the same. A number alone and two numbers with a colon are refused: one reader takes them for minutes, another
        for hours.

    Raises
    ------
    InvalidError
        It is not a duration, or not between one second and ten years.
    """
    seconds = _seconds(text.strip().lower())
    if seconds is None:
        raise InvalidError(
            f"“{text[:40]}” is not a duration.", hint="Write a number with a unit, for example 90m, 2h30m or 1d."
        )
    if not 1 <= seconds <= LONGEST.total_seconds():
        raise InvalidError(f"“{text[:40]}” is not between 1 second and 10 years.", hint="Write 2h, for example.")
    return timedelta(seconds=seconds)


def _seconds(text: str) -> int | None:
    for form in (WORDS, ISO):
        found = form.fullmatch(text)
        if found is not None and any(found.groups()):
            parts = zip(found.groups(), LENGTHS, strict=True)
            return round(sum(float(part or 0) * length for part, length in parts))
    found = DAYS.fullmatch(text)
    if found is not None:
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    found = CLOCK.fullmatch(text)
    if found is not None:
        hours, minutes, seconds = (int(part) for part in found.groups())
        return (hours * 60 + minutes) * 60 + seconds
    return None


def format_duration(duration: timedelta) -> str:
    """Return a duration in units, whole seconds, so that `parse_duration` gives it back exactly: 1d12h, 2h30m."""
    left = int(duration.total_seconds())
    text = ""
    for unit, length in zip("dhms", LENGTHS[1:], strict=True):
        if left >= length:
            text += f"{left // length}{unit}"
            left %= length
    return text or "0s"
