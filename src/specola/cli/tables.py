"""Shows what goes through tunnels: a table that is kept up to date on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from specola.cli import output
from specola.cli.listening import address_text
from specola.cli.tunnels import Door, Failure

__all__ = ["Opened", "Shown", "shown"]

REFRESH_PER_SECOND = 4
THOUSAND = 1000


def amount(count: int) -> str:
    """Return a number of bytes in the unit that keeps it short."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < THOUSAND:
            break
        value, unit = value / THOUSAND, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


class Opened:
    """A door, and where it is."""

    def __init__(self, door: Door, host: str, port: int) -> None:
        self.door = door
        self.host = host
        self.port = port

    @property
    def line(self) -> str:
        """Say it in one line."""
        target = self.door.target
        return f"{address_text(self.host, self.port)} → {target.title} ({target.protocol}, port {target.port})"


class Shown:
    """Plain lines, one for each thing that happens."""

    def __init__(self, opened: Sequence[Opened]) -> None:
        self._open = {one.door: 0 for one in opened}
        for one in opened:
            click.echo(one.line)

    def changed(self, door: Door) -> None:
        """Say that a connection has begun or ended."""
        tally = door.tally
        began = tally.open > self._open[door]
        self._open[door] = tally.open
        what = "a connection began" if began else "a connection ended"
        carried = f"{amount(tally.received)} received, {amount(tally.sent)} sent"
        click.echo(f"{door.target.interface}: {what}; {tally.open} open, {tally.total} in all, {carried}")

    def failed(self, door: Door, error: Failure) -> None:
        """Say what went wrong with one connection."""
        output.note(f"{door.target.interface}: {error.sentence}")


class LiveTable:
    """A table that rich draws anew several times a second."""

    def __init__(self, opened: Sequence[Opened]) -> None:
        self._opened = opened
        self._trouble: dict[Door, str] = {}

    def changed(self, door: Door) -> None:
        """Take note that a connection has begun or ended; the table shows it by itself."""

    def failed(self, door: Door, error: Failure) -> None:
        """Show what went wrong last."""
        self._trouble[door] = error.sentence

    def __rich__(self) -> Any:
        """Draw the table as it is now."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, caption="Ctrl-C ends it", caption_justify="left", pad_edge=False)
        for head in ("Interface", "Here"):
            table.add_column(head)
        for head in ("Open", "In all", "Received", "Sent"):
            table.add_column(head, justify="right")
        if self._trouble:
            table.add_column("Last trouble", style="yellow")
        for one in self._opened:
            target, tally = one.door.target, one.door.tally
            amounts = (str(tally.open), str(tally.total), amount(tally.received), amount(tally.sent))
            trouble = (self._trouble.get(one.door, ""),) if self._trouble else ()
            table.add_row(target.title, address_text(one.host, one.port), *amounts, *trouble)
        return table


class JsonLine:
    """Where everything is, as JSON on one line, for the program that started this; trouble on standard error."""

    def __init__(self, opened: Sequence[Opened]) -> None:
        places = [
            {"interface": one.door.target.interface, "host": one.host, "port": one.port, "task": one.door.target.task}
            for one in opened
        ]
        click.echo(output.one_line(places))

    def changed(self, door: Door) -> None:
        """Say nothing."""

    def failed(self, door: Door, error: Failure) -> None:
        """Say what went wrong with one connection."""
        output.note(f"{door.target.interface}: {error.sentence}")


@contextmanager
def shown(opened: Sequence[Opened], *, as_json: bool) -> Iterator[Shown | LiveTable | JsonLine]:
    """Give the right way to show what happens, as long as the body runs."""
    if as_json:
        yield JsonLine(opened)
    elif not output.terminal():
        yield Shown(opened)
    else:
        from rich.console import Console
        from rich.live import Live

        table = LiveTable(opened)
        with Live(table, console=Console(file=sys.stdout), refresh_per_second=REFRESH_PER_SECOND):
            yield table
