"""Durations as people write them: 90m, 2h30m, 1-12:00:00, PT45M."""

import re
from datetime import timedelta

from specola.domain.errors import InvalidError

__all__ = ["LONGEST", "format_duration", "parse_duration"]

LONGEST = timedelta(days=366)
UNITS = (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
WORDS = re.compile(
    r"(?:(\d{1,7})\s*w)?\s*(?:(\d{1,7})\s*d)?\s*(?:(\d{1,7})\s*h)?\s*(?:(\d{1,9})\s*m(?:in)?)?\s*(?:(\d{1,9})\s*s)?",
    re.ASCII,
)
# ISO 8601-1:2019, 5.5.2.2, without years and months, whose length differs.
ISO = re.compile(r"p(?:(\d{1,7})w)?(?:(\d{1,7})d)?(?:t(?=\d)(?:(\d{1,7})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?)?", re.ASCII)
# The forms with days of sbatch(1), --time.
DAYS = re.compile(r"(\d{1,7})-(\d{1,2})(?::(\d{1,2}))?(?::(\d{1,2}))?", re.ASCII)
CLOCK = re.compile(r"(\d{1,7}):(\d{1,2}):(\d{1,2})", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Return the time that a written duration means.

    Parameters
    ----------
    text
        Numbers with units (`90m`, `2h30m`, `1d12h`, `1w`), the forms of Slurm that say what they mean (`2:30:00`,
        `1-12`, `1-12:00:00`), or ISO 8601 (`PT1H30M`, `P2D`). Upper and lower case mean the same. A number alone and
        two numbers with a colon are refused: they are minutes to one reader and hours to another.

    Raises
    ------
    InvalidError
        It is not a duration, nothing, or longer than 366 days.
    """
    seconds = _seconds(text.strip().lower())
    if seconds is None:
        raise InvalidError(
            f"“{text[:40]}” is not a duration.", hint="Write a number with a unit, for example 90m, 2h30m or 1d."
        )
    if not 0 < seconds <= LONGEST.total_seconds():
        raise InvalidError(
            f"“{text[:40]}” is {'no time at all' if not seconds else 'longer than 366 days'}.",
            hint="Write a time such as 2h.",
        )
    return timedelta(seconds=seconds)


def _seconds(text: str) -> int | None:
    for form in (WORDS, ISO):
        found = form.fullmatch(text)
        if found is not None and any(part is not None for part in found.groups()):
            return sum(int(part or 0) * length for part, (_, length) in zip(found.groups(), UNITS, strict=True))
    found = DAYS.fullmatch(text) or CLOCK.fullmatch(text)
    if found is None:
        return None
    parts = [int(part or 0) for part in found.groups()]
    days, (hours, minutes, seconds) = (parts[0], parts[1:]) if found.re is DAYS else (0, parts)
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def format_duration(duration: timedelta) -> str:
    """Return a duration in units, whole seconds, so that `parse_duration` gives it back exactly: 1d12h, 2h30m."""
    left = int(duration.total_seconds())
    text = ""
    for unit, length in UNITS[1:]:
        if left >= length:
            text += f"{left // length}{unit}"
            left %= length
    return text or "0s"
