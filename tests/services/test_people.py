"""Accounts: names, roles, invitations, links, and who may do what to whom."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from specola.clock import ManualClock
from specola.domain.errors import (
    AccountDisabledError,
    ConflictError,
    DeniedError,
    InvalidError,
    MissingError,
    NameTakenError,
    SignInError,
    SpecolaError,
    UnauthenticatedError,
)
from specola.domain.person import Actor, Role, Scope
from specola.storage.store import Store
from tests.support.house import AGENT, PASSWORD, House

pytestmark = pytest.mark.anyio


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House.build(store, clock)


# -- making accounts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "A",
        "ada ",
        "Ada",
        "1da",
        "-ada",
        "a" * 33,
        "ada\n",
        "ada\0",
        "àda",
        "a.b",
        "a_b",
        "admin'--",
        "\u0430da",
        "\ud800a",
    ],
)
async def test_names_that_are_not_names_are_refused(house: House, name: str) -> None:
    with pytest.raises(InvalidError) as caught:
        await house.people.create(name)
    assert caught.value.field == "name"
    with pytest.raises(MissingError):
        await house.people.sign_in_link(name)


async def test_every_account_has_a_number_of_its_own_from_100000_on(house: House) -> None:
    made = [await house.people.create(name) for name in ("ada", "bea", "cyd")]
    assert [one.number for one in made] == [100_000, 100_001, 100_002]


async def test_accounts_made_at_the_same_time_have_different_numbers(house: House) -> None:
    made = await asyncio.gather(*(house.people.create(f"person-{n}") for n in range(12)))
    assert len({one.number for one in made}) == 12


async def test_a_name_is_given_once(house: House) -> None:
    results = await asyncio.gather(*(house.people.create("ada") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, NameTakenError) for one in results) == 4


async def test_a_full_name_is_one_line_without_tricks(house: House) -> None:
    made = await house.people.create("ada", full_name="  Ada\n\u202e Lovelace\0 \ud800" + "x" * 200)
    assert made.full_name.startswith("Ada Lovelace")
    assert len(made.full_name) == 100


async def test_the_first_administrator_is_made_once(house: House) -> None:
    first = await house.people.first_administrator()
    assert first is not None
    assert (first.name, first.is_administrator) == ("admin", True)
    assert await house.people.first_administrator() == first
    await house.session_secret("admin")
    assert await house.people.first_administrator() is None


async def test_no_first_administrator_once_somebody_has_signed_in(house: House) -> None:
    await house.enter("root", role=Role.ADMINISTRATOR)
    assert await house.people.first_administrator() is None


async def test_an_ordinary_account_called_admin_is_not_made_administrator(house: House) -> None:
    await house.people.create("admin")
    assert await house.people.first_administrator() is None


# -- administration -----------------------------------------------------------------------------------------------------


async def test_an_ordinary_person_administers_nothing(house: House) -> None:
    ada = await house.enter("ada")
    tries: list[Callable[[], Awaitable[object]]] = [
        lambda: house.people.list(ada),
        lambda: house.people.set_role(ada, "ada", Role.ADMINISTRATOR),
        lambda: house.people.set_disabled(ada, "ada", disabled=True),
        lambda: house.people.link_for(ada, "ada"),
        lambda: house.people.invite(ada, role=Role.PERSON, note=""),
        lambda: house.people.invitations(ada),
        lambda: house.people.withdraw(ada, "x"),
    ]
    for attempt in tries:
        with pytest.raises(DeniedError):
            await attempt()


async def test_a_token_administers_only_with_the_scope(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    plain = await house.people.create_token(root, name="plain", scopes=frozenset({Scope.READ}), days=1)
    strong = await house.people.create_token(root, name="strong", scopes=frozenset(Scope), days=1)
    with pytest.raises(DeniedError, match="no scope"):
        await house.people.list(await house.people.actor_of_token(plain.secret))
    assert await house.people.list(await house.people.actor_of_token(strong.secret))


async def test_the_last_administrator_stays(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    with pytest.raises(ConflictError, match="last administrator"):
        await house.people.set_role(root, "root", Role.PERSON)
    with pytest.raises(ConflictError, match="last administrator"):
        await house.people.set_disabled(root, "root", disabled=True)


async def test_a_disabled_administrator_does_not_count(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    await house.people.create("deputy", role=Role.ADMINISTRATOR)
    await house.people.set_disabled(root, "deputy", disabled=True)
    with pytest.raises(ConflictError, match="last administrator"):
        await house.people.set_role(root, "root", Role.PERSON)


async def test_two_administrators_demoting_each_other_leave_one(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    deputy = await house.enter("deputy", role=Role.ADMINISTRATOR)
    results = await asyncio.gather(
        house.people.set_role(root, "deputy", Role.PERSON),
        house.people.set_role(deputy, "root", Role.PERSON),
        return_exceptions=True,
    )
    assert sum(isinstance(one, DeniedError) for one in results) == 1
    assert sum(one.is_administrator for one in await house.everybody()) == 1


async def test_who_is_demoted_loses_the_scope_of_session_and_tokens(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    deputy = await house.enter("deputy", role=Role.ADMINISTRATOR)
    token = await house.people.create_token(deputy, name="t", scopes=frozenset(Scope), days=None)
    await house.people.set_role(root, "deputy", Role.PERSON)
    assert not (await house.people.actor_of_token(token.secret)).may(Scope.ADMINISTRATION)
    assert not (await house.enter("deputy")).may(Scope.ADMINISTRATION)


async def test_a_disabled_account_is_out_at_once_in_every_way(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    ada = await house.member("ada")
    session = await house.session_secret("ada")
    token = await house.people.create_token(ada, name="t", scopes=frozenset({Scope.READ}), days=None)
    link = await house.people.sign_in_link("ada")
    await house.people.set_disabled(root, "ada", disabled=True)

    with pytest.raises(UnauthenticatedError):
        await house.people.actor_of_session(session)
    with pytest.raises(UnauthenticatedError):
        await house.people.actor_of_token(token.secret)
    with pytest.raises(SignInError):
        await house.people.sign_in_by_link(link.secret, client=AGENT)
    with pytest.raises(AccountDisabledError):
        await house.people.sign_in("ada", PASSWORD, client=AGENT)
    with pytest.raises(UnauthenticatedError):
        await house.people.actor_of(ada.person.id)
    with pytest.raises(ConflictError):
        await house.people.link_for(root, "ada")
    assert {f"person:{ada.person.id}", f"session:{ada.session}", f"token:{token.value.id}"} <= set(await house.marks())

    await house.people.set_disabled(root, "ada", disabled=False)
    await house.people.sign_in("ada", PASSWORD, client=AGENT)
    with pytest.raises(UnauthenticatedError):
        await house.people.actor_of_token(token.secret)


async def test_that_an_account_is_disabled_is_told_to_its_owner_only(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    await house.member("ada")
    await house.people.set_disabled(root, "ada", disabled=True)
    with pytest.raises(SignInError):
        await house.people.sign_in("ada", "something else", client=AGENT)


# -- links and invitations ----------------------------------------------------------------------------------------------


async def test_a_link_is_spent_by_whoever_is_first(house: House) -> None:
    await house.people.create("ada")
    link = await house.people.sign_in_link("ada")
    attempts = (house.people.sign_in_by_link(link.secret, client=AGENT) for _ in range(5))
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(one, SignInError) for one in results) == 4


async def test_a_link_dies_with_the_next_one_and_after_a_day(house: House) -> None:
    await house.people.create("ada")
    first = await house.people.sign_in_link("ada")
    second = await house.people.sign_in_link("ada")
    with pytest.raises(SignInError):
        await house.people.sign_in_by_link(first.secret, client=AGENT)
    house.clock.advance(timedelta(days=1))
    with pytest.raises(SignInError):
        await house.people.sign_in_by_link(second.secret, client=AGENT)


@pytest.mark.parametrize("secret", ["", "x", "\ud800", "a\0b", "x" * 100_000])
async def test_strange_secrets_are_unknown_and_not_our_fault(house: House, secret: str) -> None:
    tries: list[Callable[[], Awaitable[object]]] = [
        lambda: house.people.sign_in_by_link(secret, client=AGENT),
        lambda: house.people.actor_of_session(secret),
        lambda: house.people.actor_of_token(secret),
        lambda: house.people.invitation(secret),
        lambda: house.people.sign_in(secret, secret, client=AGENT),
    ]
    for attempt in tries:
        with pytest.raises(UnauthenticatedError):
            await attempt()


async def test_an_invitation_makes_an_account_and_signs_in(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    shown = await house.people.invite(root, role=Role.ADMINISTRATOR, note="  for\n Ada ")
    assert shown.value.note == "for Ada"
    assert list(await house.people.invitations(root)) == [shown.value]
    session = await house.people.accept(shown.secret, name="ada", full_name="Ada", password=PASSWORD, client=AGENT)
    ada = await house.people.actor_of_session(session.secret)
    assert (ada.person.name, ada.person.role, ada.person.has_password) == ("ada", Role.ADMINISTRATOR, True)
    assert list(await house.people.invitations(root)) == []
    await house.people.sign_in("ada", PASSWORD, client=AGENT)


async def accept(house: House, secret: str, name: str = "ada", password: str = PASSWORD) -> object:
    return await house.people.accept(secret, name=name, full_name="", password=password, client=AGENT)


async def test_an_invitation_is_accepted_once_even_at_the_same_time(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    shown = await house.people.invite(root, role=Role.PERSON, note="")
    results = await asyncio.gather(*(accept(house, shown.secret, f"ada-{n}") for n in range(4)), return_exceptions=True)
    assert sum(isinstance(one, SignInError) for one in results) == 3
    assert len(await house.everybody()) == 2


@pytest.mark.parametrize(
    ("name", "password", "error"),
    [("root", PASSWORD, NameTakenError), ("Ada", PASSWORD, InvalidError), ("ada", "too short", InvalidError)],
)
async def test_a_mistake_does_not_spend_the_invitation(
    house: House, name: str, password: str, error: type[SpecolaError]
) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    shown = await house.people.invite(root, role=Role.PERSON, note="")
    with pytest.raises(error):
        await accept(house, shown.secret, name, password)
    assert await accept(house, shown.secret)


async def test_an_invitation_ends_when_withdrawn_or_late(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    withdrawn = await house.people.invite(root, role=Role.PERSON, note="")
    late = await house.people.invite(root, role=Role.PERSON, note="", days=2)
    await house.people.withdraw(root, withdrawn.value.id)
    with pytest.raises(MissingError):
        await house.people.withdraw(root, withdrawn.value.id)
    house.clock.advance(timedelta(days=2))
    for secret in (withdrawn.secret, late.secret):
        with pytest.raises(SignInError):
            await accept(house, secret)
    assert list(await house.people.invitations(root)) == []


@pytest.mark.parametrize("days", [0, -1, 91])
async def test_an_invitation_lasts_1_to_90_days(house: House, days: int) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    with pytest.raises(InvalidError):
        await house.people.invite(root, role=Role.PERSON, note="", days=days)


# -- one's own account --------------------------------------------------------------------------------------------------


async def test_a_full_name_can_be_changed(house: House) -> None:
    ada = await house.enter("ada")
    assert (await house.people.rename(ada, "Ada\tLovelace")).full_name == "Ada Lovelace"


async def test_a_token_changes_nothing_about_the_account(house: House) -> None:
    ada = await house.member("ada")
    shown = await house.people.create_token(ada, name="t", scopes=ada.scopes, days=None)
    token = await house.people.actor_of_token(shown.secret)
    tries: list[Callable[[], Awaitable[object]]] = [
        lambda: house.people.rename(token, "x"),
        lambda: house.people.change_password(token, current=PASSWORD, wanted="another " + PASSWORD),
        lambda: house.people.create_token(token, name="child", scopes=frozenset({Scope.READ}), days=1),
        lambda: house.people.end_session(token, ada.session or ""),
    ]
    for attempt in tries:
        with pytest.raises(DeniedError):
            await attempt()


async def test_the_command_line_on_the_host_acts_for_anybody(house: House) -> None:
    await house.people.create("ada")
    actor: Actor = await house.people.actor_on_host("ada")
    shown = await house.people.create_token(actor, name="host", scopes=frozenset({Scope.READ}), days=30)
    assert (await house.people.actor_of_token(shown.secret)).person.name == "ada"
    with pytest.raises(MissingError):
        await house.people.actor_on_host("nobody")


async def test_everybody_is_listed_by_name(house: House) -> None:
    root = await house.enter("root", role=Role.ADMINISTRATOR)
    for name in ("cyd", "ada", "bea"):
        await house.people.create(name)
    assert [one.name for one in await house.people.list(root)] == ["ada", "bea", "cyd", "root"]
