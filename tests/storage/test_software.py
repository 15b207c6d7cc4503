"""The collection of software, on each database."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from specola.clock import ManualClock
from specola.domain.software import Interface, Release, Resources, Software
from specola.storage.store import Store

pytestmark = pytest.mark.anyio


def release(number: int, clock: ManualClock) -> Release:
    return Release(
        id=f"r{number}",
        version=str(number),
        image=f"x:{number}",
        resources=Resources(cpus=number),
        interfaces=(Interface(name="web", port=80 + number),),
        created=clock.now(),
    )


def software(name: str, clock: ManualClock, **changes: Any) -> Software:
    usual = Software(
        id=f"s-{name}",
        name=name,
        title=name.title(),
        description="Über",
        owner="p1",
        tags=("a", "b"),
        homepage="https://example.test",
        releases=(replace(release(1, clock), id=f"r1-{name}"),),
        created=clock.now(),
    )
    return replace(usual, **changes)


async def save(store: Store, *entries: Software) -> None:
    async with store.write() as tx:
        for one in entries:
            await tx.software.save(one)


async def test_an_entry_comes_back_with_its_releases_in_order(store: Store, clock: ManualClock) -> None:
    entry = software("web", clock, releases=(release(2, clock), release(1, clock)))
    await save(store, entry)
    turned = replace(entry, title="Other", releases=(release(3, clock), release(1, clock), release(2, clock)))
    await save(store, turned)
    async with store.read() as tx:
        assert await tx.software.named("web") == [turned]
        assert await tx.software.named(entry.id) == [turned]
    fewer = replace(turned, releases=turned.releases[:1])
    await save(store, fewer)
    async with store.read() as tx:
        assert await tx.software.named("web") == [fewer]


async def test_a_person_sees_their_own_the_installations_and_shared_entries(store: Store, clock: ManualClock) -> None:
    await save(
        store,
        software("mine", clock),
        software("theirs", clock, owner="p2"),
        software("shared", clock, owner="p2", shared=True),
        software("shipped", clock, owner=None),
    )
    async with store.read() as tx:
        assert [one.name for one in await tx.software.visible("p1")] == ["mine", "shared", "shipped"]
        assert len(await tx.software.all()) == 4
        assert await tx.software.named("nothing") == []


@pytest.mark.parametrize("owner", ["p1", None])
async def test_a_name_is_unique_for_each_owner(store: Store, clock: ManualClock, owner: str | None) -> None:
    await save(store, software("web", clock, owner=owner))
    await save(store, software("web", clock, id="s2", owner="p2", releases=(release(5, clock),)))
    with pytest.raises(IntegrityError):
        await save(store, software("web", clock, id="s3", owner=owner, releases=(release(6, clock),)))


async def test_changes_are_told_to_those_who_see_them(store: Store, clock: ManualClock) -> None:
    async def told() -> list[tuple[str, str | None]]:
        async with store.read() as tx:
            return [(one.key, one.owner) for one in await tx.changes.after(seen)]

    seen = 0
    entry = software("web", clock)
    await save(store, entry)
    assert await told() == [("s-web", "p1")]
    seen = 1
    await save(store, replace(entry, shared=True))
    assert await told() == [("s-web", None)]
    seen = 2
    await save(store, entry)
    assert set(await told()) == {("s-web", "p1"), ("s-web", None)}


async def test_a_removed_entry_takes_its_releases_along(store: Store, clock: ManualClock) -> None:
    entry = software("web", clock)
    await save(store, entry)
    async with store.write() as tx:
        await tx.software.remove(entry)
    await save(store, entry)
    async with store.read() as tx:
        assert await tx.software.named("web") == [entry]


async def test_which_texts_are_installed_is_remembered(store: Store) -> None:
    async with store.write() as tx:
        await tx.software.save_shipped("a", "1" * 64)
        await tx.software.save_shipped("b", "2" * 64)
        await tx.software.save_shipped("a", "3" * 64)
        assert await tx.software.shipped() == {"a": "3" * 64, "b": "2" * 64}
