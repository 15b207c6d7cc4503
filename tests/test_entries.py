"""Every way into a task, from one table: the owner comes in by each, nobody else by any, and all of it is on record.

The table has one row for each kind of connection, so that a way that is added without one fails here.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from specola.domain.connection import Connection, ConnectionKind
from specola.domain.task import TaskState, Wish
from tests.support.callers import Callers, open_callers
from tests.support.certificates import make_certificate
from tests.support.harness import Platform, open_platform
from tests.support.ports import free_port
from tests.support.sockets import HANDSHAKE

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

OWNER, OTHER, ADMINISTRATOR = "ada", "bob", "admin"
# Of one address only so many refusals are kept, so everybody comes from their own.
ADDRESSES = {OWNER: "127.0.0.1", OTHER: "127.0.0.2", ADMINISTRATOR: "127.0.0.3"}
DOMAIN = "tasks.test"
DEFINITION = """\
software: several
title: Several interfaces
image: example.test/web:1
interfaces:
  - {name: web, port: 8000, protocol: http}
  - {name: raw, port: 8001, protocol: tcp}
  - {name: screen, port: 8002, protocol: rfb}
"""


@dataclass(frozen=True, slots=True)
class House:
    """A platform with TLS and an SSH front door, and a running task of the owner's."""

    platform: Platform
    callers: Callers
    task: str
    folder: Path
    root: Path

    async def asked(self, who: str, interface: str, target: str, *headers: str) -> int:
        """Ask for something at an interface of the task, with a token; return the status."""
        context = ssl.create_default_context(cafile=str(self.root))
        context.set_alpn_protocols(["http/1.1"])
        name = f"{interface}--{self.task}.{DOMAIN}"
        reader, writer = await self.connected(who, context, name)
        fields = (
            f"Host: {name}:{self.platform.port}",
            f"Authorization: Bearer {await self.callers.token(who)}",
            *headers,
        )
        writer.write("\r\n".join((f"GET {target} HTTP/1.1", *fields, "", "")).encode())
        try:
            return int((await asyncio.wait_for(reader.readline(), 20)).split()[1])
        finally:
            writer.close()

    async def connected(
        self, who: str, context: ssl.SSLContext, name: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the public port by a TLS name."""
        return await asyncio.open_connection(
            "127.0.0.1", self.platform.port, ssl=context, server_hostname=name, local_addr=(ADDRESSES[who], 0)
        )

    async def ssh(self, who: str) -> asyncssh.SSHClientConnection:
        """Sign in at the front door, which every account may."""
        settings = self.platform.settings
        known = self.folder / "known_hosts"
        known.write_text(f"{self.platform.services.keys.known_hosts(settings.ssh_names, settings.ssh_port)}\n")
        return await asyncssh.connect(
            "127.0.0.1",
            settings.ssh_port,
            local_addr=(ADDRESSES[who], 0),
            username=self.task,
            password=await self.callers.token(who),
            known_hosts=str(known),
            client_keys=(),
            config=(),
            agent_path=None,
        )

    async def records(self) -> list[Connection]:
        """Return what is on record of the task, once all who carry have told it."""
        for part in ("gateway", "connector"):
            await self.platform.end(part)
        page = await self.platform.services.connections.list(await self.callers.actor(OWNER), self.task)
        return list(page.connections)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    certificate, key = make_certificate(tmp_path, "localhost", f"*.{DOMAIN}")
    bind = f"127.0.0.1:{free_port()}"
    async with (
        open_platform(tls_cert=certificate, tls_key=key, tasks_domain=DOMAIN, ssh_bind=bind) as platform,
        open_callers(platform) as callers,
    ):
        owner = await callers.actor(OWNER)
        await platform.services.catalogue.add(owner, DEFINITION)
        task = await platform.services.tasks.request(Wish(software="several"), actor=owner)
        await platform.until_state(task.id, TaskState.RUNNING)
        yield House(platform, callers, task.id, tmp_path, certificate)


async def visited(house: House, who: str) -> bool:
    return await house.asked(who, "web", "/") == 200


async def upgraded(house: House, who: str) -> bool:
    return await house.asked(who, "web", "/echo", *HANDSHAKE) == 101


async def tunnelled(house: House, who: str) -> bool:
    return await house.asked(who, "raw", "/.specola/tunnel", *HANDSHAKE) == 101


async def opened_terminal(house: House, who: str) -> bool:
    return await house.asked(who, "terminal", "/.specola/terminal", *HANDSHAKE) == 101


async def opened_desktop(house: House, who: str) -> bool:
    return await house.asked(who, "screen", "/.specola/tunnel", *HANDSHAKE) == 101


async def connected_by_name(house: House, who: str) -> bool:
    """Show a certificate of one's own at the name of an interface, and be answered by it."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    actor = await house.platform.services.people.actor_of_token(await house.callers.token(who))
    issued = await house.platform.services.certificates.issue(
        actor, request=request.public_bytes(Encoding.PEM).decode(), hours=1
    )
    file = house.folder / f"{who}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file.write_text(f"{private}{issued.certificate}")
    context = ssl.create_default_context(cafile=str(house.root))
    context.load_cert_chain(file)
    reader, writer = await house.connected(who, context, f"raw--{house.task}.{DOMAIN}")
    try:
        writer.write(b"hello")
        return await asyncio.wait_for(reader.read(5), 20) == b"hello"
    except OSError:
        return False
    finally:
        writer.close()


async def ran_a_command(house: House, who: str) -> bool:
    connection = await house.ssh(who)
    ran = await connection.run("echo inside")
    connection.close()
    return ran.exit_status == 0 and str(ran.stdout).strip() == "inside"


async def asked_for_files(house: House, who: str) -> bool:
    """Begin a session of files; the pretended computing has none, which it says to those who are let in."""
    connection = await house.ssh(who)
    process = await connection.create_process(subsystem="sftp")
    ended = await process.wait()
    connection.close()
    return "no way to the files" in str(ended.stderr)


async def forwarded(house: House, who: str) -> bool:
    connection = await house.ssh(who)
    try:
        reader, writer = await connection.open_connection("localhost", 8001)
        writer.write(b"hello")
        answer = await asyncio.wait_for(reader.readexactly(5), 20)
    except asyncssh.ChannelOpenError:
        return False
    finally:
        connection.close()
    return bytes(answer) == b"hello"


ENTRIES: dict[ConnectionKind, Callable[[House, str], Awaitable[bool]]] = {
    ConnectionKind.HTTP: visited,
    ConnectionKind.WEBSOCKET: upgraded,
    ConnectionKind.TUNNEL: tunnelled,
    ConnectionKind.TLS: connected_by_name,
    ConnectionKind.TERMINAL: opened_terminal,
    ConnectionKind.DESKTOP: opened_desktop,
    ConnectionKind.SSH: ran_a_command,
    ConnectionKind.SFTP: asked_for_files,
    ConnectionKind.FORWARD: forwarded,
}


def test_every_kind_of_connection_has_its_row() -> None:
    assert set(ENTRIES) == set(ConnectionKind)


async def test_the_owner_comes_in_by_every_entry_and_nobody_else_by_any(house: House) -> None:
    for who in (OWNER, OTHER, ADMINISTRATOR):
        came_in = {kind: await enter(house, who) for kind, enter in ENTRIES.items()}
        assert came_in == dict.fromkeys(ENTRIES, who == OWNER), who
    found = await house.records()
    let_in = {(one.kind, one.name) for one in found if not one.refused}
    refused = {(one.kind, one.name) for one in found if one.refused == "missing"}
    assert let_in >= {(kind, OWNER) for kind in ENTRIES}
    assert {name for _, name in let_in} == {OWNER}
    # What a task's interface speaks is not known where there is no task for the visitor: a desktop's tunnel is a tunnel.
    expected = set(ENTRIES) - {ConnectionKind.DESKTOP}
    assert refused == {(kind, who) for kind in expected for who in (OTHER, ADMINISTRATOR)}
