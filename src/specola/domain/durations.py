"""Lengths of time as people write them: 90min, 2h, 1d 12h, or a scheduler's 1-12:00:00."""

import re
from datetime import timedelta

from specola.domain.errors import InvalidError

__all__ = ["format_duration", "parse_duration"]

UNITS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 604800}
LONGEST = timedelta(days=3660)
PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([a-z]{1,3})", re.ASCII)
WHOLE = re.compile(rf"{PART.pattern}(?:\s*{PART.pattern})*", re.ASCII)
CLOCK = re.compile(r"(?:([0-9]{1,4})-)?([0-9]{1,4}):([0-9]{2})(?::([0-9]{2}))?", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Return the length of time that was written.

    Parameters
    ----------
    text
        Numbers with units (s, min, h, d, w; `m` means minutes), as `90min` or `1d 12h`; or D-HH:MM[:SS] or HH:MM:SS.

    Raises
    ------
    InvalidError
        It is none, or it is not longer than nothing, or longer than ten years.
    """
    written = text.strip().lower()
    length = _of_clock(written) if CLOCK.fullmatch(written) else _of_units(written)
    if length is None:
        raise InvalidError(f"“{text[:40]}” is not a length of time.", hint="Write 90min, 8h, 2d, or 1-12:00:00.")
    if not timedelta() < length <= LONGEST:
        raise InvalidError(f"“{text[:40]}” is not between 1 second and 10 years.", hint="Write 8h, for example.")
    return length


def _of_units(text: str) -> timedelta | None:
    if WHOLE.fullmatch(text) is None:
        return None
    parts = PART.findall(text)
    if any(unit not in UNITS for _, unit in parts):
        return None
    return timedelta(seconds=sum(float(number) * UNITS[unit] for number, unit in parts))


def _of_clock(text: str) -> timedelta | None:
    found = CLOCK.fullmatch(text)
    # Schedulers read 10:00 as ten minutes and 1-10:00 as ten hours; what has two meanings is not taken.
    if found is None or (found[1] is None and found[4] is None):
        return None
    return timedelta(days=int(found[1] or 0), hours=int(found[2]), minutes=int(found[3]), seconds=int(found[4] or 0))


def format_duration(length: timedelta) -> str:
    """Return a length of time, whole seconds, so that `parse_duration` gives it back: `1d 12h`."""
    seconds = int(length.total_seconds())
    parts = []
    for unit in ("d", "h", "min", "s"):
        count, seconds = divmod(seconds, UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"
