"""`specola cert`, against a platform with TLS, up to the bytes that reach the task and the end of its right."""

import asyncio
import shlex
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from specola.cli.certificates import Files, Place, line_for
from specola.domain.person import Actor
from specola.domain.task import Task, TaskState, Wish
from tests.cli.conftest import Program
from tests.support.callers import Callers, open_callers
from tests.support.certificates import make_certificate
from tests.support.harness import Platform, open_platform
from tests.support.peers import Peer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DEFINITION = """\
software: several
title: Several interfaces
image: example.test/web:1
interfaces:
  - {name: web, port: 8000, protocol: http}
  - {name: raw, port: 8001, protocol: tcp}
  - {name: db, port: 8002, protocol: postgres}
"""


@pytest.fixture(scope="module")
def server_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("server"), "localhost", "*.tasks.test")


@pytest.fixture(scope="module")
async def platform(anyio_backend: str, server_files: tuple[Path, Path]) -> AsyncIterator[Platform]:
    certificate, key = server_files
    async with open_platform(tls_cert=certificate, tls_key=key, tasks_domain="tasks.test") as running:
        yield running


@pytest.fixture(scope="module")
async def callers(platform: Platform) -> AsyncIterator[Callers]:
    async with open_callers(platform) as made:
        yield made


@pytest.fixture
async def ada(platform: Platform, callers: Callers, server_files: tuple[Path, Path], tmp_path: Path) -> Program:
    token = await callers.token("ada")
    root = str(server_files[0])
    return Program(tmp_path, {"SPECOLA_URL": platform.settings.url, "SPECOLA_TOKEN": token, "SSL_CERT_FILE": root})


@pytest.fixture(scope="module")
async def task(platform: Platform, callers: Callers) -> str:
    ada = await callers.actor("ada")
    await platform.services.catalogue.add(ada, DEFINITION)
    return (await begun(platform, ada)).id


async def begun(platform: Platform, actor: Actor) -> Task:
    task = await platform.services.tasks.request(Wish(software="several"), actor=actor)
    return await platform.until_state(task.id, TaskState.RUNNING)


@asynccontextmanager
async def connected(platform: Platform, task: str, files: dict[str, Any]) -> AsyncIterator[Peer]:
    context = ssl.create_default_context(cafile=files["server_root"])
    context.load_cert_chain(files["certificate"], files["key"])
    opened = await asyncio.open_connection(
        "127.0.0.1", platform.port, ssl=context, server_hostname=f"raw--{task}.tasks.test"
    )
    peer = Peer(*opened)
    try:
        yield peer
    finally:
        peer.close()


async def test_files_are_ones_own_and_open_the_task(ada: Program, platform: Platform, task: str) -> None:
    ran = await ada("cert", task, "raw", "--hours", "0.5", "--json")
    assert ran.code == 0, ran.err
    files = ran.json["files"]
    folder = ada.home / ".config/specola/tls"
    assert files["key"] == str(folder / "client.key")
    assert [stat.S_IMODE(Path(path).stat().st_mode) for path in files.values()] == [0o600] * 3
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert f"-servername raw--{task}.tasks.test" in ran.json["command"]
    async with connected(platform, task, files) as peer:
        await peer.send(b"hello")
        assert await peer.exactly(5) == b"hello"
    shown = await ada("cert", task, "db", "--out", str(ada.home / "my files"))
    assert shown.code == 0, shown.err
    assert "psql" in shown.out
    assert "sslnegotiation=direct" in shown.out
    assert (ada.home / "my files/client.key").exists()
    assert (await ada("cert")).code == 0


@pytest.mark.parametrize("ending", ["token", "task", "certificate"])
async def test_what_is_open_ends_within_two_seconds(
    ada: Program, platform: Platform, callers: Callers, task: str, ending: str
) -> None:
    actor = await callers.actor("ada")
    people, scopes = platform.services.people, actor.scopes
    token = await people.create_token(actor, name=f"for {ending}", scopes=scopes, days=1)
    if ending == "task":
        task = (await begun(platform, actor)).id
    ran = await ada("cert", "--json", SPECOLA_TOKEN=token.secret)
    async with connected(platform, task, ran.json["files"]) as peer:
        await peer.send(b"hello")
        assert await peer.exactly(5) == b"hello"
        if ending == "token":
            await people.revoke_token(actor, token.value.id)
        elif ending == "certificate":
            await platform.services.certificates.revoke(actor, ran.json["serial"])
        else:
            await platform.services.tasks.stop(actor, task)
        async with asyncio.timeout(2):
            assert await peer.ended()


async def test_anothers_certificate_opens_nothing(
    ada: Program, platform: Platform, callers: Callers, task: str
) -> None:
    ran = await ada("cert", "--json", SPECOLA_TOKEN=await callers.token("eve"))
    assert ran.code == 0
    async with connected(platform, task, ran.json["files"]) as peer:
        assert await peer.ended()


async def test_what_cannot_be_is_told(ada: Program, task: str) -> None:
    for arguments, code, words in (
        ((task, "web"), 2, "speaks HTTP"),
        ((task, "other"), 4, "no interface"),
        ((task,), 2, "raw, db"),
        (("nothing", "raw"), 4, "no task"),
        (("--hours", "25"), 2, "5 minutes to 24 hours"),
        (("--hours", "0.01"), 2, "5 minutes to 24 hours"),
    ):
        ran = await ada("cert", *arguments)
        assert (ran.code, words in ran.err) == (code, True), ran.err
    assert not (ada.home / ".config/specola/tls").exists()


async def test_without_tls_there_is_none(tmp_path: Path) -> None:
    async with open_platform(parts=("web", "gateway"), wait=False) as plain, open_callers(plain) as callers:
        program = Program(tmp_path, {"SPECOLA_URL": plain.settings.url, "SPECOLA_TOKEN": await callers.token("ada")})
        ran = await program("cert")
        assert ran.code == 5
        assert "does not speak TLS itself" in ran.err


def test_lines_survive_strange_folders() -> None:
    folder = Path("/home/a b'c")
    files = Files(key=folder / "k", certificate=folder / "c", root=None)
    place = Place(host="db--x.test", port=443, protocol="postgres")
    program, told = shlex.split(line_for(place, files))
    assert program == "psql"
    assert r"sslkey='/home/a b\'c/k'" in told
    assert "sslrootcert=system" in told
    for protocol, word in (("redis", "redis-cli"), ("grpc", "import grpc"), ("tcp", "openssl s_client")):
        line = line_for(Place(host="x.test", port=443, protocol=protocol), files)
        assert line.startswith(word)
