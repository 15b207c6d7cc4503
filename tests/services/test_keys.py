"""Public keys and certificates: what is taken, whose it is, and what ends with what."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import SSHCertificate, load_ssh_public_identity

from specola.authorities.ssh import SshAuthority
from specola.clock import ManualClock
from specola.domain.errors import (
    ConflictError,
    DeniedError,
    InvalidError,
    MissingError,
    TooManyAttemptsError,
    UnauthenticatedError,
)
from specola.domain.found import FoundPort
from specola.domain.person import Actor, Scope
from specola.domain.software import Interface, Protocol
from specola.domain.task import Desired, TaskState
from specola.openssh import read_key
from specola.services.front_door import FrontDoor
from specola.services.keys import Keys
from specola.storage.store import Store
from tests.support.house import House
from tests.support.sshkeys import ecdsa_pair, pair, rsa_pair

pytestmark = pytest.mark.anyio

SECURITY_KEY = (
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIKQYoBsLeEvLNed4A1fjzx3woMC7AJGyPU5gLRfeXSYq"
    "AAAABHNzaDo= token"
)
SQL = Interface(name="db", port=5432)


class Door:
    """A house with keys and a front door."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        folder.mkdir(exist_ok=True)
        self.authority = SshAuthority(folder, house.sealer)
        self.authority.make()
        self.keys = Keys(store=house.store, clock=house.clock, authority=self.authority)
        self.front = FrontDoor(store=house.store, clock=house.clock, people=house.people)

    async def by_token(self, actor: Actor, *scopes: Scope, days: int = 90) -> Actor:
        shown = await self.house.people.create_token(
            actor, name=f"t{len(scopes)}-{days}", scopes=frozenset(scopes or (Scope.CONNECT, Scope.READ)), days=days
        )
        return await self.house.people.actor_of_token(shown.secret)


@pytest.fixture
def door(store: Store, clock: ManualClock, tmp_path: Path) -> Door:
    return Door(House.build(store, clock), tmp_path / "secrets")


@pytest.mark.parametrize(
    "make",
    [pair, ecdsa_pair, lambda: rsa_pair(3072), lambda: replace(pair(), public=SECURITY_KEY)],
    ids=["ed25519", "ecdsa", "rsa", "security key"],
)
async def test_usual_kinds_of_keys_are_taken(door: Door, make: Callable[[], object]) -> None:
    ada = await door.house.enter("ada")
    text = getattr(make(), "public")  # noqa: B009 - of either kind
    key = await door.keys.add(ada, f"  {text}\n", title="my\tlaptop")
    assert (key.title, key.last_used) == ("my laptop", None)
    assert key.fingerprint.startswith("SHA256:")
    assert [one.id for one in await door.keys.of(ada)] == [key.id]
    assert (await door.front.by_key(key.fingerprint)).actor.person.name == "ada"


BAD: dict[str, tuple[Callable[[], str], str]] = {
    "private": (lambda: pair().private, "private key"),
    "private on one line": (lambda: pair().private.replace("\n", " "), "private key"),
    "PuTTY": (lambda: "PuTTY-User-Key-File-3: ssh-ed25519", "private key"),
    "nothing": (lambda: "", "not one public key"),
    "two": (lambda: f"{pair().public}\n{pair().public}", "not one public key"),
    "half": (lambda: pair().public[:60], "damaged"),
    "another kind than it says": (lambda: "ssh-ed25519 " + ecdsa_pair().public.split()[1], "damaged"),
    "DSA": (lambda: "ssh-dss AAAAB3NzaC1kc3M=", "not taken"),
    "words": (lambda: "hello world", "no key"),
    "short RSA": (lambda: rsa_pair(2048).public, "2048 bits"),
    "certificate": (lambda: "ssh-ed25519-cert-v01@openssh.com AAAA", "certificate"),
    "other letters": (lambda: "ssh-ed25519 \u0430\u0430\u0430\u0430", "damaged"),
}


@pytest.mark.parametrize("which", BAD)
async def test_what_is_no_good_key_is_told(door: Door, which: str) -> None:
    make, words = BAD[which]
    text = make()
    ada = await door.house.enter("ada")
    with pytest.raises(InvalidError, match=words) as caught:
        await door.keys.add(ada, text)
    assert caught.value.field == "key"
    assert text[20:60] == "" or text[20:60] not in f"{caught.value} {caught.value.hint}"
    assert list(await door.keys.of(ada)) == []


