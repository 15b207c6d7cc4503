"""What happens while one waits: a live line with a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from specola.cli import output

__all__ = ["Teller", "teller"]


class Teller(Protocol):
    """Tells events as they come."""

    def tell(self, event: Mapping[str, Any]) -> None:
        """Tell one event."""


class Silence:
    """Tells nothing: a program reads the output."""

    def tell(self, event: Mapping[str, Any]) -> None:
        """Tell nothing."""


class PlainLines:
    """Tells each step once, in a line on standard error."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, event: Mapping[str, Any]) -> None:
        """Tell an event unless it is a step that has been told already."""
        # An image's pull is one step, however often it tells how far it is.
        step = event["code"] if "total" in event["data"] else event["sentence"]
        if step != self._last:
            self._last = step
            output.note(event["sentence"])


class LiveLine:
    """Tells the present step in one line that is rewritten, with a bar while bytes are counted."""

    def __init__(self, progress: Any) -> None:
        # rich's Progress: it is loaded only where there is a terminal.
        self._progress = progress
        self._line = progress.add_task("Asking", total=None)

    def tell(self, event: Mapping[str, Any]) -> None:
        """Show an event in place of the one before."""
        data = event["data"]
        self._progress.update(
            self._line, description=event["sentence"], completed=data.get("done") or 0, total=data.get("total")
        )


@contextmanager
def teller(*, quiet: bool) -> Iterator[Teller]:
    """Give the right way to tell what happens, as long as the body runs."""
    if quiet:
        yield Silence()
    elif not sys.stderr.isatty():
        yield PlainLines()
    else:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(binary_units=True),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            yield LiveLine(progress)
