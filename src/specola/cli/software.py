"""`specola software`: the catalogue."""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from specola.cli import output
from specola.cli.client import Client, connected, part
from specola.cli.failures import AnsweredError
from specola.domain.errors import InvalidError, MissingError

__all__ = ["COMMANDS"]


@click.group("software")
def software() -> None:
    """The catalogue of what can be started."""


@software.command("ls")
@click.argument("search", required=False)
@output.json_option
def list_software(search: str | None, *, as_json: bool) -> None:
    """List what you may start, recently used first."""
    found = connected().get("/software", {"search": search})
    if as_json:
        output.print_json(found)
        return
    rows = [
        (one["name"], one["title"], one["releases"][0]["version"], _whose(one), one["releases"][0]["image"])
        for one in found
    ]
    output.table(("NAME", "TITLE", "RELEASE", "WHOSE", "IMAGE"), rows)


def _whose(one: Mapping[str, Any]) -> str:
    if one["owner"] is None:
        return "platform"
    return "shared" if one["shared"] else "yours"


@software.command("show")
@click.argument("name")
@output.json_option
def show_software(name: str, *, as_json: bool) -> None:
    """Show one entry: its definition, as YAML that `specola software add` takes."""
    client = connected()
    if as_json:
        output.print_json(client.get(f"/software/{part(name)}"))
    else:
        click.echo(client.get(f"/software/{part(name)}/definition"), nl=False)


@software.command("add")
@click.argument("source", metavar="FILE|IMAGE")
@click.option("--on", "computing", metavar="COMPUTING", help="Which computing reads the image.")
@click.option("--draft", is_flag=True, help="Only print the definition proposed for an image.")
@output.json_option
def add_software(source: str, computing: str | None, *, draft: bool, as_json: bool) -> None:
    """Add an entry from a definition in a FILE (- for standard input), or from any IMAGE."""
    client = connected()
    text = read_source(source)
    if text is None:
        proposed = client.call("POST", "/software/drafts", body={"image": source, "computing": computing}, seconds=120)
        text = proposed["definition"]
        if draft:
            output.print_json(proposed) if as_json else click.echo(text, nl=False)
            return
    _told(client.call("POST", "/software", body=text), as_json=as_json, done="added")


def read_source(source: str) -> str | None:
    """Return the text of a definition's file; None: it is no file, so an image.

    Raises
    ------
    MissingError
        It looks like a file and is not there.
    InvalidError
        The file cannot be read as text.
    """
    if source == "-":
        return sys.stdin.read()
    path = Path(source)
    try:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError(f"{source} cannot be read: {error}.") from error
    if path.suffix in {".yaml", ".yml", ".json"} or source.startswith((".", "/", "~")):
        raise MissingError("file", source, hint="Check its path.")
    return None


@software.command("edit")
@click.argument("name")
@click.option("--file", "source", metavar="FILE", help="Take the definition from a file (- for standard input).")
@output.json_option
def edit_software(name: str, source: str | None, *, as_json: bool) -> None:
    """Edit an entry's definition, in $EDITOR or from a file."""
    client = connected()
    path = f"/software/{part(name)}/definition"
    if source is not None:
        text = read_source(source)
        if text is None:
            raise MissingError("file", source, hint="Check its path.")
    else:
        text = click.edit(client.get(path), extension=".yaml")
        if text is None:
            output.note("Nothing was changed.")
            return
    try:
        edited = client.call("PUT", path, body=text)
    except AnsweredError:
        if source is None:
            output.note(
                f"What you wrote is kept in {kept(text)}: mend it, then specola software edit {name} --file FILE"
            )
        raise
    _told(edited, as_json=as_json, done="saved")


def kept(text: str) -> Path:
    """Keep what somebody wrote in a file of their own, and return where."""
    descriptor, path = tempfile.mkstemp(prefix="specola-", suffix=".yaml")
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    return Path(path)


@software.command("rm")
@click.argument("name")
@output.json_option
def remove_software(name: str, *, as_json: bool) -> None:
    """Remove an entry; its tasks go on."""
    client: Client = connected()
    client.call("DELETE", f"/software/{part(name)}")
    if as_json:
        output.print_json({"removed": name})
    else:
        click.echo(f"{name}: removed")


def _told(entry: Mapping[str, Any], *, as_json: bool, done: str) -> None:
    if as_json:
        output.print_json(entry)
    else:
        click.echo(
            f"{entry['name']}: {done}, release {entry['releases'][0]['version']}. Start it: specola run {entry['name']}"
        )


COMMANDS: Mapping[str, click.Command] = {"software": software}
