"""A registry as they are out there: behind TLS, at an address of the wide world, which here is one of this host's."""

import asyncio
import hashlib
import json
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from specola.computing.registries.reach import Reach
from specola.computing.registries.registry import Registry
from specola.domain.errors import ImageUnreachableError, RegistryRefusedError
from specola.domain.reference import ImageReference
from tests.support.certificates import make_certificate
from tests.support.places import command

# What it needs is what engines need: to be root on this host.
pytestmark = [pytest.mark.anyio, pytest.mark.containers]

CONFIG = json.dumps({"architecture": "amd64", "os": "linux"}).encode()
CONFIG_DIGEST = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
MANIFEST = json.dumps({"config": {"digest": CONFIG_DIGEST}, "layers": []}).encode()


@dataclass
class Outside:
    """The registry: its two addresses, of which only the last answers, and what it was asked."""

    silent: str
    address: str
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection: manifest, configuration, or a token server's refusal to stay outside."""
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().splitlines():
                self.hosts += [line.partition(" ")[2] for line in head if line.lower().startswith("host:")]
                body = CONFIG if "/blobs/" in head[0] else MANIFEST
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except asyncio.IncompleteReadError:
            writer.close()

    def named(self, _: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> None:
        """Note which name a visitor wants."""
        self.asked.append((name or "", self.address))


@pytest.fixture
async def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    number = os.getpid() % 120 * 2
    one = Outside(f"203.0.113.{number}", f"203.0.113.{number + 1}")
    certificate, key = make_certificate(tmp_path, "registry.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    context.sni_callback = one.named
    for address in (one.silent, one.address):
        await command("ip", "addr", "add", f"{address}/32", "dev", "lo")
    try:
        server = await asyncio.start_server(one.serve, one.address, 0, ssl=context)
        one.port = server.sockets[0].getsockname()[1]
        async with server:
            yield one
    finally:
        for address in (one.silent, one.address):
            await command("ip", "addr", "del", f"{address}/32", "dev", "lo")


async def test_registry_is_asked_at_the_addresses_that_were_vetted_and_by_its_own_name(outside: Outside) -> None:
    looked_up: list[str] = []

    async def resolve(host: str, _: int) -> list[str]:
        looked_up.append(host)
        return [outside.silent, outside.address]

    registry = Registry(Reach(resolve=resolve))
    details = await registry.inspect(ImageReference.parse(f"registry.test:{outside.port}/a/b:1"), machine="amd64")
    await registry.close()
    assert (details.id, details.architecture) == (CONFIG_DIGEST, "amd64")
    # A look-up for each request, and no other: nobody can answer differently for the connection.
    assert looked_up == ["registry.test"] * 2
    assert outside.asked == [("registry.test", outside.address)] * 2
    assert outside.hosts == [f"registry.test:{outside.port}"] * 2


async def test_name_that_comes_to_lead_inside_is_refused_from_then_on(outside: Outside) -> None:
    answers = iter([[outside.address], ["127.0.0.1"]])

    async def resolve(_: str, __: int) -> list[str]:
        return next(answers)

    registry = Registry(Reach(resolve=resolve))
    with pytest.raises(RegistryRefusedError):
        await registry.inspect(ImageReference.parse(f"registry.test:{outside.port}/a/b:1"), machine="amd64")
    await registry.close()
    assert len(outside.asked) == 1


async def test_another_name_at_the_same_address_needs_a_certificate_of_its_own(outside: Outside) -> None:
    async def resolve(_: str, __: int) -> list[str]:
        return [outside.address]

    registry = Registry(Reach(resolve=resolve))
    _ = await registry.inspect(ImageReference.parse(f"registry.test:{outside.port}/a/b:1"), machine="amd64")
    with pytest.raises(ImageUnreachableError):
        await registry.inspect(ImageReference.parse(f"other.test:{outside.port}/a/b:1"), machine="amd64")
    await registry.close()
    assert {name for name, _ in outside.asked} == {"registry.test", "other.test"}
    assert "other.test" not in " ".join(outside.hosts)
