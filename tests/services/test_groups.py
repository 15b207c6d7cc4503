"""Groups: who sees them, who changes them, and who is told."""

from collections.abc import Awaitable, Callable

import pytest

from specola.clock import ManualClock
from specola.domain.errors import DeniedError, InvalidError, MissingError, NameTakenError
from specola.domain.person import ALL_SCOPES, Actor, Role
from specola.services.groups import Gathered, Groups
from specola.storage.store import Store
from tests.support.house import House

pytestmark = pytest.mark.anyio


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House.build(store, clock)


@pytest.fixture
def groups(house: House) -> Groups:
    return Groups(store=house.store, clock=house.clock)


def names(gathered: Gathered) -> list[str]:
    return [person.name for person in gathered.people]


async def test_administrators_make_groups_and_members_see_theirs(house: House, groups: Groups) -> None:
    admin, ada = await house.enter("root", role=Role.ADMINISTRATOR), await house.enter("ada")
    bob = await house.enter("bob")
    made = await groups.create(admin, "survey", title="The  survey")
    assert (made.group.title, names(made)) == ("The survey", [])
    await groups.join(admin, "survey", "bob")
    shown = await groups.join(admin, "survey", "ada", manages=True)
    assert (names(shown), [one.name for one in shown.managers]) == (["ada", "bob"], ["ada"])
    assert [one.group.name for one in await groups.list(bob)] == ["survey"]
    assert (await groups.get(ada, made.group.id)).group.name == "survey"
    eve = await house.enter("eve")
    assert await groups.list(eve) == []
    for attempt in (groups.get(eve, "survey"), groups.leave(eve, "survey", "eve"), groups.retitle(eve, "survey", "x")):
        with pytest.raises(MissingError):
            await attempt
    async with house.store.read() as tx:
        assert [one.id for one in await tx.groups.of(bob.person.id)] == [made.group.id]
        assert list(await tx.groups.of("nobody")) == []


async def test_managers_say_who_is_in_and_no_more(house: House, groups: Groups) -> None:
    admin, ada = await house.enter("root", role=Role.ADMINISTRATOR), await house.enter("ada")
    bob = await house.enter("bob")
    await groups.create(admin, "survey")
    await groups.join(admin, "survey", "ada", manages=True)
    await groups.join(ada, "survey", "bob")
    assert (await groups.retitle(ada, "survey", "")).group.title == "survey"
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: groups.create(ada, "mine"),
        lambda: groups.remove(ada, "survey"),
        lambda: groups.join(ada, "survey", "bob", manages=True),
        lambda: groups.join(ada, "survey", "ada", manages=False),
        lambda: groups.join(bob, "survey", "root"),
        lambda: groups.leave(bob, "survey", "ada"),
        lambda: groups.join(as_token(ada), "survey", "root"),
        lambda: groups.leave(as_token(ada), "survey", "ada"),
    ]
    for attempt in attempts:
        with pytest.raises(DeniedError):
            await attempt()
    await groups.leave(bob, "survey", "bob")
    assert names(await groups.leave(admin, "survey", "bob")) == ["ada"]
    assert names(await groups.join(as_token(admin), "survey", "bob")) == ["ada", "bob"]


async def test_names_are_told_apart(house: House, groups: Groups) -> None:
    admin = await house.enter("root", role=Role.ADMINISTRATOR)
    await groups.create(admin, "survey")
    with pytest.raises(NameTakenError):
        await groups.create(admin, "survey")
    for name in ("Survey", "s", "a b", "-a", "x" * 33):
        with pytest.raises(InvalidError):
            await groups.create(admin, name)
    with pytest.raises(MissingError, match="person"):
        await groups.join(admin, "survey", "nobody")


async def test_who_joins_leaves_or_loses_a_group_is_told(house: House, groups: Groups) -> None:
    admin, ada = await house.enter("root", role=Role.ADMINISTRATOR), await house.enter("ada")
    await groups.create(admin, "survey")

    async def told_since(number: int) -> list[str | None]:
        async with house.store.read() as tx:
            return [one.owner for one in await tx.changes.after(number) if one.topic == "person"]

    for step in (
        lambda: groups.join(admin, "survey", "ada"),
        lambda: groups.leave(admin, "survey", "ada"),
        lambda: groups.join(admin, "survey", "ada"),
        lambda: groups.remove(admin, "survey"),
    ):
        async with house.store.read() as tx:
            newest = await tx.changes.newest()
        await step()
        assert ada.person.id in await told_since(newest)
    assert await groups.list(ada) == []


def as_token(actor: Actor) -> Actor:
    return Actor(person=actor.person, scopes=actor.scopes & ALL_SCOPES, token="t1")
