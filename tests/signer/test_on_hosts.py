"""Accounts on real SSH servers: proven, entered with what the platform has for them, and left when it is taken back."""

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import asyncssh
import pytest

from lab import sshhost
from lab.keys import Host
from lab.sshhost import SshHosts
from specola.authorities.accounts import AccountAuthority, trusted_line
from specola.connector.identities import ConnectorIdentities
from specola.domain.account_link import Grant, Proof
from specola.domain.errors import AccountNameError, AccountRefusedError, AccountUnprovenError
from specola.domain.person import Actor, Role
from specola.hosts.relayed import RelayedHosts
from specola.openssh import new_pair
from specola.ports.hosts import SshIdentity
from specola.secrets import Sealer
from tests.support.harness import Platform, open_platform
from tests.support.hosted import add_on_host
from tests.support.lab import LAB, Login

pytestmark = [pytest.mark.anyio, pytest.mark.containers, pytest.mark.lab]


@pytest.fixture(scope="module")
async def platform(anyio_backend: str, lab: SshHosts) -> AsyncIterator[Platform]:
    async with open_platform(parts=("web", "signer", "connector")) as running:
        await asyncio.to_thread(sshhost.trust, trusted_line(running.settings.data), LAB)
        for name, identity in {"cluster": "certificate", "keyed": "key"}.items():
            host = {"address": lab.front.address, "keys": [host_key(lab, lab.front)], "identity": identity}
            await add_on_host(running.services.store, name, host)
        jump = {"address": lab.front.address, "keys": [host_key(lab, lab.front)]}
        inner = {"address": lab.inner.address, "keys": [host_key(lab, lab.inner)], "identity": "key", "jump": jump}
        await add_on_host(running.services.store, "beyond", inner)
        yield running


@pytest.fixture(scope="module")
async def ada(platform: Platform) -> Actor:
    return await platform.person("ada")


@pytest.fixture(scope="module")
async def bob(platform: Platform) -> Actor:
    return await platform.person("bob")


@pytest.fixture
async def identities(platform: Platform) -> AsyncIterator[ConnectorIdentities]:
    settings = platform.settings
    made = ConnectorIdentities(settings.internal_socket, settings.signer_socket, clock=platform.context.clock)
    yield made
    await made.close()


def host_key(lab: SshHosts, host: Host) -> str:
    return " ".join(lab.keys.public(f"host-{host.name}").split()[:2])


@asynccontextmanager
async def entered(lab: SshHosts, identity: SshIdentity) -> AsyncIterator[asyncssh.SSHClientConnection]:
    key = asyncssh.import_private_key(identity.private_key)
    certificate = asyncssh.import_certificate(identity.certificate) if identity.certificate else None
    known = asyncssh.import_known_hosts(f"{lab.front.address} {host_key(lab, lab.front)}")
    async with asyncssh.connect(
        lab.front.address,
        username=identity.account,
        client_keys=[(key, certificate) if certificate else key],
        known_hosts=known,
        agent_path=None,
        config=None,
    ) as connection:
        yield connection


async def says(connection: asyncssh.SSHClientConnection, command: str) -> str:
    return str((await connection.run(command, check=True)).stdout).strip()


async def forwards(connection: asyncssh.SSHClientConnection) -> bool:
    """Tell whether the host's own SSH server is reached through a connection."""
    try:
        reader, writer = await connection.open_connection("127.0.0.1", 22)
    except asyncssh.ChannelOpenError:
        return False
    greeting = await reader.readline()
    writer.close()
    return bytes(greeting).startswith(b"SSH-2.0")


async def as_person(lab: SshHosts, person: str, command: str, *, on: Host | None = None) -> str:
    return await asyncio.to_thread(Login(lab.keys, person, (on or lab.front).name).run, command)


async def test_a_challenge_proves_an_account_and_certificates_enter_it(
    platform: Platform, lab: SshHosts, ada: Actor, identities: ConnectorIdentities
) -> None:
    links = platform.services.account_links
    await as_person(lab, "ann", "rm -rf ~/.specola/proof")
    place = await links.link(ada, "cluster", "ann")
    with pytest.raises(AccountUnprovenError, match="does not hold the words"):
        await links.check(ada, "cluster")
    with pytest.raises(AccountRefusedError):
        await identities.identity("cluster", "ann")
    narrow = await identities.proving("cluster", "ann", ada.person.id)
    async with entered(lab, narrow) as connection:
        # Whatever it asks for, the account tells its number and its name, and one file.
        done = await connection.run("cat ~/.ssh/authorized_keys", check=False)
        assert str(done.stdout).split() == ["5001", "ann"]
        assert not await forwards(connection)
    await as_person(lab, "ann", place.challenge)
    proven = await links.check(ada, "cluster")
    assert proven.link is not None
    assert proven.link.proof is Proof.CHALLENGE
    identity = await identities.identity("cluster", "ann")
    async with entered(lab, identity) as connection:
        assert await says(connection, "id -un") == "ann"
        assert await forwards(connection)
        with pytest.raises(asyncssh.ChannelOpenError):
            async with connection.create_process("tty", term_type="xterm"):
                pass
    with pytest.raises(asyncssh.PermissionDenied):
        async with entered(lab, replace(identity, account="ben")):
            pass
    await links.end(ada, "cluster")
    with pytest.raises(AccountRefusedError):
        await identities.identity("cluster", "ann")


