"""`specola computings`: the places that run tasks, and their records."""

from collections.abc import Mapping
from typing import Any

import click

from specola.cli import output
from specola.cli.client import Client, connected, part
from specola.cli.failures import AnsweredError
from specola.cli.probes import print_probe, product_of, reach_word
from specola.cli.software import kept, read_source
from specola.domain.errors import MissingError

__all__ = ["COMMANDS"]

PROBE_SECONDS = 60


@click.group("computings")
def computings() -> None:
    """Places that run tasks. Administrators add them for everybody or for groups, everybody for themselves."""


@computings.command("ls")
@click.option("--mine", is_flag=True, help="Those you look after: your own, or all of them for administrators.")
@output.json_option
def list_computings(*, mine: bool, as_json: bool) -> None:
    """List the computings you may use, the default one first."""
    found = connected().get("/overseen-computings" if mine else "/computings")
    if as_json:
        output.print_json(found)
        return
    if mine:
        heads = ("NAME", "KIND", "STATE", "INTAKE", "WHOSE", "TASKS", "TITLE")
        looked_after = (
            (*_head(one), one["owner"] or "platform", str(one["live_tasks"]), one["title"]) for one in found
        )
        output.table(heads, looked_after)
        return
    rows = [(*_head(one), product_of(one["probe"]), one["title"]) for one in found]
    output.table(("NAME", "KIND", "STATE", "INTAKE", "PRODUCT", "TITLE"), rows)


def _head(one: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return one["name"], one["kind"], reach_word(one), one["intake"]


@computings.command("show")
@click.argument("name")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the record as YAML, without what is secret.")
@output.json_option
def show_computing(name: str, *, as_yaml: bool, as_json: bool) -> None:
    """Show one computing as it was when it was last asked."""
    client = connected()
    if as_yaml:
        click.echo(client.get(f"/computings/{part(name)}/definition"), nl=False)
        return
    found = client.get(f"/computings/{part(name)}")
    if as_json:
        output.print_json(found)
        return
    since = found["unreachable_since"]
    output.facts(
        (
            ("name", found["name"]),
            ("title", found["title"]),
            ("about", found["description"]),
            ("kind", found["kind"]),
            ("for", found["audience"]),
            ("takes tasks", found["intake"]),
            ("asked", f"{output.age(found['asked'])} ago" if found["asked"] else "not yet"),
            ("unreachable", f"for {output.age(since)}: {found['error']}" if since else ""),
        )
    )
    if found["probe"]:
        print_probe(found["probe"])


@computings.command("add")
@click.argument("source", metavar="FILE|-")
@click.option("--test", "only_test", is_flag=True, help="Only ask what it leads to; save nothing.")
@output.json_option
def add_computing(source: str, *, only_test: bool, as_json: bool) -> None:
    """Add a computing from a definition, YAML or JSON, in a FILE (- for standard input)."""
    client, text = connected(), _definition(source)
    if only_test:
        _probed(client.call("POST", "/computings/test", body=text, seconds=PROBE_SECONDS), as_json=as_json)
    else:
        _told(client.call("POST", "/computings", body=text), as_json=as_json, done="added")


@computings.command("edit")
@click.argument("name")
@click.option("--file", "source", metavar="FILE", help="Take the definition from a file (- for standard input).")
@click.option("--test", "only_test", is_flag=True, help="Only ask what it leads to; save nothing. Needs --file.")
@output.json_option
def edit_computing(name: str, source: str | None, *, only_test: bool, as_json: bool) -> None:
    """Change a record, in $EDITOR or from a file. Secrets that it does not give are kept; null forgets one."""
    client = connected()
    if source is None and only_test:
        raise click.UsageError("--test needs --file.")
    text = _definition(source) if source is not None else _edited(client, name)
    if text is None:
        output.note("Nothing was changed.")
        return
    if only_test:
        query = {"name": name}
        found = client.call("POST", "/computings/test", query=query, body=text, seconds=PROBE_SECONDS)
        _probed(found, as_json=as_json)
        return
    try:
        changed = client.call("PUT", f"/computings/{part(name)}", body=text)
    except AnsweredError:
        if source is None:
            again = f"specola computings edit {name} --file FILE"
            output.note(f"What you wrote is kept in {kept(text)}: mend it, then {again}")
        raise
    _told(changed, as_json=as_json, done="saved")


def _definition(source: str) -> str:
    text = read_source(source)
    if text is None:
        raise MissingError("file", source, hint="Check its path.")
    return text


def _edited(client: Client, name: str) -> str | None:
    text: str = client.get(f"/computings/{part(name)}/definition")
    return click.edit(text, extension=".yaml")


@computings.command("pause")
@click.argument("name")
@output.json_option
def pause_computing(name: str, *, as_json: bool) -> None:
    """Let a computing take no new tasks; those that are there go on."""
    _told(
        connected().call("PATCH", f"/computings/{part(name)}", body={"intake": "paused"}),
        as_json=as_json,
        done="paused",
    )


@computings.command("open")
@click.argument("name")
@output.json_option
def open_computing(name: str, *, as_json: bool) -> None:
    """Let a computing that was paused or stopped take tasks again."""
    _told(connected().call("PATCH", f"/computings/{part(name)}", body={"intake": "open"}), as_json=as_json, done="open")


@computings.command("remove")
@click.argument("name")
@output.json_option
def remove_computing(name: str, *, as_json: bool) -> None:
    """Remove a record; nothing is done on the computing itself. Refused while live tasks are there."""
    connected().call("DELETE", f"/computings/{part(name)}")
    if as_json:
        output.print_json({"removed": name})
    else:
        click.echo(f"{name}: removed")


@computings.command("test")
@click.argument("name")
@output.json_option
def test_computing(name: str, *, as_json: bool) -> None:
    """Ask a computing now what it is, what it can do and what is missing."""
    _probed(connected().call("POST", f"/computings/{part(name)}/test", seconds=PROBE_SECONDS), as_json=as_json)


def _probed(probe: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(probe)
    else:
        print_probe(probe)


def _told(record: Mapping[str, Any], *, as_json: bool, done: str) -> None:
    if as_json:
        output.print_json(record)
    else:
        then = f" Test it: specola computings test {record['name']}" if done in {"added", "saved"} else ""
        click.echo(f"{record['name']}: {done}.{then}")


COMMANDS: Mapping[str, click.Command] = {"computings": computings}
