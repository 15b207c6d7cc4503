"""Signing a machine in and out, and what happens when it is not."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from specola.domain.person import Scope
from tests.cli.conftest import Program
from tests.support.callers import Callers
from tests.support.harness import Platform
from tests.support.sshkeys import pair

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_a_machine_is_signed_in_and_out(specola: Program, platform: Platform, callers: Callers) -> None:
    token = await callers.token("ada")
    signed_in = await specola("login", platform.settings.url, "--token-stdin", stdin=token + "\n")
    assert signed_in.code == 0, signed_in.err
    assert token not in signed_in.out + signed_in.err
    path = specola.home / ".config/specola/credentials.json"
    assert json.loads(path.read_text()) == {"url": platform.settings.url, "token": token}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    who = (await specola("whoami", "--json")).json
    assert (who["person"]["name"], who["url"]) == ("ada", platform.settings.url)
    assert "ada" in (await specola("whoami")).out
    assert (await specola("logout")).code == 0
    assert not path.exists()
    assert (await specola("whoami")).code == 3


async def test_the_kept_place_follows_the_desktop_rules(
    specola: Program, platform: Platform, callers: Callers, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    token = await callers.token("ada")
    ran = await specola("login", platform.settings.url, stdin=token, XDG_CONFIG_HOME=str(folder))
    assert ran.code == 0
    assert (folder / "specola/credentials.json").exists()


async def test_a_wrong_token_is_not_kept(specola: Program, platform: Platform) -> None:
    for token, code in (("specola_" + "x" * 43, 3), ("", 2), ("two words", 2)):
        ran = await specola("login", platform.settings.url, "--token-stdin", stdin=token)
        assert ran.code == code
    assert not (specola.home / ".config/specola/credentials.json").exists()


@pytest.mark.parametrize("url", ["localhost", "ftp://x", "http://x/y", "http://u:p@x", "http://"])
async def test_an_address_that_is_none_is_2(specola: Program, url: str) -> None:
    assert (await specola("login", url, "--token-stdin", stdin="specola_x")).code == 2


async def test_a_kept_token_goes_to_no_other_platform(ada: Program, specola: Program, platform: Platform) -> None:
    token = ada.environment["SPECOLA_TOKEN"]
    await specola("login", platform.settings.url, "--token-stdin", stdin=token)
    ran = await specola("ls", SPECOLA_URL="http://localhost:9")
    assert ran.code == 3
    assert "not signed in to http://localhost:9" in ran.err


async def test_credentials_that_others_can_read_are_refused(ada: Program, specola: Program, platform: Platform) -> None:
    await specola("login", platform.settings.url, "--token-stdin", stdin=ada.environment["SPECOLA_TOKEN"])
    path = specola.home / ".config/specola/credentials.json"
    path.chmod(0o644)
    ran = await specola("ls")
    assert ran.code == 2
    assert f"chmod 600 {path}" in ran.err


async def test_who_is_not_signed_in_is_told_how(specola: Program) -> None:
    ran = await specola("ls")
    assert ran.code == 3
    assert "specola login" in ran.err


async def test_a_platform_that_is_not_there_is_6(specola: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ran = await specola("ls", SPECOLA_URL=f"http://127.0.0.1:{port}", SPECOLA_TOKEN="specola_x")
    assert ran.code == 6
    assert f"The platform at http://127.0.0.1:{port} does not answer: Connection refused." in ran.err


async def test_a_token_without_the_scope_is_3(ada: Program, callers: Callers) -> None:
    ran = await ada("run", "example.test/web:1", SPECOLA_TOKEN=await callers.token("ada", Scope.READ))
    assert ran.code == 3
    assert "“tasks”" in ran.err


@pytest.mark.slow
async def test_every_command_explains_itself(specola: Program) -> None:
    listing = await specola("--help")
    for name in (
        "up",
        "web",
        "worker",
        "connector",
        "gateway",
        "admin",
        "login",
        "software",
        "run",
        "computings",
        "rm",
    ):
        assert f"\n  {name} " in listing.out
    for name in ("run", "ls", "software", "computings", "admin", "up"):
        ran = await specola(name, "--help")
        assert (ran.code, ran.err) == (0, "")
    assert (await specola("--version")).out.startswith("specola")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_shells_complete_commands(specola: Program, shell: str) -> None:
    ran = await specola("completion", shell)
    assert ran.code == 0, ran.err
    assert "_SPECOLA_COMPLETE" in ran.out
    completed = await specola(_SPECOLA_COMPLETE="bash_complete", COMP_WORDS="specola so", COMP_CWORD="1")
    assert completed.out.strip() == "plain,software"


async def test_a_command_of_the_client_loads_little(specola: Program, platform: Platform) -> None:
    heavy = ("fastapi", "sqlalchemy", "pydantic", "httpx", "rich", "structlog", "uvicorn")
    ran = await specola("ls", PYTHONPROFILEIMPORTTIME="1", SPECOLA_URL=platform.settings.url, SPECOLA_TOKEN="specola_x")
    loaded = {line.rpartition("|")[2].strip() for line in ran.err.splitlines() if line.startswith("import time:")}
    assert "specola.cli.client" in loaded
    assert loaded.isdisjoint(heavy)


@pytest.mark.slow
async def test_commands_of_the_host_need_the_data_folder(specola: Program, tmp_path: Path) -> None:
    ran = await specola("admin", "link", "ada", SPECOLA_DATA=str(tmp_path / "nothing"))
    assert ran.code == 4
    assert "SPECOLA_DATA" in ran.err
    wrong = await specola("admin", "link", "ada", SPECOLA_BIND="nonsense")
    assert wrong.code == 2
    assert "bind" in wrong.err


@pytest.mark.slow
async def test_accounts_links_and_tokens_are_made_on_the_host(specola: Program, platform: Platform) -> None:
    user = "root" if os.geteuid() == 0 else "specola"
    host = {"SPECOLA_DATA": str(platform.settings.data), "SPECOLA_RUN_AS": user, "SPECOLA_BIND": platform.settings.bind}
    made = await specola("admin", "create", "grace", "--admin", "--json", **host)
    assert made.code == 0, made.err
    assert made.json["role"] == "administrator"
    assert (await specola("admin", "create", "grace", **host)).code == 5
    assert (await specola("admin", "token", "nobody", **host)).code == 4
    link = await specola("admin", "link", "grace", **host)
    assert link.out.startswith(f"{platform.settings.url}/sign-in/link#")
    token = await specola("admin", "token", "grace", "--days", "2", **host)
    who = await specola("whoami", "--json", SPECOLA_URL=platform.settings.url, SPECOLA_TOKEN=token.out.strip())
    assert who.json["person"]["name"] == "grace"


async def test_keys_are_added_listed_and_removed(ada: Program, tmp_path: Path) -> None:
    mine = pair("ada@laptop")
    file = tmp_path / "id.pub"
    file.write_text(mine.public + "\n")
    (tmp_path / "id").write_text(mine.private)
    refused = await ada("keys", "add", str(tmp_path / "id"))
    assert (refused.code, "it was not sent" in refused.err) == (2, True)
    made = await ada("keys", "add", str(file))
    assert made.code == 0, made.err
    assert "ada@laptop" in (await ada("keys", "ls")).out
    assert (await ada("keys", "rm", "ada@laptop")).code == 0
    assert (await ada("keys", "rm", "ada@laptop")).code == 4
