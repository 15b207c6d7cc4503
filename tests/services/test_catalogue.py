"""The catalogue: who sees and changes what, how releases follow each other, drafts, and what is shipped."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from specola.computing.memory.images import image
from specola.domain.errors import (
    ConflictError,
    DefinitionError,
    DeniedError,
    ImageUnknownError,
    InvalidError,
    MissingError,
    NameTakenError,
)
from specola.domain.software import Protocol, RunsAs, Software
from specola.domain.task import Wish
from specola.services.definition import read_definition
from tests.support.services import Installation

pytestmark = pytest.mark.anyio

WEB = "example.test/web:1"


def definition(name: str = "web", *, version: str = "", depth: int = 1, more: str = "") -> str:
    head = f"software: {name}\ntitle: The {name}\n{more}"
    return f"{head}image: {WEB}\nenvironment: {{DEPTH: '{depth}'}}\n" + (f"version: '{version}'\n" if version else "")


def names(entries: Sequence[Software]) -> list[str]:
    return [one.name for one in entries]


# -- seeing -----------------------------------------------------------------------------------------------------------


async def test_an_entry_is_its_owners_until_it_is_shared(house: Installation) -> None:
    entry = await house.catalogue.add(house.ada, definition())
    assert entry.owner == house.ada.person.id
    assert names(await house.catalogue.visible(house.ada)) == ["web"]
    assert names(await house.catalogue.visible(house.bob)) == []
    with pytest.raises(MissingError):
        await house.catalogue.get(house.bob, "web")
    await house.catalogue.set_shared(house.ada, "web", shared=True)
    assert (await house.catalogue.get(house.bob, "web")).id == entry.id
    await house.catalogue.set_shared(house.ada, entry.id, shared=False)
    assert names(await house.catalogue.visible(house.bob)) == []


async def test_a_search_finds_all_its_words_anywhere_in_any_case(house: Installation) -> None:
    await house.catalogue.add(house.ada, definition("stars", more="description: Finds GALAXIES\ntags: [sky]\n"))
    await house.catalogue.add(house.ada, definition("sum"))
    assert names(await house.catalogue.visible(house.ada, search="galaxies SKY the")) == ["stars"]
    assert names(await house.catalogue.visible(house.ada, search="galaxies sum")) == []


async def test_what_was_used_last_comes_first(house: Installation) -> None:
    for name in ("aa", "bb", "cc"):
        await house.catalogue.add(house.ada, definition(name))
    for name in ("bb", "cc"):
        await house.tasks.request(Wish(software=name), actor=house.ada)
        house.clock.advance(timedelta(minutes=1))
    assert names(await house.catalogue.visible(house.ada)) == ["cc", "bb", "aa"]


# -- changing ---------------------------------------------------------------------------------------------------------


async def test_the_digest_of_the_image_is_written_down_if_it_can_be_found_out(house: Installation) -> None:
    known = await house.catalogue.add(house.ada, definition())
    assert known.current.digest == house.world.images[WEB][0].digest
    assert known.current.id
    unknown = await house.catalogue.add(house.ada, "software: later\nimage: example.test/not-built-yet\n")
    assert unknown.current.digest is None


async def test_a_malformed_definition_saves_nothing(house: Installation) -> None:
    with pytest.raises(DefinitionError):
        await house.catalogue.add(house.ada, "software: web\n")
    assert names(await house.catalogue.visible(house.ada)) == []


async def test_what_is_exported_is_the_same_entry_when_it_is_added(house: Installation) -> None:
    text = definition(version="3", more="tags: [a]\nhomepage: https://example.test\n")
    await house.catalogue.add(house.ada, text)
    exported = await house.catalogue.export(house.ada, "web")
    copy = await house.catalogue.add(house.bob, exported)
    assert read_definition(exported) == read_definition(text)
    assert await house.catalogue.export(house.bob, copy.id) == exported


async def test_a_name_is_taken_by_whatever_its_owner_sees(house: Installation) -> None:
    await house.catalogue.install([definition("shipped")])
    await house.catalogue.add(house.ada, definition("mine"))
    await house.catalogue.add(house.bob, definition("theirs"))
    await house.catalogue.set_shared(house.bob, "theirs", shared=True)
    await house.catalogue.add(house.bob, definition("hidden"))
    for name in ("shipped", "mine", "theirs"):
        with pytest.raises(NameTakenError):
            await house.catalogue.add(house.ada, definition(name))
    await house.catalogue.add(house.ada, definition("other"))
    for name in ("shipped", "mine", "theirs"):
        with pytest.raises(NameTakenError):
            await house.catalogue.edit(house.ada, "other", definition(name))
    await house.catalogue.add(house.ada, definition("hidden"))


async def test_a_name_that_two_entries_came_to_share_means_ones_own(house: Installation) -> None:
    own = await house.catalogue.add(house.ada, definition())
    await house.catalogue.install([definition()])
    shipped = await house.catalogue.get(house.bob, "web")
    assert shipped.owner is None
    assert (await house.catalogue.get(house.ada, "web")).id == own.id
    assert (await house.catalogue.get(house.ada, shipped.id)).id == shipped.id
    with pytest.raises(NameTakenError):
        await house.catalogue.set_shared(house.ada, own.id, shared=True)


async def test_only_owner_and_administrators_change_an_entry(house: Installation) -> None:
    await house.catalogue.add(house.ada, definition())
    await house.catalogue.set_shared(house.ada, "web", shared=True)
    with pytest.raises(DeniedError):
        await house.catalogue.edit(house.bob, "web", definition(depth=2))
    with pytest.raises(DeniedError):
        await house.catalogue.remove(house.bob, "web")
    with pytest.raises(DeniedError):
        await house.catalogue.set_shared(house.bob, "web", shared=False)
    assert (await house.catalogue.edit(house.admin, "web", definition(depth=2))).owner == house.ada.person.id
    await house.catalogue.remove(house.admin, "web")
    with pytest.raises(MissingError):
        await house.catalogue.get(house.ada, "web")


async def test_a_strangers_private_entry_is_missing_and_not_denied(house: Installation) -> None:
    entry = await house.catalogue.add(house.ada, definition())
    for name in ("web", entry.id):
        with pytest.raises(MissingError):
            await house.catalogue.edit(house.bob, name, definition())
        with pytest.raises(MissingError):
            await house.catalogue.remove(house.bob, name)


async def test_the_installations_entries_are_the_administrators_to_change(house: Installation) -> None:
    await house.catalogue.install([definition()])
    with pytest.raises(DeniedError):
        await house.catalogue.edit(house.ada, "web", definition(depth=2))
    with pytest.raises(ConflictError):
        await house.catalogue.set_shared(house.admin, "web", shared=False)
    assert (await house.catalogue.edit(house.admin, "web", definition(depth=2))).owner is None


# -- releases ---------------------------------------------------------------------------------------------------------


async def test_what_is_said_of_the_entry_changes_no_release(house: Installation) -> None:
    before = await house.catalogue.add(house.ada, definition())
    after = await house.catalogue.edit(house.ada, "web", definition(more="description: More\n"))
    assert after.description == "More"
    assert after.releases == before.releases
    assert await house.catalogue.get(house.ada, "web") == after


async def test_a_changed_release_becomes_another_put_first(house: Installation) -> None:
    first = (await house.catalogue.add(house.ada, definition())).current
    entry = await house.catalogue.edit(house.ada, "web", definition(depth=2))
    assert [one.version for one in entry.releases] == ["1-2", "1"]
    assert entry.releases[1] == first
    assert entry.current.environment == {"DEPTH": "2"}
    assert await house.catalogue.get(house.ada, "web") == entry


async def test_the_same_text_twice_makes_no_further_release(house: Installation) -> None:
    await house.catalogue.add(house.ada, definition(version="1"))
    once = await house.catalogue.edit(house.ada, "web", definition(version="1", depth=2))
    twice = await house.catalogue.edit(house.ada, "web", definition(version="1", depth=2))
    assert twice.releases == once.releases
    assert len(twice.releases) == 2


async def test_going_back_puts_the_earlier_release_first_again(house: Installation) -> None:
    first = (await house.catalogue.add(house.ada, definition(version="1"))).current
    await house.catalogue.edit(house.ada, "web", definition(version="2", depth=2))
    entry = await house.catalogue.edit(house.ada, "web", definition(version="1"))
    assert entry.current == first
    assert [one.version for one in entry.releases] == ["1", "2"]


async def test_a_list_of_releases_names_all_that_stay(house: Installation) -> None:
    await house.catalogue.add(house.ada, definition(version="1"))
    await house.catalogue.edit(house.ada, "web", definition(version="2", depth=2))
    listed = f"software: web\nreleases:\n- {{version: '2', image: '{WEB}', environment: {{DEPTH: '2'}}}}\n"
    entry = await house.catalogue.edit(house.ada, "web", listed)
    assert [one.version for one in entry.releases] == ["2"]
    assert (await house.catalogue.get(house.ada, "web")).releases == entry.releases


# -- drafts -----------------------------------------------------------------------------------------------------------


async def test_a_draft_is_told_from_the_image_alone(house: Installation) -> None:
    ports = (22, 443, 5432, 5901, 6379, 8888, 9092)
    house.world.know(image("example.test/lab/my_astro.tools:v3", ports=ports, cached=False))
    draft = await house.catalogue.draft(house.ada, " docker://example.test/lab/my_astro.tools:v3 ")
    software = draft.software
    assert (software.name, software.title, software.needs_registry) == ("my_astro.tools", "My astro tools", True)
    assert software.current.user is RunsAs.IMAGE
    assert {one.name: one.protocol for one in software.current.interfaces} == {
        "ssh": Protocol.SSH,
        "web": Protocol.HTTPS,
        "postgres": Protocol.POSTGRES,
        "desktop": Protocol.RFB,
        "redis": Protocol.REDIS,
        "web-8888": Protocol.HTTP,
        "tcp": Protocol.TCP,
    }
    assert names(await house.catalogue.visible(house.ada)) == []
    assert (await house.catalogue.add(house.ada, draft.yaml)).title == software.title


async def test_a_draft_takes_a_name_that_is_free(house: Installation) -> None:
    await house.catalogue.add(house.ada, definition("web"))
    assert (await house.catalogue.draft(house.ada, WEB)).software.name == "web-2"


async def test_a_draft_of_what_is_no_image_is_refused(house: Installation) -> None:
    with pytest.raises(InvalidError, match="no image reference"):
        await house.catalogue.draft(house.ada, "https://example.test/web")
    with pytest.raises(ImageUnknownError):
        await house.catalogue.draft(house.ada, "example.test/nothing:1")
    with pytest.raises(MissingError):
        await house.catalogue.draft(house.ada, WEB, computing="elsewhere")


# -- shipped entries --------------------------------------------------------------------------------------------------


async def test_shipped_entries_are_installed_once_and_renewed_when_they_change(house: Installation) -> None:
    catalogue = house.catalogue
    assert await catalogue.install([definition("a"), definition("b")]) == 2
    assert await catalogue.install([definition("a"), definition("b")]) == 0
    before = await catalogue.get(house.ada, "a")
    assert before.owner is None
    assert await catalogue.install([definition("a", depth=2), definition("b")]) == 1
    after = await catalogue.get(house.ada, "a")
    assert after.id == before.id
    assert [one.version for one in after.releases] == ["1-2", "1"]


async def test_nothing_is_written_when_nothing_shipped_changed(house: Installation) -> None:
    await house.catalogue.install([definition()])
    async with house.store.read() as tx:
        newest = await tx.changes.newest()
    await house.catalogue.install([definition()])
    async with house.store.read() as tx:
        assert await tx.changes.newest() == newest


async def test_what_an_administrator_did_to_a_shipped_entry_stays(house: Installation) -> None:
    await house.catalogue.install([definition("a"), definition("b")])
    edited = await house.catalogue.edit(house.admin, "a", definition("a", depth=7))
    await house.catalogue.remove(house.admin, "b")
    await house.catalogue.install([definition("a"), definition("b", depth=2)])
    assert await house.catalogue.get(house.ada, "a") == edited
    with pytest.raises(MissingError):
        await house.catalogue.get(house.ada, "b")
