"""The signer for real: what OpenSSH reads in its certificates, and what it refuses to sign."""

import asyncio
import json
import os
import stat
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from specola.authorities.accounts import trusted_line
from specola.connector.identities import ConnectorIdentities
from specola.domain.account_link import READ_PROOF, Grant, Proof
from specola.domain.errors import AccountRefusedError, ConnectorUnreachableError, InvalidError
from specola.domain.person import Actor, Role
from specola.logging import redact
from specola.signer.asking import RefusedError
from specola.signer.server import check_grant
from tests.support.harness import Platform, open_platform
from tests.support.hosted import add_on_host
from tests.support.sshkeys import pair

pytestmark = pytest.mark.anyio

HOST = {"address": "192.0.2.7", "identity": "certificate"}


@pytest.fixture(scope="module")
async def platform(anyio_backend: str) -> AsyncIterator[Platform]:
    async with open_platform(parts=("web", "signer"), host_sources=("192.0.2.0/24",)) as running:
        await add_on_host(running.services.store, "cluster", HOST)
        yield running


@pytest.fixture(scope="module")
async def ada(platform: Platform) -> Actor:
    return await platform.person("ada")


@pytest.fixture(scope="module")
async def admin(platform: Platform) -> Actor:
    return await platform.person("root", role=Role.ADMINISTRATOR)


@asynccontextmanager
async def asked(platform: Platform, *, patience: float = 5.0) -> AsyncIterator[ConnectorIdentities]:
    settings = platform.settings
    clock = platform.context.clock
    identities = ConnectorIdentities(settings.internal_socket, settings.signer_socket, clock=clock, patience=patience)
    try:
        yield identities
    finally:
        await identities.close()


async def ask(platform: Platform, line: bytes) -> Any:
    reader, writer = await asyncio.open_unix_connection(platform.settings.signer_socket)
    writer.write(line)
    writer.write_eof()
    try:
        return json.loads(await reader.readline())
    finally:
        writer.close()


def question(**changes: str) -> bytes:
    usual = {"computing": "cluster", "account": "ann", "purpose": "work", "person": "", "request": "r1"}
    return json.dumps({**usual, "public_key": pair().public, **changes}).encode() + b"\n"


def told_by_openssh(certificate: str, folder: Path) -> str:
    file = folder / "key-cert.pub"
    file.write_text(certificate)
    return subprocess.run(["ssh-keygen", "-L", "-f", file], capture_output=True, text=True, check=True).stdout


async def test_a_certificate_is_for_one_account_five_minutes_and_forwarding_alone(
    platform: Platform, ada: Actor, admin: Actor, tmp_path: Path
) -> None:
    links = platform.services.account_links
    await links.enter(admin, "cluster", person="ada", account="ann")
    async with asked(platform) as identities:
        assert await identities.accounts("cluster") == ["ann"]
        with capture_logs() as logged:
            first, second = await identities.identity("cluster", "ann"), await identities.identity("cluster", "ann")
    lines = [redact(None, "info", one) for one in logged if one["event"] == "account_certificate_signed"]
    assert len({one["serial"] for one in lines}) == 2
    assert all("person=ada computing=cluster account=ann" in str(one["certified_as"]) for one in lines)
    assert first.private_key != second.private_key
    assert first.certificate is not None
    assert first.private_key not in repr(first)
    told = told_by_openssh(first.certificate, tmp_path)
    words = [line.strip() for line in told.splitlines()]
    assert words[words.index("Principals:") + 1 : words.index("Critical Options:")] == ["ann"]
    assert words[words.index("Critical Options:") + 1 :] == [
        "source-address 192.0.2.0/24",
        "Extensions:",
        "permit-port-forwarding",
    ]
    assert "user certificate" in told
    key_id = next(line for line in words if line.startswith("Key ID:"))
    assert "specola person=ada computing=cluster account=ann request=" in key_id
    assert first.until is not None
    left = (first.until - platform.context.clock.now()).total_seconds()
    assert 280 < left <= 300
    async with platform.services.store.read() as tx:
        signed = await tx.account_links.signed("cluster")
    assert {f"Serial: {serial}" for serial, *_ in signed} >= {next(one for one in words if one.startswith("Serial:"))}
    await links.remove(admin, "cluster", person="ada")
    async with asked(platform) as identities:
        with pytest.raises(AccountRefusedError, match="nobody here has proven"):
            await identities.identity("cluster", "ann")


