"""Computings: the default one, what only administrators see, and unrecorded tasks."""

import pytest

from specola.domain.errors import ComputingUnreachableError, DeniedError, MissingError
from tests.support.services import Installation

pytestmark = pytest.mark.anyio


async def test_the_first_one_installed_is_the_default(house: Installation) -> None:
    await house.computings.install("aaa", title="Later", kind="memory", settings={})
    assert [one.name for one in await house.computings.list(house.ada)] == ["here", "aaa"]


async def test_settings_are_for_administrators(house: Installation) -> None:
    assert (await house.computings.get(house.ada, "here")).settings == {}
    assert (await house.computings.get(house.admin, "here")).settings["cpus"] == 8
    assert [one.settings for one in await house.computings.list(house.ada)] == [{}]
    with pytest.raises(MissingError):
        await house.computings.get(house.ada, "elsewhere")


async def test_installing_again_writes_only_what_changed(house: Installation) -> None:
    before = await house.computings.get(house.admin, "here")
    async with house.store.read() as tx:
        newest = await tx.changes.newest()
    same = await house.computings.install("here", title=before.title, kind="memory", settings=before.settings)
    assert same == before
    async with house.store.read() as tx:
        assert await tx.changes.newest() == newest
    renewed = await house.computings.install("here", title="Renamed", kind="memory", settings={"cpus": 2})
    # What an administrator has made of the record since stays; only how it is reached is the configuration's.
    assert (renewed.id, renewed.title, renewed.settings) == (before.id, before.title, {"cpus": 2})
    assert renewed.revision != before.revision


async def test_a_test_asks_the_computing_now(house: Installation) -> None:
    assert (await house.computings.test(house.ada, "here")).cpus == 8
    house.world.break_down()
    with pytest.raises(ComputingUnreachableError):
        await house.computings.test(house.ada, "here")
    with pytest.raises(MissingError):
        await house.computings.test(house.ada, "elsewhere")


async def test_unrecorded_tasks_are_told_to_administrators_who_may_want_them_removed(house: Installation) -> None:
    async with house.store.write() as tx:
        await tx.computings.save_orphans("here", {"k3f9x2ab4c": "handle"})
    with pytest.raises(DeniedError):
        await house.computings.orphans(house.ada)
    with pytest.raises(DeniedError):
        await house.computings.remove_orphan(house.ada, "here", "k3f9x2ab4c")
    assert await house.computings.orphans(house.admin) == {"here": ["k3f9x2ab4c"]}
    await house.computings.remove_orphan(house.admin, "here", "k3f9x2ab4c")
    async with house.store.read() as tx:
        assert list(await tx.computings.orphans_to_remove("here")) == ["k3f9x2ab4c"]
    for computing, task in (("here", "nothing"), ("elsewhere", "k3f9x2ab4c")):
        with pytest.raises(MissingError):
            await house.computings.remove_orphan(house.admin, computing, task)
