"""How commands show things: tables and colour on a terminal, plain aligned text elsewhere, JSON when asked for."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from specola.domain.sizes import format_size

__all__ = [
    "age",
    "ahead",
    "amount",
    "facts",
    "json_option",
    "note",
    "one_line",
    "print_json",
    "size",
    "span",
    "state_word",
    "table",
    "terminal",
]

F = TypeVar("F", bound=Callable[..., Any])
COLOURS = {
    "queued": "bright_black",
    "starting": "blue",
    "running": "green",
    "stopping": "yellow",
    "failed": "red",
}


def json_option(command: F) -> F:
    """Let a command print JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def terminal() -> bool:
    """Tell whether a person looks at the output."""
    return sys.stdout.isatty()


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def one_line(value: Any) -> str:
    """Return a value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def note(text: str) -> None:
    """Say something beside the output proper."""
    click.echo(text, err=True)


def state_word(state: str) -> str:
    """Return a state in its colour; where there is no terminal, the colour is left out when it is printed."""
    return click.style(state, fg=COLOURS.get(state))


def age(moment: str | None) -> str:
    """Return how long ago a moment was, in one unit."""
    if moment is None:
        return "-"
    return span(datetime.now(UTC) - datetime.fromisoformat(moment))


def ahead(moment: str | None) -> str:
    """Return how long it is until a moment, in one unit; a moment that has passed is any time now."""
    if moment is None:
        return "-"
    left = datetime.fromisoformat(moment) - datetime.now(UTC)
    return span(left) if left > timedelta() else "a moment"


def span(passed: timedelta) -> str:
    """Return how long something was, in one unit."""
    seconds = max(int(passed.total_seconds()), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def size(count: int) -> str:
    """Return a number of bytes as people write it."""
    return format_size(count)


def amount(count: int) -> str:
    """Return about how many bytes went through, in decimal units as networks count."""
    for unit, step in (("GB", 1000**3), ("MB", 1000**2), ("kB", 1000)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} B"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below their heads, each column as wide as it has to be."""
    printed = [[click.style(head, dim=True) for head in heads], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(click.unstyle(row[place])) for row in printed) for place in range(len(heads))]
    for row in printed:
        cells = [cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Print what is known of one thing, a line each; what is empty is left out."""
    known = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        click.echo(f"{click.style(name.ljust(width), dim=True)}  {value}")