async def test_what_is_open_as_an_account_closes_with_its_link(platform: Platform, lab: SshHosts) -> None:
    links = platform.services.account_links
    admin = await platform.person("boss", role=Role.ADMINISTRATOR)
    await platform.person("william")
    await links.enter(admin, "cluster", person="william", account="ben")
    hosts = RelayedHosts(platform.settings.hosts_socket)
    assert list(await hosts.accounts("cluster")) == ["ben"]
    ben = hosts.host("cluster", "ben")
    assert (await ben.run(["id", "-un"])).text == "ben\n"
    stream = await ben.open(["cat"])
    await stream.write(b"still there?")
    assert await stream.read() == b"still there?"
    await links.remove(admin, "cluster", person="william")
    async with asyncio.timeout(10):
        with contextlib.suppress(OSError):
            assert await stream.read() == b""
    await stream.close()
    with pytest.raises(AccountRefusedError, match="nobody here has proven"):
        await ben.run(["id", "-un"])
    assert list(await hosts.accounts("cluster")) == []


async def test_a_certificate_that_has_ended_enters_nothing(platform: Platform, lab: SshHosts) -> None:
    sealer = Sealer.read(platform.settings.data / "secrets" / "key")
    authority = AccountAuthority.read(platform.settings.data, sealer)
    now = platform.context.clock.now()
    private, public = new_pair()

    def certified(ends: timedelta, *, sources: tuple[str, ...] = ()) -> SshIdentity:
        grant = Grant(
            serial=7,
            account="ann",
            key_id="test",
            created=now - timedelta(minutes=9),
            expires=now + ends,
            sources=sources,
        )
        return SshIdentity(account="ann", private_key=private, certificate=authority.certify(public, grant))

    async with entered(lab, certified(timedelta(minutes=5))) as connection:
        assert await says(connection, "id -un") == "ann"
    for bad in (certified(timedelta(minutes=-1)), certified(timedelta(minutes=5), sources=("192.0.2.0/24",))):
        with pytest.raises(asyncssh.PermissionDenied):
            async with entered(lab, bad):
                pass


async def test_a_key_proves_an_account_and_may_no_more_than_its_line(
    platform: Platform, lab: SshHosts, bob: Actor, identities: ConnectorIdentities
) -> None:
    links = platform.services.account_links
    place = await links.link(bob, "keyed", "ben")
    with pytest.raises(AccountUnprovenError, match="does not let the account"):
        await links.check(bob, "keyed")
    await as_person(lab, "ben", "cp -p ~/.ssh/authorized_keys ~/.ssh/before")
    try:
        await as_person(lab, "ben", f"echo {shlex.quote(place.line)} >> ~/.ssh/authorized_keys")
        proven = await links.check(bob, "keyed")
        assert proven.link is not None
        assert proven.link.proof is Proof.KEY
        async with entered(lab, await identities.identity("keyed", "ben")) as connection:
            assert await says(connection, "id -un") == "ben"
            assert await forwards(connection)
            with pytest.raises(asyncssh.ChannelOpenError):
                async with connection.create_process("tty", term_type="xterm"):
                    pass
        # Who took the key elsewhere has the account that let it in, and no other.
        elsewhere = await identities.identity("keyed", "ben")
        with pytest.raises(asyncssh.PermissionDenied):
            async with entered(lab, replace(elsewhere, account="ann")):
                pass
    finally:
        await as_person(lab, "ben", "mv ~/.ssh/before ~/.ssh/authorized_keys")
    with pytest.raises(AccountUnprovenError):
        await links.check(bob, "keyed")


async def test_a_key_proves_an_account_behind_a_jump_host(platform: Platform, lab: SshHosts, bob: Actor) -> None:
    links = platform.services.account_links
    place = await links.link(bob, "beyond", "ben")
    both = (lab.front, lab.inner)
    for host in both:
        await as_person(lab, "ben", "cp -p ~/.ssh/authorized_keys ~/.ssh/before", on=host)
    try:
        for host in both:
            with pytest.raises(AccountUnprovenError):
                await links.check(bob, "beyond")
            await as_person(lab, "ben", f"echo {shlex.quote(place.line)} >> ~/.ssh/authorized_keys", on=host)
        assert (await links.check(bob, "beyond")).is_proven
        ben = RelayedHosts(platform.settings.hosts_socket).host("beyond", "ben")
        assert (await ben.run(["hostname"])).text == "inner\n"
    finally:
        for host in both:
            await as_person(lab, "ben", "mv ~/.ssh/before ~/.ssh/authorized_keys", on=host)


async def test_an_account_of_the_system_is_not_proven_by_any_name(
    platform: Platform, ada: Actor, identities: ConnectorIdentities
) -> None:
    for name in ("root", "0", "5001", "sshd"):
        with pytest.raises(AccountNameError):
            await platform.services.account_links.link(ada, "cluster", name)


async def test_an_administrators_entry_is_refused_by_the_host_itself(
    platform: Platform, lab: SshHosts, identities: ConnectorIdentities
) -> None:
    admin = await platform.person("root", role=Role.ADMINISTRATOR)
    await platform.person("caroline")
    await platform.services.account_links.enter(admin, "cluster", person="caroline", account="nosuch")
    identity = await identities.identity("cluster", "nosuch")
    with pytest.raises(asyncssh.PermissionDenied):
        async with entered(lab, identity):
            pass
