"""`specola share`, `links` and `unshare`: let others look at a desktop, by a link."""

from collections.abc import Mapping

import click

from specola.cli import output
from specola.cli.client import connected, part

__all__ = ["COMMANDS"]


@click.command("share")
@click.argument("task")
@click.argument("interface")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, max=720, min_open=True),
    default=24,
    show_default=True,
    help="How long the link lasts.",
)
@output.json_option
def share(task: str, interface: str, *, hours: float, as_json: bool) -> None:
    """Make a link by which others look at a desktop. They need no account, and cannot type or click.

    INTERFACE is one of protocol rfb. The address is shown this once.
    """
    made = connected().call("POST", f"/tasks/{part(task)}/links", body={"interface": interface, "hours": hours})
    if as_json:
        output.print_json(made)
        return
    click.echo(made["url"])
    output.note(f"Good for {hours:g} h. Take it back with: specola unshare {task} {made['id']}")


@click.command("links")
@click.argument("task")
@output.json_option
def list_links(task: str, *, as_json: bool) -> None:
    """List the links by which others look at a task's desktops."""
    found = connected().get(f"/tasks/{part(task)}/links")
    if as_json:
        output.print_json(found)
        return
    if not found:
        output.note(f"No links. Make one: specola share {task} INTERFACE")
        return
    rows = [(one["id"], one["interface"], output.age(one["created"]), one["expires"][:16] + "Z") for one in found]
    output.table(("LINK", "INTERFACE", "AGE", "ENDS"), rows)


@click.command("unshare")
@click.argument("task")
@click.argument("link")
@output.json_option
def unshare(task: str, link: str, *, as_json: bool) -> None:
    """Take a link back, by its id; whoever looks on by it is sent away at once."""
    connected().call("DELETE", f"/tasks/{part(task)}/links/{part(link)}")
    if as_json:
        output.print_json({"taken_back": link})
    else:
        click.echo(f"{link}: taken back")


COMMANDS: Mapping[str, click.Command] = {"share": share, "links": list_links, "unshare": unshare}
