"""`specola ssh`, `exec`, `cp` and `ssh-config`, with OpenSSH's real programs behind them."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from specola.domain.person import Scope
from tests.cli.conftest import Program
from tests.support.ssh_stage import SshStage, open_ssh_stage

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncIterator[SshStage]:
    async with open_ssh_stage() as opened:
        yield opened


@pytest.fixture(scope="module")
async def secret(stage: SshStage) -> str:
    return (await stage.token("cli", Scope.CONNECT, Scope.READ))[1]


@pytest.fixture
def mine(stage: SshStage, secret: str, tmp_path: Path) -> Program:
    """The program on a machine that is signed in by its environment."""
    return Program(tmp_path, {"SPECOLA_URL": stage.platform.settings.url, "SPECOLA_TOKEN": secret})


def folder(program: Program) -> Path:
    return program.home / ".config/specola/ssh"


async def test_signing_in_makes_a_key_and_certifies_it(specola: Program, stage: SshStage, secret: str) -> None:
    ran = await specola("login", stage.platform.settings.url, "--hours", "2", "--json", stdin=secret)
    assert ran.code == 0, ran.err
    assert ran.json["ssh_until"]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder(specola).iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"id_ed25519", "id_ed25519.pub", "id_ed25519-cert.pub", "known_hosts"} <= set(modes)
    key = (folder(specola) / "id_ed25519").read_text()
    again = await specola("login")
    assert (again.code, "Known by SSH until" in again.out) == (0, True), again.err
    assert (folder(specola) / "id_ed25519").read_text() == key
    assert (await specola("logout")).code == 0
    assert not folder(specola).exists()


async def test_a_token_that_does_not_connect_signs_in_without_ssh(specola: Program, stage: SshStage) -> None:
    _, reader = await stage.token("reader", Scope.READ)
    ran = await specola("login", stage.platform.settings.url, stdin=reader)
    assert ran.code == 0
    assert "not known by SSH" in ran.err


async def test_a_command_runs_as_it_was_written(mine: Program, stage: SshStage) -> None:
    words = ["a b", "$HOME", "*", "'", '"', "", "-x"]
    ran = await mine("exec", stage.task.name, "--", "printf", "[%s]", *words)
    assert (ran.code, ran.out) == (0, "".join(f"[{word}]" for word in words)), ran.err
    failing = await mine("exec", stage.task.id, "--", "sh", "-c", "echo no >&2; exit 9", stdin="x")
    assert (failing.code, failing.err) == (9, "no\n")
    typed = await mine("exec", stage.task.id, "--", "tr", "a-z", "A-Z", stdin="hello")
    assert typed.out == "HELLO"


async def test_an_expired_certificate_is_made_anew_on_the_fly(mine: Program, stage: SshStage) -> None:
    assert (await mine("exec", stage.task.id, "--", "true")).code == 0
    first = (folder(mine) / "id_ed25519-cert.pub").read_text()
    assert (await mine("exec", stage.task.id, "--", "true")).code == 0
    assert (folder(mine) / "id_ed25519-cert.pub").read_text() == first
    term = json.loads((folder(mine) / "certificate.json").read_text())
    (folder(mine) / "certificate.json").write_text(json.dumps({**term, "expires": "2026-01-01T00:00:00Z"}))
    assert (await mine("exec", stage.task.id, "--", "true")).code == 0
    assert (folder(mine) / "id_ed25519-cert.pub").read_text() != first


async def test_ssh_takes_what_openssh_takes(mine: Program, stage: SshStage) -> None:
    ran = await mine("ssh", stage.task.id, "--", "-T", "-o", "SendEnv=COLOUR", "echo in $COLOUR", COLOUR="red")
    assert (ran.code, ran.out) == (0, "in red\n"), ran.err
    unknown = await mine("ssh", "nothing", "--", "true")
    assert (unknown.code, "no task “nothing”" in unknown.err) == (4, True)


async def test_files_are_copied_both_ways(mine: Program, stage: SshStage) -> None:
    tree = mine.home / "tree"
    tree.mkdir()
    (tree / "a file").write_bytes(os.urandom(3_000_000))
    sent = await mine("cp", "-r", str(tree), f"{stage.task.name}:there")
    assert sent.code == 0, sent.err
    assert (stage.home / "there/a file").read_bytes() == (tree / "a file").read_bytes()
    got = await mine("cp", f"{stage.task.id}:there/a file", str(mine.home / "back"))
    assert got.code == 0, got.err
    assert (mine.home / "back").read_bytes() == (tree / "a file").read_bytes()
    for words, told in ((["a"], "where to"), (["a", "b"], "TASK:PATH")):
        wrong = await mine("cp", *words)
        assert (wrong.code, told in wrong.err) == (2, True)


async def test_the_configuration_is_installed_once_and_works(mine: Program, stage: SshStage) -> None:
    config = mine.home / ".ssh/config"
    config.parent.mkdir(mode=0o700)
    config.write_text("Host other\n    User somebody\n")
    for _ in range(2):
        ran = await mine("ssh-config", "--install")
        assert ran.code == 0, ran.err
    text = config.read_text()
    assert (text.count("Include "), text.index("Include ") < text.index("Host other")) == (1, True)
    later = await stage.platform.start(stage.ada, name="Made Later")
    await stage.platform.until(later.id, lambda task: task.state == "running")
    await stage.add_way(later)
    for who in (
        [f"specola-{stage.task.id}"],
        ["specola-made-later"],
        [f"{stage.task.id}@localhost", "-p", str(stage.port)],
    ):
        there = await _ssh(mine, config, *who, "echo hi")
        assert there == (0, "hi\n"), who
    assert await _ssh(mine, config, "-G", "other", only="user ") == (0, "user somebody\n")
    printed = await mine("ssh-config")
    assert "StrictHostKeyChecking yes" in printed.out
    assert "known_hosts" in printed.out


async def _ssh(program: Program, config: Path, *words: str, only: str = "") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "ssh",
        "-F",
        str(config),
        "-o",
        "BatchMode=yes",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(program.home), **program.environment},
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    lines = [line for line in out.decode().splitlines(keepends=True) if line.startswith(only)]
    return process.returncode, "".join(lines)


async def test_without_a_front_door_it_is_said(ada: Program) -> None:
    ran = await ada("ssh", "anything")
    assert (ran.code, "no SSH front door" in ran.err, "ssh_bind" in ran.err) == (4, True, True)