async def test_a_key_belongs_to_one_person(door: Door) -> None:
    ada, bob = await door.house.enter("ada"), await door.house.enter("bob")
    text = pair().public
    key = await door.keys.add(ada, text)
    assert key.title == "ada@laptop"
    with pytest.raises(ConflictError, match="another account"):
        await door.keys.add(bob, text)
    with pytest.raises(ConflictError, match="already, as “ada@laptop”"):
        await door.keys.add(ada, text)
    with pytest.raises(MissingError):
        await door.keys.remove(bob, key.id)
    await door.keys.remove(ada, "ada@laptop")
    assert f"key:{key.id}" in await door.house.marks()
    with pytest.raises(UnauthenticatedError, match="on no account"):
        await door.front.by_key(key.fingerprint)
    await door.keys.add(bob, text)


async def test_a_key_that_a_token_added_ends_with_it(door: Door) -> None:
    ada = await door.house.enter("ada")
    token = await door.by_token(ada)
    assert token.token is not None
    mine, its = await door.keys.add(ada, pair("mine").public), await door.keys.add(token, pair("its").public)
    with pytest.raises(DeniedError):
        await door.keys.remove(token, mine.id)
    admission = await door.front.by_key(its.fingerprint)
    assert admission.actor.marks == (f"key:{its.id}", f"token:{token.token}", f"person:{ada.person.id}")
    await door.house.people.revoke_token(ada, token.token)
    with pytest.raises(UnauthenticatedError):
        await door.front.by_key(its.fingerprint)
    assert [one.id for one in await door.keys.of(ada)] == [mine.id]


async def test_tokens_that_do_not_connect_open_nothing(door: Door) -> None:
    ada = await door.house.enter("ada")
    reader = await door.by_token(ada, Scope.READ)
    for attempt in (door.keys.add(reader, pair().public), door.keys.certify(reader, pair().public)):
        with pytest.raises(DeniedError):
            await attempt
    shown = await door.house.people.create_token(ada, name="r", scopes=frozenset({Scope.READ}), days=1)
    with pytest.raises(DeniedError, match="does not open tasks"):
        await door.front.by_token(shown.secret, address="192.0.2.7")


async def test_a_certificate_names_its_person_and_ends_with_its_token(door: Door) -> None:
    ada = await door.house.enter("ada")
    token = await door.by_token(ada)
    assert token.token is not None
    text = pair().public
    issued = await door.keys.certify(token, text, hours=2)
    read = load_ssh_public_identity(issued.text.encode())
    assert isinstance(read, SSHCertificate)
    assert (read.serial, read.valid_principals) == (issued.value.serial, [b"ada"])
    read.verify_cert_signature()
    fingerprint = read_key(text).fingerprint
    serial = issued.value.serial
    admission = await door.front.by_certificate(serial, fingerprint)
    assert admission.expires == door.house.clock.now() + timedelta(hours=2)
    assert admission.actor.marks[:2] == (f"certificate:{serial}", f"token:{token.token}")
    with pytest.raises(UnauthenticatedError):
        await door.front.by_certificate(serial, read_key(pair().public).fingerprint)
    with pytest.raises(UnauthenticatedError):
        await door.front.by_certificate(serial + 1, fingerprint)
    await door.house.people.revoke_token(ada, token.token)
    with pytest.raises(UnauthenticatedError, match="taken back"):
        await door.front.by_certificate(serial, fingerprint)


@pytest.mark.parametrize("hours", [0, -1, 25, float("nan")])
async def test_a_certificate_lasts_some_hours(door: Door, hours: float) -> None:
    ada = await door.house.enter("ada")
    with pytest.raises(InvalidError, match="hours"):
        await door.keys.certify(ada, pair().public, hours=hours)
    with pytest.raises(InvalidError, match="security key"):
        await door.keys.certify(ada, SECURITY_KEY)


async def test_one_enters_ones_own_running_tasks(door: Door) -> None:
    ada, bob = await door.house.enter("ada"), await door.house.enter("bob")
    task = await door.house.add_task(ada, SQL)
    key = await door.keys.add(ada, pair().public)
    by = f"key:{key.id}"
    waiting = await door.front.enter(by, task.id)
    assert waiting.reason is not None
    async with door.house.store.write() as transaction:
        await transaction.tasks.save(replace(task, handle="h"))
    for name in (task.id, "A task"):
        entered = await door.front.enter(by, name)
        assert (entered.task.id, entered.reason, dict(entered.ports)) == (task.id, None, {"db": 5432})
        assert entered.marks == (by, f"person:{ada.person.id}", f"task:{task.id}")
    [used] = await door.keys.of(ada)
    assert used.last_used == door.house.clock.now()
    for name in ("nothing", "", "k3f9x2ab4c\0", "'; drop table task; --"):
        with pytest.raises(MissingError):
            await door.front.enter(by, name)
    other = await door.keys.add(bob, pair().public)
    with pytest.raises(MissingError):
        await door.front.enter(f"key:{other.id}", task.id)


