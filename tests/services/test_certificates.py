"""Client certificates: who gets one, what it opens, and what ends it."""

from datetime import timedelta
from pathlib import Path

import pytest

from specola.authorities.tls import TlsAuthority
from specola.cli.certificates import new_key
from specola.clock import ManualClock
from specola.domain.errors import (
    DeniedError,
    InvalidError,
    LimitError,
    MissingError,
    NoTlsError,
    UnauthenticatedError,
)
from specola.domain.person import Actor, Role, Scope
from specola.domain.software import Interface, Protocol
from specola.services.access import Decision, Outcome, Presented
from specola.services.certificates import Certificates
from specola.storage.store import Store
from tests.support.house import House

pytestmark = pytest.mark.anyio

TASK = "k3f9x2ab4c"
DB = Interface(name="db", port=5432, protocol=Protocol.POSTGRES)
_, REQUEST = new_key()


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House.build(store, clock)


@pytest.fixture
async def ada(house: House) -> Actor:
    """Somebody with a task, who signed in by a browser."""
    ada = await house.enter("ada")
    await house.add_task(ada, DB)
    return ada


@pytest.fixture
def certificates(store: Store, clock: ManualClock, tmp_path: Path) -> Certificates:
    authority = TlsAuthority.fresh(installation="abc", now=clock.now())
    return Certificates(store=store, clock=clock, authority=authority, server=tmp_path / "public.crt")


async def program(house: House, ada: Actor, *scopes: Scope, days: int | None = None) -> Actor:
    """Return ada as a program with a token."""
    wanted = frozenset(scopes or {Scope.CONNECT, Scope.READ})
    token = await house.people.create_token(ada, name=f"t{len(scopes)}", scopes=wanted, days=days)
    return await house.people.actor_of_token(token.secret)


async def issued(certificates: Certificates, actor: Actor, hours: float = 1) -> str:
    return (await certificates.issue(actor, request=REQUEST, hours=hours)).value.serial


async def decide(house: House, serial: str) -> Decision:
    return await house.access.decide(TASK, "db", Presented(certificate=serial))


async def test_a_certificate_opens_ones_own_task(house: House, ada: Actor, certificates: Certificates) -> None:
    actor = await program(house, ada)
    serial = await issued(certificates, actor)
    decision = await decide(house, serial)
    assert (decision.outcome, decision.person) == (Outcome.PASS, ada.person.id)
    assert set(decision.marks) == {
        f"certificate:{serial}", f"token:{actor.token}", f"person:{ada.person.id}", f"task:{TASK}"
    }  # fmt: skip
    by_browser = await decide(house, await issued(certificates, ada))
    assert f"session:{ada.session}" in by_browser.marks


async def test_anothers_certificate_opens_nothing(house: House, ada: Actor, certificates: Certificates) -> None:
    for role in (Role.PERSON, Role.ADMINISTRATOR):
        other = await house.enter(f"other-{role.value}", role=role)
        assert (await decide(house, await issued(certificates, other))).outcome is Outcome.MISSING
    assert (await decide(house, "1234")).outcome is Outcome.SIGN_IN


async def test_it_ends_in_time(house: House, ada: Actor, certificates: Certificates) -> None:
    serial = await issued(certificates, ada, hours=5 / 60)
    house.clock.advance(timedelta(minutes=4, seconds=30))
    assert (await decide(house, serial)).seconds == 30
    house.clock.advance(timedelta(seconds=30))
    assert (await decide(house, serial)).outcome is Outcome.SIGN_IN
    assert await certificates.list(ada) == []
    await issued(certificates, ada)
    async with house.store.read() as transaction:
        assert await transaction.certificates.get(serial) is None


async def test_it_lasts_no_longer_than_its_token(house: House, ada: Actor, certificates: Certificates) -> None:
    actor = await program(house, ada, days=1)
    house.clock.advance(timedelta(hours=20))
    made = await certificates.issue(actor, request=REQUEST, hours=24)
    assert made.value.expires == house.clock.now() + timedelta(hours=4)


@pytest.mark.parametrize("ending", ["token", "session", "certificate", "account"])
async def test_what_it_hangs_on_ends_it(house: House, ada: Actor, certificates: Certificates, ending: str) -> None:
    actor = ada if ending == "session" else await program(house, ada)
    serial = await issued(certificates, actor)
    if ending == "token":
        assert actor.token is not None
        await house.people.revoke_token(ada, actor.token)
    elif ending == "session":
        await house.people.sign_out(ada)
    elif ending == "certificate":
        await certificates.revoke(ada, serial)
    else:
        admin = await house.enter("root", role=Role.ADMINISTRATOR)
        await house.people.set_disabled(admin, "ada", disabled=True)
    assert (await decide(house, serial)).outcome is Outcome.SIGN_IN
    marks = {
        "token": f"token:{actor.token}",
        "session": f"session:{ada.session}",
        "certificate": f"certificate:{serial}",
        "account": f"person:{ada.person.id}",
    }
    assert marks[ending] in await house.marks()


async def test_only_ones_own_are_listed_and_revoked(house: House, ada: Actor, certificates: Certificates) -> None:
    serial = await issued(certificates, ada)
    eve = await house.enter("eve")
    assert [one.serial for one in await certificates.list(ada)] == [serial]
    assert await certificates.list(eve) == []
    with pytest.raises(MissingError):
        await certificates.revoke(eve, serial)


async def test_who_gets_none(house: House, ada: Actor, certificates: Certificates, clock: ManualClock) -> None:
    for hours in (0, -1, 0.05, 24.01, 1e300, float("nan"), float("inf")):
        with pytest.raises(InvalidError):
            await issued(certificates, ada, hours)
    with pytest.raises(DeniedError):
        await issued(certificates, await program(house, ada, Scope.READ))
    with pytest.raises(UnauthenticatedError):
        await issued(certificates, await house.people.actor_on_host("ada"))
    actor = await program(house, ada)
    assert actor.token is not None
    await house.people.revoke_token(ada, actor.token)
    with pytest.raises(UnauthenticatedError):
        await issued(certificates, actor)
    authority = TlsAuthority.fresh(installation="abc", now=clock.now())
    without = Certificates(store=house.store, clock=clock, authority=authority, server=None)
    with pytest.raises(NoTlsError):
        await issued(without, ada)


async def test_there_are_a_hundred_at_most(house: House, ada: Actor, certificates: Certificates) -> None:
    for _ in range(100):
        await issued(certificates, ada)
    with pytest.raises(LimitError):
        await issued(certificates, ada)
    house.clock.advance(timedelta(hours=1))
    await issued(certificates, ada)
