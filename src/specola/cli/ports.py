"""`specola ports`: what programs in a task listen on beyond its declared interfaces."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from specola.cli import output
from specola.cli.client import connected, part

__all__ = ["COMMANDS", "print_ports"]

PROTOCOLS = ("http", "https", "rfb", "ssh", "postgres", "mysql", "redis", "grpc", "tcp")


@click.command("ports")
@click.argument("task")
@click.option(
    "--declare", "port", metavar="PORT", type=click.IntRange(1, 65535), help="Add this port to the task's software."
)
@click.option("--name", help="What the interface is called; by what speaks there if left out.")
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="What speaks there; what was recognised if left out.")
@output.json_option
def list_ports(task: str, port: int | None, name: str | None, protocol: str | None, *, as_json: bool) -> None:
    """List the ports found in a running task, or add one to its software as a new release."""
    client = connected()
    if port is not None:
        wanted = {"name": name, "protocol": protocol}
        entry = client.call("POST", f"/tasks/{part(task)}/ports/{port}", body=wanted)
        if as_json:
            output.print_json(entry)
        else:
            release = entry["releases"][0]["version"]
            click.echo(f"{entry['name']}: port {port} added, release {release}. Start it: specola run {entry['name']}")
        return
    if name is not None or protocol is not None:
        raise click.UsageError("--name and --protocol go with --declare PORT.")
    found = client.get(f"/tasks/{part(task)}/ports")
    if as_json:
        output.print_json(found)
    elif found:
        print_ports(found)
    else:
        output.note("No ports were found beside the declared interfaces.")


def print_ports(found: Sequence[Mapping[str, Any]]) -> None:
    """Print found ports, those that were recognised first."""
    rows = [
        (one["name"], one["protocol"], "the task only" if one["loopback"] else "all addresses", one["url"])
        for one in sorted(found, key=lambda one: (one["protocol"] == "tcp", one["port"]))
    ]
    output.table(("FOUND", "PROTOCOL", "BOUND TO", "ADDRESS"), rows)


COMMANDS: Mapping[str, click.Command] = {"ports": list_ports}
