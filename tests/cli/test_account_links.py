"""Accounts on computings on the command line."""

import pytest

from tests.cli.conftest import Program
from tests.support.callers import Callers
from tests.support.harness import Platform
from tests.support.hosted import add_on_host

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_accounts_are_linked_checked_and_ended(ada: Program, platform: Platform, callers: Callers) -> None:
    await add_on_host(platform.services.store, "cluster", {"address": "192.0.2.7", "identity": "certificate"})
    assert (await ada("accounts", "ls", "--json")).json[0]["account"] is None
    linked = await ada("accounts", "link", "cluster", "ann")
    assert linked.out.startswith("mkdir -p -m 700 ~/.specola && echo specola-")
    assert "specola accounts check cluster" in linked.err
    refused = await ada("accounts", "link", "cluster", "root")
    assert (refused.code, "account of the system" in refused.err) == (2, True)
    admin = {"SPECOLA_TOKEN": await callers.token("admin")}
    entered = await ada("accounts", "link", "cluster", "ann", "--person", "ada", **admin)
    assert entered.out == "Entered: “ann” on “cluster” is ada's.\n"
    assert "by an administrator" in (await ada("accounts", "ls")).out
    assert "by an administrator" in (await ada("accounts", "check", "cluster")).out
    assert "ann" in (await ada("accounts", "ls", "--on", "cluster", **admin)).out
    assert (await ada("accounts", "ls", "--on", "cluster")).code != 0
    assert (await ada("accounts", "authority")).out.startswith("ssh-ed25519 ")
    assert (await ada("accounts", "end", "cluster")).code == 0