async def test_why_a_task_cannot_be_entered_is_told(door: Door) -> None:
    ada = await door.house.enter("ada")
    key = await door.keys.add(ada, pair().public)
    await door.house.add_task(ada, SQL, id="starting00", state=TaskState.STARTING)
    ended = await door.house.add_task(ada, SQL, id="stopped000", state=TaskState.STOPPED)
    stopping = await door.house.add_task(ada, SQL, id="stopping00")
    async with door.house.store.write() as transaction:
        await transaction.tasks.want(stopping, Desired.STOPPED)
    for name, words in (("starting00", "not running yet"), (ended.id, "has ended"), ("stopping00", "being stopped")):
        entered = await door.front.enter(f"key:{key.id}", name)
        assert entered.reason is not None
        assert words in entered.reason.sentence


async def test_an_expired_certificate_begins_nothing_and_ends_nothing(door: Door) -> None:
    ada = await door.house.enter("ada")
    task = await door.house.add_task(ada, SQL)
    issued = await door.keys.certify(ada, pair().public, hours=1)
    by = f"certificate:{issued.value.serial}"
    door.house.clock.advance(timedelta(hours=1))
    with pytest.raises(UnauthenticatedError, match="expired"):
        await door.front.enter(by, task.id)
    assert (await door.front.enter(by, task.id, live=True)).task.id == task.id
    await door.house.people.sign_out(ada)
    with pytest.raises(UnauthenticatedError):
        await door.front.enter(by, task.id, live=True)


@pytest.mark.parametrize("by", ["", "key:", "person:p", "certificate:x", "certificate:٣", "token:", "session:s"])
async def test_other_marks_let_nobody_in(door: Door, by: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await door.front.enter(by, "k3f9x2ab4c")


async def test_guesses_of_tokens_are_limited_by_address(door: Door) -> None:
    ada = await door.house.enter("ada")
    shown = await door.house.people.create_token(ada, name="x", scopes=frozenset({Scope.CONNECT}), days=1)
    for _ in range(20):
        with pytest.raises(UnauthenticatedError):
            await door.front.by_token("specola_wrong", address="192.0.2.7")
    with pytest.raises(TooManyAttemptsError):
        await door.front.by_token(shown.secret, address="192.0.2.7")
    assert (await door.front.by_token(shown.secret, address="192.0.2.8")).actor.token == shown.value.id


async def test_authorities_are_sealed_files_that_stay(door: Door, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    files = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert files == {"ssh_user_authority": 0o600, "ssh_host_authority": 0o600, "ssh_host_key": 0o600}
    assert all(b"PRIVATE" not in path.read_bytes() for path in folder.iterdir())
    again = SshAuthority(folder, door.house.sealer)
    again.make()
    assert (again.users, again.hosts) == (door.authority.users, door.authority.hosts)
    assert again.users != again.hosts
    line = door.keys.known_hosts(("localhost", "::1"), 2222)
    assert line.startswith("@cert-authority [localhost]:2222,[::1]:2222 ssh-ed25519 AAAA")
    assert door.keys.known_hosts(("a.test",), 22).startswith("@cert-authority a.test ssh-ed25519")


async def test_found_ports_may_be_forwarded_to_while_they_are_there(door: Door) -> None:
    ada = await door.house.enter("ada")
    key = await door.keys.add(ada, pair().public)
    task = await door.house.add_task(ada, Interface(name="lab", port=8888))
    found = FoundPort(port=8501, protocol=Protocol.HTTP, loopback=True)
    async with door.house.store.write() as transaction:
        await transaction.tasks.save(replace(task, handle="h"))
        await transaction.found.set(task, [found], at=task.created)
    assert (await door.front.enter(f"key:{key.id}", task.id)).ports == {"lab": 8888, "port-8501": 8501}
    async with door.house.store.write() as transaction:
        await transaction.found.set(task, [], at=task.created)
    assert (await door.front.enter(f"key:{key.id}", task.id)).ports == {"lab": 8888}
