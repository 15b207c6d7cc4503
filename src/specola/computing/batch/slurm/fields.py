"""What Slurm's tools print, read into plain values."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

__all__ = ["BREAK", "count", "duration", "exit_code", "gpus", "moment", "rows"]

BREAK = "\x1f"
"""Stands between two fields: no name, reason or comment contains it."""
UNLIMITED = frozenset({"UNLIMITED", "INFINITE"})
UNKNOWN = frozenset({"", "N/A", "NONE", "UNKNOWN", "NOT_SET", "INVALID", "(NULL)"})
DURATION = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", re.ASCII)
GRES = re.compile(r"gpu(?::([A-Za-z0-9_.-]+?))?:(\d+)(?:\(.*\))?", re.ASCII)
COMMA = re.compile(r",(?![^(]*\))")


def rows(text: str, width: int) -> Iterator[Sequence[str]]:
    """Yield the fields of each line that has `width` of them; a line that was cut short has fewer and is left out."""
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(BREAK)]
        if len(fields) == width:
            yield fields


def moment(text: str) -> datetime | None:
    """Return a time printed with SLURM_TIME_FORMAT=%s; None where there is none yet, or none is known."""
    if not text.isdecimal() or int(text) == 0:
        return None
    return datetime.fromtimestamp(int(text), UTC)


def duration(text: str) -> timedelta | None:
    """Return a time limit as `sinfo` prints it: [days-][hours:]minutes:seconds; None: not limited, or not told."""
    found = DURATION.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def exit_code(text: str) -> int | None:
    """Return an exit code as `sacct` prints it, code:signal; 128 + N for signal N."""
    code, colon, signal = text.partition(":")
    if not colon or not code.isdecimal() or not signal.isdecimal():
        return None
    return 128 + int(signal) if int(signal) else int(code)


def count(text: str) -> int:
    """Return a number with `sinfo`'s plus sign for "at least" (as `4000+`); 0 where there is none."""
    digits = text.rstrip("+")
    return int(digits) if digits.isdecimal() else 0


def gpus(text: str) -> Iterator[tuple[str, int]]:
    """Yield model and number of the GPUs among generic resources: `gpu:a100:4(S:0-1),nvme:1`."""
    for one in COMMA.split(text):
        if found := GRES.fullmatch(one.strip()):
            yield found[1] or "", int(found[2])
