"""`specola computing`: the places that run tasks."""

from collections.abc import Mapping
from typing import Any

import click

from specola.cli import output
from specola.cli.client import connected, part

__all__ = ["COMMANDS"]


@click.group("computing")
def computing() -> None:
    """Places that run tasks."""


@computing.command("ls")
@output.json_option
def list_computings(*, as_json: bool) -> None:
    """List the computings you may use, the default one first."""
    found = connected().get("/computings")
    if as_json:
        output.print_json(found)
        return
    rows = []
    for one in found:
        probe = one["probe"]
        reached = click.style("reachable", fg="green") if one["reachable"] else click.style("unreachable", fg="red")
        rows.append((one["name"], one["kind"], reached, _product(probe), one["title"]))
    output.table(("NAME", "KIND", "STATE", "PRODUCT", "TITLE"), rows)


@computing.command("show")
@click.argument("name")
@output.json_option
def show_computing(name: str, *, as_json: bool) -> None:
    """Show one computing as it was when it was last asked."""
    found = connected().get(f"/computings/{part(name)}")
    if as_json:
        output.print_json(found)
        return
    since = found["unreachable_since"]
    output.facts(
        (
            ("name", found["name"]),
            ("title", found["title"]),
            ("kind", found["kind"]),
            ("asked", f"{output.age(found['asked'])} ago" if found["asked"] else "not yet"),
            ("unreachable", f"for {output.age(since)}: {found['error']}" if since else ""),
        )
    )
    if found["probe"]:
        print_probe(found["probe"])


@computing.command("test")
@click.argument("name")
@output.json_option
def test_computing(name: str, *, as_json: bool) -> None:
    """Ask a computing now what it is, what it can do and what is missing."""
    probe = connected().call("POST", f"/computings/{part(name)}/test", seconds=60)
    if as_json:
        output.print_json(probe)
    else:
        print_probe(probe)


def _product(probe: Mapping[str, Any] | None) -> str:
    return f"{probe['product']} {probe['version']}" if probe else "-"


def print_probe(probe: Mapping[str, Any]) -> None:
    """Print what a computing said of itself."""
    output.facts(
        (
            ("product", _product(probe)),
            ("architectures", ", ".join(probe["architectures"])),
            ("size", f"{probe['cpus']:g} CPU, {output.size(probe['memory'])}"),
            ("can", ", ".join(probe["capabilities"])),
        )
    )
    for finding in probe["findings"]:
        mark = click.style("missing:" if finding["serious"] else "note:", fg="red" if finding["serious"] else "yellow")
        click.echo(f"{mark} {finding['sentence']} {finding['hint']}".rstrip())


COMMANDS: Mapping[str, click.Command] = {"computing": computing}
