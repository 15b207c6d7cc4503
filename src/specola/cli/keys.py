"""`specola keys`: the public keys on one's account, for the SSH front door."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from specola.cli import output
from specola.cli.client import connected, part
from specola.domain.errors import InvalidError

__all__ = ["COMMANDS"]

LONGEST = 20_000


@click.group("keys")
def keys() -> None:
    """The SSH keys of one's account."""


@keys.command("ls")
@output.json_option
def list_keys(*, as_json: bool) -> None:
    """List them."""
    found = connected().get("/account/keys")
    if as_json:
        output.print_json(found)
        return
    output.table(
        ("TITLE", "KIND", "FINGERPRINT", "ADDED", "LAST USED"),
        (
            (
                key["title"],
                key["algorithm"],
                key["fingerprint"],
                output.age(key["created"]),
                output.age(key["last_used"]),
            )
            for key in found
        ),
    )


@keys.command("add")
@click.argument("file", type=click.Path(path_type=Path), default="-")
@click.option("--title", default="", help="What to recognise it by; the key's own comment by default.")
@output.json_option
def add_key(file: Path, *, title: str, as_json: bool) -> None:
    """Add the public key in FILE (such as ~/.ssh/id_ed25519.pub), or on standard input.

    It ends with the token that this machine is signed in with. For one that stays, add it in the pages, under Account.
    """
    text = _read(file)
    if "PRIVATE KEY" in text:
        raise InvalidError("That is a private key; it was not sent.", hint=f"Name its public half: {file}.pub")
    key = connected().call("POST", "/account/keys", body={"key": text, "title": title})
    if as_json:
        output.print_json(key)
    else:
        click.echo(f"Added “{key['title']}” ({key['fingerprint']}).")


@keys.command("rm")
@click.argument("key")
@output.json_option
def remove_key(key: str, *, as_json: bool) -> None:
    """Remove KEY, named by title, fingerprint or id, and close what is open by it."""
    connected().call("DELETE", f"/account/keys/{part(key)}")
    if as_json:
        output.print_json({"removed": key})
    else:
        click.echo(f"Removed “{key}”.")


def _read(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read(LONGEST)
    try:
        with file.expanduser().open(encoding="utf-8") as opened:
            return opened.read(LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) and error.strerror else "it is not text"
        raise InvalidError(f"{file} cannot be read: {detail}.", hint="Name a file that ends in .pub.") from error


COMMANDS: Mapping[str, click.Command] = {"keys": keys}
