"""`specola connections`: who reached a task."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import click

from specola.cli import output
from specola.cli.client import Client, connected, part

__all__ = ["COMMANDS"]

LARGEST_PAGE = 200


def latest(client: Client, task: str, most: int) -> Iterator[Any]:
    """Yield a task's connections, the latest first, page by page."""
    cursor = None
    while most > 0:
        page = client.get(f"/tasks/{part(task)}/connections", {"cursor": cursor, "most": min(most, LARGEST_PAGE)})
        yield from page["connections"]
        most -= len(page["connections"])
        cursor = page["cursor"]
        if cursor is None:
            return


@click.command("connections")
@click.argument("task")
@click.option("-n", "most", type=click.IntRange(min=1), default=50, show_default=True, help="The last ones, so many.")
@output.json_option
def list_connections(task: str, *, most: int, as_json: bool) -> None:
    """List who reached a task, or was refused, the latest first."""
    found = list(latest(connected(), task, most))
    if as_json:
        output.print_json(found)
        return
    if not found:
        output.note("Nobody has reached it yet.")
        return
    heads = ("BEGAN", "LASTED", "WHO", "INTERFACE", "BY", "FROM", "RECEIVED", "SENT")
    output.table(heads, [row(one) for one in found])


def row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a connection as a line of the table."""
    return (
        f"{output.age(one['began'])} ago",
        lasted(one),
        one["name"] or one["person"] or "unknown",
        one["interface"],
        one["kind"],
        one["address"],
        output.amount(one["received"]),
        output.amount(one["sent"]),
    )


def lasted(one: Mapping[str, Any]) -> str:
    """Say how long it lasted, that it is open, or why it was refused."""
    if one["refused"]:
        often = f" {one['times']} times" if one["times"] > 1 else ""
        return click.style(f"refused{often}: {one['refused']}", fg="red")
    if one["open"]:
        return click.style("open", fg="green")
    return output.span(datetime.fromisoformat(one["ended"]) - datetime.fromisoformat(one["began"]))


COMMANDS: Mapping[str, click.Command] = {"connections": list_connections}
