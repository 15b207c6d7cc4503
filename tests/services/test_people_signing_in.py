"""Signing in: passwords, the limit on attempts, sessions that slide and end, tokens."""

import asyncio
from datetime import timedelta

import pytest

from specola.clock import ManualClock
from specola.domain.errors import (
    DeniedError,
    InvalidError,
    LimitError,
    MissingError,
    NameTakenError,
    SignInError,
    TooManyAttemptsError,
    UnauthenticatedError,
)
from specola.domain.person import Scope
from specola.services.admissions import LONGEST_SESSION
from specola.services.people import Client
from specola.storage.store import Store
from tests.support.house import AGENT, PASSWORD, SESSION_LIFE, House

pytestmark = pytest.mark.anyio

OTHER = "another good password"


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House.build(store, clock)


async def fail(house: House, name: str = "ada", *, address: str = "192.0.2.7", times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(SignInError):
            await house.people.sign_in(name, "wrong password", client=Client(address=address))


# -- passwords ----------------------------------------------------------------------------------------------------------


async def test_the_right_password_opens_a_session(house: House) -> None:
    ada = await house.member("ada")
    shown = await house.people.sign_in(
        "ada", PASSWORD, client=Client(address="192.0.2.7", agent="Lynx\r\n" + "x" * 999)
    )
    assert shown.value.person == ada.person.id
    assert (shown.value.address, len(shown.value.client)) == ("192.0.2.7", 200)
    assert shown.secret not in repr(shown)
    actor = await house.people.actor_of_session(shown.secret)
    assert (actor.person.id, actor.session, actor.token) == (ada.person.id, shown.value.id, None)


@pytest.mark.parametrize("name", ["ada", "nobody", "Ada", "", "ada\0", "x" * 10_000])
async def test_a_wrong_name_and_a_wrong_password_are_told_alike(house: House, name: str) -> None:
    await house.member("ada")
    with pytest.raises(SignInError, match="do not match an account"):
        await house.people.sign_in(name, "wrong password", client=AGENT)


async def test_an_account_without_a_password_has_no_password(house: House) -> None:
    await house.people.create("ada")
    await fail(house)
    with pytest.raises(SignInError):
        await house.people.sign_in("ada", "", client=AGENT)


async def test_the_same_characters_typed_on_another_keyboard_fit(house: House) -> None:
    ada = await house.enter("ada")
    await house.people.change_password(ada, current="", wanted="caf\u00e9 cr\u00e8me 7")
    await house.people.sign_in("ada", "cafe\u0301 cre\u0300me 7", client=AGENT)


@pytest.mark.parametrize("wanted", ["", "123456789", "a" * 10, "ada-lovelace", "x" * 1001])
async def test_passwords_that_are_not_good_are_refused(house: House, wanted: str) -> None:
    ada = await house.enter("ada-lovelace")
    with pytest.raises(InvalidError) as caught:
        await house.people.change_password(ada, current="", wanted=wanted)
    assert caught.value.field == "password"


async def test_changing_the_password_asks_for_the_current_one_and_ends_other_sessions(house: House) -> None:
    ada = await house.member("ada")
    other = await house.session_secret("ada")
    link = await house.people.sign_in_link("ada")
    with pytest.raises(SignInError, match="current password"):
        await house.people.change_password(ada, current="wrong password", wanted=OTHER)
    await house.people.change_password(ada, current=PASSWORD, wanted=OTHER)
    with pytest.raises(UnauthenticatedError):
        await house.people.actor_of_session(other)
    with pytest.raises(SignInError):
        await house.people.sign_in_by_link(link.secret, client=AGENT)
    assert [one.id for one in await house.people.sessions(ada)] == [ada.session]
    with pytest.raises(SignInError):
        await house.people.sign_in("ada", PASSWORD, client=AGENT)
    await house.people.sign_in("ada", OTHER, client=AGENT)


async def test_a_stolen_session_cannot_guess_the_password(house: House) -> None:
    ada = await house.member("ada")
    for _ in range(5):
        with pytest.raises(SignInError):
            await house.people.change_password(ada, current="wrong password", wanted=OTHER)
    with pytest.raises(TooManyAttemptsError):
        await house.people.change_password(ada, current=PASSWORD, wanted=OTHER)


# -- the limit on attempts ----------------------------------------------------------------------------------------------


async def test_a_name_waits_longer_with_each_failure_and_a_minute_at_most(house: House) -> None:
    await house.member("ada")
    await fail(house, times=5)
    waits = []
    for _ in range(8):
        with pytest.raises(TooManyAttemptsError) as caught:
            await house.people.sign_in("ada", PASSWORD, client=AGENT)
        waits.append(caught.value.seconds)
        house.clock.advance(timedelta(seconds=caught.value.seconds))
        await fail(house)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    house.clock.advance(timedelta(seconds=60))
    await house.people.sign_in("ada", PASSWORD, client=AGENT)
    await fail(house, times=4)  # the name begins again


async def test_a_hundred_attempts_at_the_same_time_are_counted_one_by_one(house: House) -> None:
    await house.member("ada")
    attempts = (house.people.sign_in("ada", "wrong password", client=AGENT) for _ in range(100))
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(one, SignInError) for one in results) == 5
    assert sum(isinstance(one, TooManyAttemptsError) for one in results) == 95


