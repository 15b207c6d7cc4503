"""`specola hosts`: what machines show that computings are to work on."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from specola.cli import output
from specola.domain.errors import HostKeyChangedError, InvalidError
from specola.hosts.config import MachineSettings
from specola.hosts.scanning import HostKey, host_authorities, host_keys
from specola.ports.hosts import SshIdentity

__all__ = ["COMMANDS"]

SSH_PORT = 22
COMPARE = """\
Whoever answers at an address can show any key. Compare the fingerprints with what the machine's operators publish, or on the machine itself:
    ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
Then copy a line into the record of the computing, under host.keys, or an authority's under host.authorities."""


@click.group("hosts")
def hosts() -> None:
    """Machines that computings work on by SSH."""


@hosts.command("scan")
@click.argument("address")
@click.option("--jump", metavar="ACCOUNT@ADDRESS", default="", help="The machine that has to be passed on the way.")
@click.option(
    "--jump-fingerprint", default="", help="The fingerprint of its host key, as its operators publish it: SHA256:…"
)
@click.option(
    "--key", type=click.Path(dir_okay=False, path_type=Path), help="The private key that opens the account on it."
)
@output.json_option
def scan(address: str, jump: str, jump_fingerprint: str, *, key: Path | None, as_json: bool) -> None:
    """Print the host keys of the machine at ADDRESS, or ADDRESS:PORT, with their fingerprints.

    Nothing is logged in to, but the machine on the way.
    """
    if jump:
        account, _, where = jump.rpartition("@")
        if not account or key is None or not jump_fingerprint:
            raise InvalidError(
                "A machine on the way has to be logged in to.",
                hint="Give all three: --jump ACCOUNT@ADDRESS, --jump-fingerprint and --key.",
            )
        identity = SshIdentity(account=account, private_key=key.read_text(encoding="ascii"))
        keys, authorities = asyncio.run(_beyond(_machine(address), _machine(where), jump_fingerprint, identity))
    else:
        keys, authorities = asyncio.run(_found(_machine(address)))
    if as_json:
        output.print_json({"keys": [asdict(one) for one in keys], "authorities": [asdict(one) for one in authorities]})
        return
    for title, found in (("Host keys", keys), ("Authorities that have certified them", authorities)):
        if found:
            click.echo(f"{title}:")
        for one in found:
            click.echo(f"    {one.fingerprint}\n    {one.line}\n")
    output.note(COMPARE)


async def _found(
    machine: MachineSettings, identity: SshIdentity | None = None
) -> tuple[Sequence[HostKey], Sequence[HostKey]]:
    return await host_keys(machine, identity=identity), await host_authorities(machine, identity=identity)


async def _beyond(
    machine: MachineSettings, way: MachineSettings, fingerprint: str, identity: SshIdentity
) -> tuple[Sequence[HostKey], Sequence[HostKey]]:
    """Ask by way of another machine, whose host key is known by its fingerprint."""
    shown = await host_keys(way)
    lines = tuple(one.line for one in shown if one.fingerprint == fingerprint)
    if not lines:
        raise HostKeyChangedError(way.address, way.address, shown[0].fingerprint)
    known = way.model_copy(update={"keys": lines})
    return await _found(machine.model_copy(update={"jump": known}), identity)


def _machine(text: str) -> MachineSettings:
    """Read ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT."""
    address, colon, port = text.rpartition(":")
    if not colon or (":" in address and not address.startswith("[")):
        # An address of IPv6 is full of colons.
        address, port = text, str(SSH_PORT)
    if not port.isdigit() or not 0 < int(port) < 65536 or not address.strip("[]"):
        raise InvalidError(f"“{text}” is no address of a machine.", hint="Write ADDRESS or ADDRESS:PORT.")
    return MachineSettings(address=address.strip("[]"), port=int(port))


COMMANDS: Mapping[str, click.Command] = {"hosts": hosts}