async def test_a_claim_has_a_certificate_that_reads_one_file(platform: Platform, ada: Actor, tmp_path: Path) -> None:
    links = platform.services.account_links
    place = await links.link(ada, "cluster", "ann")
    assert place.link is not None
    assert place.link.proof is not Proof.ENTERED
    async with asked(platform) as identities:
        with pytest.raises(AccountRefusedError):
            await identities.identity("cluster", "ann")
        narrow = await identities.proving("cluster", "ann", ada.person.id)
        with pytest.raises(AccountRefusedError):
            await identities.proving("cluster", "ben", ada.person.id)
    assert narrow.certificate is not None
    told = told_by_openssh(narrow.certificate, tmp_path)
    words = [line.strip() for line in told.splitlines()]
    assert f"force-command {READ_PROOF}" in words
    assert words[-1] == "Extensions: (none)"
    await links.end(ada, "cluster")


async def test_nothing_is_signed_that_web_does_not_grant(platform: Platform) -> None:
    for line in (
        question(),
        question(account="root"),
        question(purpose="proof"),
        question(computing="local"),
        question(computing="nowhere"),
        question(public_key="ssh-ed25519 AAAA"),
        question(more="x"),
        b"{}\n",
        b"[]\n",
        b"nonsense\n",
        b"\n",
    ):
        told = await ask(platform, line)
        assert told["outcome"] == "refused", line
    assert (await ask(platform, question(purpose="everything")))["outcome"] != "pass"


async def test_without_web_nothing_is_signed(platform: Platform) -> None:
    await platform.end("web")
    try:
        assert (await ask(platform, question()))["outcome"] == "unavailable"
        async with asked(platform, patience=0) as identities:
            with pytest.raises(ConnectorUnreachableError):
                await identities.accounts("cluster")
    finally:
        platform.begin("web")


async def test_a_signer_that_comes_back_is_waited_for(platform: Platform, ada: Actor, admin: Actor) -> None:
    links = platform.services.account_links
    await links.enter(admin, "cluster", person="ada", account="ann")
    await platform.kill("signer")
    async with asked(platform) as identities:
        asking = asyncio.create_task(identities.identity("cluster", "ann"))
        async with asked(platform, patience=0) as hasty:
            with pytest.raises(ConnectorUnreachableError):
                await hasty.identity("cluster", "ann")
        assert not asking.done()
        platform.begin("signer")
        assert (await asking).certificate is not None
    await links.end(ada, "cluster")


def test_the_key_is_its_makers_alone_and_its_public_half_everybodys(platform: Platform) -> None:
    data = platform.settings.data
    assert stat.S_IMODE((data / "signer").stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "signer" / "authority").stat().st_mode) == 0o600
    assert (data / "signer").stat().st_uid == os.geteuid()
    assert b"PRIVATE" not in (data / "signer" / "authority").read_bytes()
    line = trusted_line(data)
    assert line.startswith("ssh-ed25519 AAAA")
    assert platform.services.ssh_authority.users not in line


@pytest.mark.parametrize(
    ("account", "begins", "minutes"), [("root", 0, 5), ("ann", 0, 60), ("ann", 24 * 60, 5), ("ann", -24 * 60, 5)]
)
def test_more_than_minutes_for_a_person_is_never_signed(account: str, begins: int, minutes: int) -> None:
    now = datetime(2026, 11, 27, tzinfo=UTC)
    created = now + timedelta(minutes=begins)
    grant = Grant(serial=1, account=account, key_id="x", created=created, expires=created + timedelta(minutes=minutes))
    with pytest.raises((InvalidError, RefusedError)):
        check_grant(grant, now=now)
    check_grant(replace(grant, account="ann", created=now, expires=now + timedelta(minutes=5)), now=now)