async def test_one_name_does_not_make_another_wait(house: House) -> None:
    await house.member("ada")
    await house.member("bea")
    await fail(house, "ada", times=5)
    await house.people.sign_in("bea", PASSWORD, client=AGENT)


async def test_an_address_that_tries_many_names_waits(house: House) -> None:
    await house.member("ada")
    for number in range(20):
        await fail(house, f"guess-{number}")
    with pytest.raises(TooManyAttemptsError):
        await house.people.sign_in("ada", PASSWORD, client=AGENT)
    await house.people.sign_in("ada", PASSWORD, client=Client(address="198.51.100.1"))


async def test_an_account_of_ones_own_does_not_clear_ones_address(house: House) -> None:
    await house.member("mallory")
    for number in range(20):
        await fail(house, f"guess-{number}")
        if number % 5 == 0:
            await house.people.sign_in("mallory", PASSWORD, client=AGENT)
    with pytest.raises(TooManyAttemptsError):
        await fail(house, "guess-21")


async def test_all_addresses_of_one_ipv6_network_are_one(house: House) -> None:
    for number in range(20):
        await fail(house, f"guess-{number}", address=f"2001:db8:1:1::{number + 1:x}")
    with pytest.raises(TooManyAttemptsError):
        await house.people.sign_in("ada", PASSWORD, client=Client(address="2001:db8:1:1:ffff::1"))
    await fail(house, "guess-21", address="2001:db8:1:2::1")


async def test_failures_are_forgotten_after_an_hour(house: House) -> None:
    await house.member("ada")
    await fail(house, times=5)
    house.clock.advance(timedelta(hours=1, seconds=1))
    await fail(house, times=5)


async def test_a_clock_that_goes_back_locks_nobody_out(house: House) -> None:
    await house.member("ada")
    await fail(house, times=5)
    house.clock.advance(-timedelta(days=30))
    with pytest.raises(TooManyAttemptsError) as caught:
        await house.people.sign_in("ada", PASSWORD, client=AGENT)
    assert caught.value.seconds <= 60


# -- sessions -----------------------------------------------------------------------------------------------------------


async def test_a_session_slides_with_use_and_ends_without(house: House) -> None:
    await house.people.create("ada")
    secret = await house.session_secret("ada")
    for _ in range(3):
        house.clock.advance(SESSION_LIFE - timedelta(minutes=1))
        await house.people.actor_of_session(secret)
    house.clock.advance(SESSION_LIFE)
    with pytest.raises(UnauthenticatedError, match="ended"):
        await house.people.actor_of_session(secret)


async def test_a_session_ends_after_90_days_however_much_it_is_used(house: House) -> None:
    await house.people.create("ada")
    secret = await house.session_secret("ada")
    begun = house.clock.now()
    while house.clock.now() + timedelta(days=10) < begun + LONGEST_SESSION:
        house.clock.advance(timedelta(days=10))
        await house.people.actor_of_session(secret)
    house.clock.advance(timedelta(days=10))
    with pytest.raises(UnauthenticatedError):
        await house.people.actor_of_session(secret)


async def test_being_seen_is_written_once_a_minute(house: House) -> None:
    await house.people.create("ada")
    secret = await house.session_secret("ada")
    begun = house.clock.now()
    house.clock.advance(timedelta(seconds=59))
    ada = await house.people.actor_of_session(secret)
    assert (await house.people.sessions(ada))[0].last_seen == begun
    house.clock.advance(timedelta(seconds=1))
    await house.people.actor_of_session(secret)
    assert (await house.people.sessions(ada))[0].last_seen == house.clock.now()
    assert (await house.everybody())[0].last_seen == house.clock.now()


async def test_a_clock_that_goes_back_keeps_sessions(house: House) -> None:
    await house.people.create("ada")
    secret = await house.session_secret("ada")
    house.clock.advance(-timedelta(days=400))
    ada = await house.people.actor_of_session(secret)
    assert (await house.people.sessions(ada))[0].last_seen == house.clock.now()


async def test_signing_out_ends_this_session_and_tells_the_gateways(house: House) -> None:
    await house.people.create("ada")
    secret, other = await house.session_secret("ada"), await house.session_secret("ada")
    ada = await house.people.actor_of_session(secret)
    await house.people.sign_out(ada)
    await house.people.sign_out(ada)
    with pytest.raises(UnauthenticatedError):
        await house.people.actor_of_session(secret)
    await house.people.actor_of_session(other)
    assert await house.marks() == [f"session:{ada.session}"]


