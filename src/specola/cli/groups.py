"""`specola groups`: groups of people, and who is in them."""

from collections.abc import Mapping
from typing import Any

import click

from specola.cli import output
from specola.cli.client import connected, part

__all__ = ["COMMANDS"]


@click.group("groups")
def groups() -> None:
    """Groups of people who may use the same things. Administrators make them; managers say who is in theirs."""


@groups.command("ls")
@output.json_option
def list_groups(*, as_json: bool) -> None:
    """List the groups you belong to; all of them for administrators."""
    found = connected().get("/groups")
    if as_json:
        output.print_json(found)
        return
    output.table(
        ("NAME", "TITLE", "MEMBERS", "MANAGERS"),
        (
            (group["name"], group["title"], str(len(group["members"])), _names(group, managers=True) or "-")
            for group in found
        ),
    )


@groups.command("show")
@click.argument("group")
@output.json_option
def show_group(group: str, *, as_json: bool) -> None:
    """Show who is in GROUP."""
    _told(connected().get(f"/groups/{part(group)}"), as_json=as_json)


@groups.command("create")
@click.argument("group")
@click.option("--title", default="", help="What people read; the name by default.")
@output.json_option
def create_group(group: str, *, title: str, as_json: bool) -> None:
    """Make GROUP, without members. Administrators only."""
    _told(connected().call("POST", "/groups", body={"name": group, "title": title}), as_json=as_json)


@groups.command("rm")
@click.argument("group")
@output.json_option
def remove_group(group: str, *, as_json: bool) -> None:
    """Remove GROUP; its members lose what they had by it. Administrators only."""
    connected().call("DELETE", f"/groups/{part(group)}")
    if as_json:
        output.print_json({"removed": group})
    else:
        click.echo(f"Removed “{group}”.")


@groups.command("add")
@click.argument("group")
@click.argument("people", nargs=-1, required=True, metavar="PERSON…")
@click.option("--manager", is_flag=True, help="As managers, who say who else is in it.")
@output.json_option
def add_members(group: str, people: tuple[str, ...], *, manager: bool, as_json: bool) -> None:
    """Add each PERSON to GROUP."""
    client = connected()
    told: Any = None
    for person in people:
        told = client.call("PUT", f"/groups/{part(group)}/members/{part(person)}", body={"manages": manager})
    _told(told, as_json=as_json)


@groups.command("leave")
@click.argument("group")
@click.argument("people", nargs=-1, required=True, metavar="PERSON…")
@output.json_option
def remove_members(group: str, people: tuple[str, ...], *, as_json: bool) -> None:
    """Take each PERSON out of GROUP."""
    client = connected()
    for person in people:
        client.call("DELETE", f"/groups/{part(group)}/members/{part(person)}")
    if as_json:
        output.print_json({"group": group, "removed": list(people)})
    else:
        click.echo(f"{group}: without {', '.join(people)}.")


def _told(group: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(group)
        return
    output.facts(
        (
            ("name", group["name"]),
            ("title", group["title"]),
            ("managers", _names(group, managers=True)),
            ("members", _names(group, managers=False)),
        )
    )


def _names(group: Mapping[str, Any], *, managers: bool) -> str:
    return ", ".join(one["name"] for one in group["members"] if one["manages"] is managers)


COMMANDS: Mapping[str, click.Command] = {"groups": groups}
