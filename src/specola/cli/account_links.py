"""`specola accounts`: accounts on computings, and how they are proven to be one's own."""

from collections.abc import Mapping
from typing import Any

import click

from specola.cli import output
from specola.cli.client import connected, part

__all__ = ["COMMANDS"]

WORDS: Mapping[str, str] = {"entered": "by an administrator", "key": "by its key", "challenge": "by a challenge"}


@click.group("accounts")
def accounts() -> None:
    """Your accounts on computings whose tasks run with people's own accounts."""


@accounts.command("ls")
@click.option("--on", "computing", help="Everybody's on one computing. Administrators only.")
@output.json_option
def list_accounts(computing: str | None, *, as_json: bool) -> None:
    """List your accounts, and where you could link one."""
    if computing is not None:
        _list_everybody(computing, as_json=as_json)
        return
    found = connected().get("/account/links")
    if as_json:
        output.print_json(found)
        return
    output.table(
        ("COMPUTING", "ACCOUNT", "PROVEN", "LAST USED"),
        ((one["computing"], one["account"] or "-", _proof(one), output.age(one["last_used"])) for one in found),
    )


@accounts.command("link")
@click.argument("computing")
@click.argument("account")
@click.option("--person", help="Somebody else's, on your word as an administrator.")
@output.json_option
def link_account(computing: str, account: str, *, person: str | None, as_json: bool) -> None:
    """Say that ACCOUNT on COMPUTING is yours, and print how to prove it."""
    if person is not None:
        path = f"/computings/{part(computing)}/accounts/{part(person)}"
        entered = connected().call("PUT", path, body={"account": account})
        if as_json:
            output.print_json(entered)
        else:
            click.echo(f"Entered: “{account}” on “{computing}” is {person}'s.")
        return
    _tell(connected().call("PUT", f"/account/links/{part(computing)}", body={"account": account}), as_json=as_json)


@accounts.command("check")
@click.argument("computing")
@output.json_option
def check_account(computing: str, *, as_json: bool) -> None:
    """Look now whether your account on COMPUTING is proven."""
    _tell(connected().call("POST", f"/account/links/{part(computing)}/check", seconds=120), as_json=as_json)


@accounts.command("end")
@click.argument("computing")
@click.option("--person", help="Somebody else's, as an administrator.")
@output.json_option
def end_account(computing: str, *, person: str | None, as_json: bool) -> None:
    """End your link on COMPUTING: what is open by it closes, and tasks go on."""
    if person is None:
        connected().call("DELETE", f"/account/links/{part(computing)}")
    else:
        connected().call("DELETE", f"/computings/{part(computing)}/accounts/{part(person)}")
    if as_json:
        output.print_json({"ended": computing})
    else:
        click.echo(f"{computing}: the link has ended.")


@accounts.command("authority")
@output.json_option
def show_authority(*, as_json: bool) -> None:
    """Print the line that a host's TrustedUserCAKeys has to hold for certificates of the platform."""
    told = connected().get("/accounts/authority")
    if as_json:
        output.print_json(told)
    else:
        click.echo(told["line"])


def _list_everybody(computing: str, *, as_json: bool) -> None:
    told = connected().get(f"/computings/{part(computing)}/accounts")
    if as_json:
        output.print_json(told)
        return
    if told["shared"] is not None:
        output.note(f"All tasks share the account “{told['shared']}”. Its ~/.ssh/authorized_keys has to hold:")
        click.echo(told["line"])
        return
    output.table(
        ("PERSON", "ACCOUNT", "PROVEN", "LAST USED"),
        ((one["person"], one["account"], _proof(one), output.age(one["last_used"])) for one in told["people"]),
    )


def _tell(link: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(link)
        return
    computing, account = link["computing"], link["account"]
    if link["proof"]:
        click.echo(f"“{account}” on “{computing}” is yours ({_proof(link)}).")
        if link["line"]:
            output.note("This line stays in its ~/.ssh/authorized_keys:")
            click.echo(link["line"])
        return
    if link["line"]:
        output.note(f"Append this line to ~/.ssh/authorized_keys of {account}:")
        click.echo(link["line"])
    elif link["challenge"]:
        output.note(f"Log in there as {account} yourself, and run this line within half an hour:")
        click.echo(link["challenge"])
    else:
        output.note("Ask an administrator to enter your account.")
        return
    output.note(f"Then: specola accounts check {computing}")


def _proof(link: Mapping[str, Any]) -> str:
    if link["proof"] is None:
        return "not yet" if link["account"] else "-"
    return WORDS.get(link["proof"], "yes")


COMMANDS: Mapping[str, click.Command] = {"accounts": accounts}
