"""The table of what passed: a page of the documentation, written by a run of the matrix, and read by a test."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from scripts.machine import ROOT
from tests.matrix.clients import PROTOCOLS
from tests.matrix.places import PLACES

__all__ = ["FIRST", "PAGE", "Measured", "Table"]

Measured: TypeAlias = dict[str, dict[str, float | None]]
"""Seconds by the names of rows and of protocols, and by `FIRST`; None: it did not pass."""

PAGE = ROOT / "docs/user/matrix.md"
ROWS, FIRST = "Computing", "Image"
COLUMNS = (FIRST, *(protocol.title for protocol in PROTOCOLS.values()))
FAILED = "failed"
HEAD = """\
# What works where

Every kind of interface on every kind of computing, each used by a program that knows nothing of Specola. `make matrix` writes this page: on the real places
of the [lab](../developer/lab.md) it starts each task, uses it, stops it, and looks whether anything of it is left there.

| Protocol | Client | What the client does |
|---|---|---|
"""
SAYS = f"""
A number is the time in seconds from the request until the interface answered, all tasks of a row having been requested at the same moment. `{FIRST}` is how long
one task before these took, on a place that had never had the image: it has 0.3 GB, and Apptainer converts it. `{FAILED}` is a cell that did not pass.

"""
TOLD = """
Last written on {day}, on a machine with {cores} cores that ran the platform, the places and the clients together. How each way is used is
told by [Ways into a task](reach.md).
"""


@dataclass(frozen=True, slots=True)
class Table:
    """What stands in each cell, by the title of its row and of its column."""

    cells: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls, page: str) -> "Table":
        """Read the table of a page."""
        _, found, rest = page.partition(f"| {ROWS} |")
        if not found:
            return cls({})
        names, _, *rows = (words(line) for line in (found + rest).splitlines() if line.startswith("|"))
        return cls({row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in rows})

    @classmethod
    def of(cls, seconds: Measured) -> "Table":
        """Return the table of what a run measured."""
        names = {FIRST: FIRST} | {protocol.title: name for name, protocol in PROTOCOLS.items()}
        return cls(
            {
                PLACES[row].title: {title: written(measured[name]) for title, name in names.items() if name in measured}
                for row, measured in seconds.items()
            }
        )

    def over(self, earlier: "Table") -> "Table":
        """Return this table, with the cells of an earlier one that it has not."""
        titles = [place.title for place in PLACES.values() if place.title in {**self.cells, **earlier.cells}]
        return Table({title: {**earlier.cells.get(title, {}), **self.cells.get(title, {})} for title in titles})

    def faults(self) -> Iterator[str]:
        """Yield what is not as the matrix is, and each cell that did not pass."""
        titles = [place.title for place in PLACES.values()]
        if list(self.cells) != titles:
            yield f"its rows are {list(self.cells)}, those of the matrix {titles}"
        for row, values in self.cells.items():
            if tuple(values) != COLUMNS:
                yield f"the columns of {row} are {tuple(values)}, those of the matrix {COLUMNS}"
            yield from (f"{row}, {column}: {value}" for column, value in values.items() if not is_number(value))

    def page(self) -> str:
        """Return the page."""
        clients = (line_of(one.title, one.client, does(one.use.__doc__)) for one in PROTOCOLS.values())
        heading = (line_of(ROWS, *COLUMNS), "|---" * (len(COLUMNS) + 1) + "|\n")
        rows = (line_of(title, *(values.get(name, FAILED) for name in COLUMNS)) for title, values in self.cells.items())
        told = TOLD.format(day=datetime.now(UTC).strftime("%-d %B %Y"), cores=os.cpu_count())
        return "".join([HEAD, *clients, SAYS, *heading, *rows, told])

    def write(self, page: Path) -> None:
        """Write the page; cells that were not run stay as they are in it."""
        earlier = Table.read(page.read_text(encoding="utf-8")) if page.exists() else Table({})
        page.write_text(self.over(earlier).page(), encoding="utf-8")


def line_of(*words_of: str) -> str:
    return f"| {' | '.join(words_of)} |\n"


def words(line: str) -> list[str]:
    return [word.strip() for word in line.strip().strip("|").split("|")]


def written(seconds: float | None) -> str:
    return FAILED if seconds is None else f"{seconds:.1f}"


def is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def does(sentence: str | None) -> str:
    """Return what a docstring says that something does, as a table says it."""
    return (sentence or "").partition("\n")[0].rstrip(".")
