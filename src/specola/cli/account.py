"""`specola login`, `logout` and `whoami`: who this machine acts as, to the platform and to its SSH front door."""

import sys
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

import click

from specola.cli import credentials, output
from specola.cli.client import Client, connected
from specola.cli.credentials import Credentials
from specola.cli.failures import AnsweredError
from specola.cli.ssh_identity import Door, Identity
from specola.domain.errors import InvalidError, MissingError

__all__ = ["COMMANDS"]

DENIED = 403


@click.command("login")
@click.argument("url", required=False)
@click.option("--token-stdin", is_flag=True, help="Read the token from standard input.")
@click.option("--hours", type=click.FloatRange(0, 24, min_open=True), default=8, help="How long to be known by SSH.")
@output.json_option
def login(url: str | None, *, token_stdin: bool, hours: float, as_json: bool) -> None:
    """Sign this machine in to the platform at URL, with a personal token.

    Make a token in the pages, under Account. It is never given as an argument, where others on this machine could
    see it: it is asked for, or read from standard input. Without URL, the token that is kept serves again.

    Where the platform has an SSH front door, a key pair is made on this machine and certified for some hours.
    """
    known = credentials.load() if url is None else _asked(url, token_stdin=token_stdin)
    client = Client(known.url, known.token)
    person = client.get("/whoami")["person"]
    path = credentials.save(known) if url is not None else credentials.file()
    until = _certify(client, hours)
    if as_json:
        output.print_json({"url": known.url, "person": person, "ssh_until": until.isoformat() if until else None})
        return
    click.echo(f"Signed in to {known.url} as {person['name']} (kept in {path}).")
    if until:
        click.echo(
            f"Known by SSH until {until.astimezone():%H:%M}: specola ssh TASK   (or: specola ssh-config --install)"
        )


def _asked(url: str, *, token_stdin: bool) -> Credentials:
    """Ask for a token for a platform."""
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
    return Credentials(url=url, token=token)


def _certify(client: Client, hours: float) -> datetime | None:
    """Have this machine's key certified; None: the platform has no front door, or the token may not reach tasks."""
    try:
        return Identity().renew(client, Door.of(client), hours=hours)
    except MissingError:
        return None
    except AnsweredError as error:
        if error.status != DENIED:
            raise
        output.note("The token has no scope “connect”, so this machine is not known by SSH.")
        return None


def _is_here(host: str) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")


@click.command("logout")
@output.json_option
def logout(*, as_json: bool) -> None:
    """Forget the token that this machine holds. To end the token itself, revoke it under Account."""
    forgotten = credentials.forget()
    Identity().forget()
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
