"""`specola admin`: accounts, sign-in links and tokens, on the platform's host."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import click

from specola.cli import output
from specola.cli.host import open_host
from specola.domain.person import Role, Scope
from specola.factory import Services

__all__ = ["COMMANDS"]

T = TypeVar("T")


@click.group("admin")
def admin() -> None:
    """Accounts, sign-in links and tokens. On the host, with access to the data folder (SPECOLA_DATA)."""


def done(work: Callable[[Services], Awaitable[T]]) -> T:
    """Do some work with the services over this machine's data folder."""

    async def opened() -> T:
        async with open_host() as services:
            return await work(services)

    return asyncio.run(opened())


def _told(value: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(value)
    else:
        click.echo(text)


@admin.command("create")
@click.argument("name")
@click.option("--admin", "administrator", is_flag=True, help="As an administrator.")
@click.option("--full-name", default="", help="The name that others see.")
@output.json_option
def create(name: str, full_name: str, *, administrator: bool, as_json: bool) -> None:
    """Make an account without a password. Its owner signs in by a link: specola admin link NAME."""
    role = Role.ADMINISTRATOR if administrator else Role.PERSON
    person = done(lambda services: services.people.create(name, full_name=full_name, role=role))
    value = {"id": person.id, "name": person.name, "role": person.role.value, "number": person.number}
    _told(value, f"{person.name}: made. Next: specola admin link {person.name}", as_json=as_json)


@admin.command("link")
@click.argument("name")
@output.json_option
def link(name: str, *, as_json: bool) -> None:
    """Print a link by which a person signs in, once, within a day. Earlier unspent links die."""

    async def made(services: Services) -> str:
        shown = await services.people.sign_in_link(name)
        return services.addresses.sign_in_link(shown.secret)

    url = done(made)
    _told({"name": name, "url": url}, url, as_json=as_json)


@admin.command("token")
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How long it lasts.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may be used for; may be repeated. Without it: everything.",
)
@click.option("--label", help="The token's name, to recognise it by. Without it one is made.")
@output.json_option
def token(name: str, days: int, scopes: tuple[str, ...], label: str | None, *, as_json: bool) -> None:
    """Print a personal token of a person, which is shown this once."""
    wanted = frozenset(Scope(scope) for scope in scopes) or frozenset(Scope)

    async def made(services: Services) -> tuple[str, str]:
        actor = await services.people.actor_on_host(name)
        called = label or f"host {services.clock.new_id(4)}"
        shown = await services.people.create_token(actor, name=called, scopes=wanted, days=days)
        return shown.value.id, shown.secret

    number, secret = done(made)
    _told({"name": name, "id": number, "token": secret}, secret, as_json=as_json)


COMMANDS: Mapping[str, click.Command] = {"admin": admin}
