"""`specola login`, `logout` and `whoami`: who this machine acts as."""

import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

import click

from specola.cli import credentials, output
from specola.cli.client import Client, connected
from specola.cli.credentials import Credentials
from specola.domain.errors import InvalidError

__all__ = ["COMMANDS"]


@click.command("login")
@click.argument("url")
@click.option("--token-stdin", is_flag=True, help="Read the token from standard input.")
@output.json_option
def login(url: str, *, token_stdin: bool, as_json: bool) -> None:
    """Sign this machine in to the platform at URL, with a personal token.

    Make a token in the pages, under Account. It is never given as an argument, where others on this machine could
    see it: it is asked for, or read from standard input.
    """
    url = credentials.clean_url(url)
    split = urlsplit(url)
    if split.scheme == "http" and not _is_here(split.hostname or ""):
        output.note(f"Warning: {url} is not encrypted; others on the way can read the token.")
    if token_stdin or not sys.stdin.isatty():
        token = sys.stdin.readline().strip()
    else:
        output.note(f"Make a token at {url}/account")
        token = click.prompt("Token", hide_input=True, err=True).strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidError("That is not a token.", hint="A token looks like specola_ and 43 characters.")
    person = Client(url, token).get("/whoami")["person"]
    path = credentials.save(Credentials(url=url, token=token))
    if as_json:
        output.print_json({"url": url, "person": person})
    else:
        click.echo(f"Signed in to {url} as {person['name']} (kept in {path}).")


def _is_here(host: str) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")


@click.command("logout")
@output.json_option
def logout(*, as_json: bool) -> None:
    """Forget the token that this machine holds. To end the token itself, revoke it under Account."""
    forgotten = credentials.forget()
    if as_json:
        output.print_json({"forgotten": forgotten})
    else:
        click.echo("Signed out." if forgotten else "This machine was not signed in.")


@click.command("whoami")
@output.json_option
def whoami(*, as_json: bool) -> None:
    """Show who is signed in, and what the token may be used for."""
    client = connected()
    identity = client.get("/whoami")
    if as_json:
        output.print_json({"url": client.url, **identity})
        return
    person = identity["person"]
    output.facts(
        (
            ("name", person["name"]),
            ("full name", person["full_name"]),
            ("role", person["role"]),
            ("scopes", ", ".join(identity["scopes"])),
            ("platform", client.url),
        )
    )


COMMANDS: Mapping[str, click.Command] = {"login": login, "logout": logout, "whoami": whoami}