async def test_one_ends_ones_own_sessions_only(house: House) -> None:
    ada, bea = await house.enter("ada"), await house.enter("bea")
    assert ada.session
    with pytest.raises(MissingError):
        await house.people.end_session(bea, ada.session)
    await house.people.end_session(ada, ada.session)
    assert list(await house.people.sessions(ada)) == []


async def test_sessions_that_have_ended_are_cleared_away(house: House) -> None:
    """However often somebody signs in, the table holds what can still be used."""
    await house.people.create("ada")
    for _ in range(20):
        await house.session_secret("ada")
    house.clock.advance(SESSION_LIFE)
    await house.session_secret("ada")
    async with house.store.read() as transaction:
        ada = await transaction.people.named("ada")
        assert ada is not None
        assert len(await transaction.sessions.of(ada.id, now=house.clock.now() - 2 * SESSION_LIFE)) == 1


async def test_the_session_unused_for_longest_makes_room_for_the_51st(house: House) -> None:
    await house.people.create("ada")
    first = await house.session_secret("ada")
    last = first
    for _ in range(49):
        house.clock.advance(timedelta(seconds=1))
        last = await house.session_secret("ada")
    ada = await house.people.actor_of_session(first)
    assert len(await house.people.sessions(ada)) == 50
    house.clock.advance(timedelta(seconds=1))
    await house.session_secret("ada")
    with pytest.raises(UnauthenticatedError):
        await house.people.actor_of_session(first)
    await house.people.actor_of_session(last)
    assert await house.marks() == [f"session:{ada.session}"]


# -- tokens -------------------------------------------------------------------------------------------------------------


async def test_a_token_can_be_found_by_scanners_and_is_shown_once(house: House) -> None:
    ada = await house.enter("ada")
    shown = await house.people.create_token(ada, name=" laptop ", scopes=frozenset({Scope.READ}), days=30)
    assert shown.secret.startswith("specola_")
    assert len(shown.secret) == len("specola_") + 43
    assert list(await house.people.tokens(ada)) == [shown.value]
    assert shown.value.name == "laptop"
    actor = await house.people.actor_of_token(shown.secret)
    assert (actor.scopes, actor.token, actor.session) == (frozenset({Scope.READ}), shown.value.id, None)
    assert (await house.people.tokens(ada))[0].last_used == house.clock.now()


async def test_a_token_expires(house: House) -> None:
    ada = await house.enter("ada")
    shown = await house.people.create_token(ada, name="t", scopes=frozenset({Scope.READ}), days=1)
    house.clock.advance(timedelta(days=1))
    with pytest.raises(UnauthenticatedError, match="expired"):
        await house.people.actor_of_token(shown.secret)


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [
        ("", {Scope.READ}, 1),
        ("\u200b", {Scope.READ}, 1),
        ("t", set(), 1),
        ("t", {Scope.READ}, 0),
        ("t", {Scope.READ}, 4000),
    ],
)
async def test_tokens_that_make_no_sense_are_refused(house: House, name: str, scopes: set[Scope], days: int) -> None:
    ada = await house.enter("ada")
    with pytest.raises(InvalidError):
        await house.people.create_token(ada, name=name, scopes=frozenset(scopes), days=days)


async def test_a_token_does_no_more_than_its_person_may(house: House) -> None:
    ada = await house.enter("ada")
    with pytest.raises(DeniedError):
        await house.people.create_token(ada, name="t", scopes=frozenset({Scope.ADMINISTRATION}), days=1)


async def test_a_name_is_one_token_and_a_hundred_are_enough(house: House) -> None:
    ada = await house.enter("ada")
    for number in range(100):
        await house.people.create_token(ada, name=f"t{number}", scopes=frozenset({Scope.READ}), days=None)
    with pytest.raises(NameTakenError):
        await house.people.create_token(ada, name="t1", scopes=frozenset({Scope.READ}), days=None)
    with pytest.raises(LimitError):
        await house.people.create_token(ada, name="more", scopes=frozenset({Scope.READ}), days=None)


async def test_a_token_is_revoked_by_name_or_by_itself(house: House) -> None:
    ada, bea = await house.enter("ada"), await house.enter("bea")
    one = await house.people.create_token(ada, name="one", scopes=frozenset({Scope.READ}), days=None)
    two = await house.people.create_token(ada, name="two", scopes=frozenset({Scope.READ}), days=None)
    with pytest.raises(MissingError):
        await house.people.revoke_token(bea, one.value.id)
    acting = await house.people.actor_of_token(one.secret)
    with pytest.raises(DeniedError):
        await house.people.revoke_token(acting, "two")
    await house.people.revoke_token(acting, "one")
    await house.people.revoke_token(ada, "two")
    for shown in (one, two):
        with pytest.raises(UnauthenticatedError):
            await house.people.actor_of_token(shown.secret)
    assert await house.marks() == [f"token:{one.value.id}", f"token:{two.value.id}"]
