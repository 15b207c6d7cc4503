"""Records of computings: who may add, change and remove them, and what becomes of their secrets."""

from dataclasses import replace

import pytest

from specola.domain.account_link import AccountLink
from specola.domain.computing import Audience, ComputingState, Intake
from specola.domain.errors import (
    ConflictError,
    DefinitionError,
    DeniedError,
    InvalidError,
    LimitError,
    MissingError,
    NameTakenError,
)
from specola.domain.group import Group
from specola.domain.task import Desired, TaskState, Wish
from specola.services.computing_rights import MOST_OWN
from specola.services.sealed import whole_settings
from tests.support.hosted import AUTHORITY_KEY
from tests.support.services import Installation

pytestmark = pytest.mark.anyio

CANARY = "canary-3f9x2ab4"
CLUSTER = f"""\
computing: cluster
title: The cluster
description: For large things.
kind: memory
settings:
  cpus: 16
  token: {CANARY}
offer:
  maximum: {{cpus: 8, memory: 16GiB, gpus: 2, time: 2d}}
  default: {{cpus: 2, time: 8h}}
  partitions: [short, long]
  options: {{qos: [normal, high], constraint: []}}
"""


@pytest.fixture
async def house(house: Installation) -> Installation:
    async with house.store.write() as tx:
        for number, actor in enumerate((house.ada, house.bob, house.admin)):
            await tx.people.add(replace(actor.person, number=100000 + number))
    return house


async def token_of(house: Installation, name: str) -> str | None:
    """Return the token as worker and connector get it."""
    async with house.store.read() as tx:
        sealed = (await tx.computings.sealed()).get(name)
        token: str | None = whole_settings(house.sealer, await tx.computings.get(name), sealed).get("token")
        return token


async def test_an_administrator_adds_for_everybody(house: Installation) -> None:
    added = await house.computings.add(house.admin, CLUSTER)
    assert (added.owner, added.audience, added.order, added.intake) == (None, Audience.EVERYBODY, 1, Intake.OPEN)
    assert added.settings == {"cpus": 16.0}
    assert added.secrets == ("token",)
    assert added.offer.options == {"qos": ("normal", "high"), "constraint": ()}
    assert [one.name for one in await house.computings.list(house.ada)] == ["here", "cluster"]
    seen = await house.computings.get(house.ada, "cluster")
    assert (seen.settings, seen.secrets, seen.offer) == ({}, (), added.offer)
    with pytest.raises(DeniedError):
        await house.computings.definition(house.ada, "cluster")
    with pytest.raises(NameTakenError):
        await house.computings.add(house.admin, CLUSTER)


async def test_what_is_written_reads_back_as_the_same_record(house: Installation) -> None:
    added = await house.computings.add(house.admin, CLUSTER)
    text = await house.computings.definition(house.admin, "cluster")
    assert CANARY not in text
    assert await house.computings.change(house.admin, "cluster", text) == added
    assert await token_of(house, "cluster") == CANARY


async def test_a_secret_is_kept_until_it_is_given_anew_or_forgotten(house: Installation) -> None:
    before = await house.computings.add(house.admin, CLUSTER)
    async with house.store.read() as tx:
        sealed = (await tx.computings.sealed())["cluster"]
    assert CANARY.encode() not in sealed
    text = await house.computings.definition(house.admin, "cluster")
    other = await house.computings.change(house.admin, "cluster", text.replace("cpus: 16", "token: another"))
    assert (other.settings, await token_of(house, "cluster")) == ({}, "another")
    assert other.revision != before.revision
    without = await house.computings.change(house.admin, "cluster", text.replace("cpus: 16", "token:"))
    assert (without.secrets, await token_of(house, "cluster")) == ((), None)


async def test_a_person_adds_one_that_only_they_see(house: Installation) -> None:
    mine = await house.computings.add(house.ada, "computing: box\nkind: memory\n")
    assert (mine.name, mine.title, mine.owner, mine.audience) == ("ada.box", "box", "p-ada", Audience.OWNER)
    assert [one.name for one in await house.computings.list(house.ada)] == ["here", "ada.box"]
    for other in (house.bob, house.admin):
        assert [one.name for one in await house.computings.list(other)] == ["here"]
        with pytest.raises(MissingError):
            await house.computings.get(other, "ada.box")
        with pytest.raises(MissingError):
            await house.computings.test(other, "ada.box")
        with pytest.raises(MissingError):
            await house.computings.change(other, "ada.box", "computing: ada.box\nkind: memory\n")
        with pytest.raises(MissingError):
            await house.tasks.request(Wish(image="example.test/web:1", computing="ada.box"), actor=other)
    await house.computings.add(house.bob, "computing: box\nkind: memory\n")
    renamed = "computing: box\ntitle: My box\nkind: memory\n"
    assert (await house.computings.change(house.ada, "ada.box", renamed)).title == "My box"


@pytest.mark.parametrize("kind", ["engine", "memory"])
@pytest.mark.parametrize("audience", ["audience: everybody", "groups: [survey]"])
async def test_a_person_adds_nothing_for_others(house: Installation, kind: str, audience: str) -> None:
    with pytest.raises(DeniedError):
        await house.computings.add(house.ada, f"computing: box\nkind: {kind}\n{audience}\n")


async def test_a_person_adds_a_limited_number(house: Installation) -> None:
    for number in range(MOST_OWN):
        await house.computings.add(house.ada, f"computing: box{number}\nkind: memory\n")
    with pytest.raises(LimitError, match="of your own"):
        await house.computings.add(house.ada, "computing: further\nkind: memory\n")
    await house.computings.remove(house.ada, "ada.box0")
    assert (await house.computings.add(house.ada, "computing: further\nkind: memory\n")).name == "ada.further"
    assert (await house.computings.add(house.bob, "computing: box\nkind: memory\n")).name == "bob.box"


async def test_a_person_adds_no_engine_of_the_platform(house: Installation) -> None:
    text = "computing: box\nkind: engine\nsettings: {url: unix:///run/docker.sock}\n"
    with pytest.raises(DeniedError):
        await house.computings.add(house.ada, text)
    with pytest.raises(DeniedError):
        await house.computings.test_draft(house.ada, text)
    assert (await house.computings.add(house.admin, text)).name == "box"


async def test_a_group_uses_what_is_for_it(house: Installation) -> None:
    with pytest.raises(DefinitionError, match="no group “survey”"):
        await house.computings.add(house.admin, f"{CLUSTER}groups: [survey]\n")
    group = Group(id="g1", name="survey", title="Survey", created=house.clock.now())
    async with house.store.write() as tx:
        await tx.groups.add(group)
        await tx.groups.join(group, house.bob.person.id, manages=False)
    added = await house.computings.add(house.admin, f"{CLUSTER}groups: [survey]\n")
    assert (added.audience, added.groups) == (Audience.GROUPS, ("g1",))
    assert "cluster" in [one.name for one in await house.computings.list(house.bob)]
    assert "cluster" not in [one.name for one in await house.computings.list(house.ada)]
    assert "groups:\n- survey\n" in await house.computings.definition(house.admin, "cluster")
    async with house.store.write() as tx:
        await tx.groups.remove(group)
    assert "cluster" not in [one.name for one in await house.computings.list(house.bob)]


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("computing: Box\nkind: memory\n", "computing", 1),
        ("kind: memory\n", "", 1),
        ("computing: box\nkind: memory\nsetings: {}\n", "setings", 3),
        ("computing: box\nkind: memory\nsettings:\n  cpus: many\n", "settings.cpus", 4),
        ("computing: box\nkind: memory\nsettings:\n  cpu: 2\n", "settings.cpu", 4),
        ("computing: box\nkind: memory\naudience: groups\n", "audience", 3),
        ("computing: box\nkind: memory\noffer:\n  maximum:\n    time: soon\n", "offer.maximum.time", 5),
        ("computing: box\nkind: memory\noffer:\n  maximum: {cpus: 1}\n  default: {cpus: 2}\n", "offer.default", 5),
        ("computing: box\nkind: memory\noffer:\n  options: {qos: normal}\n", "offer.options.qos", 4),
        ("computing: box\nkind: memory\noffer:\n  mirrors: {quay.io: 'https://a'}\n", "offer.mirrors.quay.io", 4),
    ],
)
async def test_each_fault_comes_with_its_line(house: Installation, text: str, field: str, line: int) -> None:
    with pytest.raises(DefinitionError) as refused:
        await house.computings.add(house.admin, text)
    assert [(one.field, one.line) for one in refused.value.problems] == [(field, line)]


async def test_no_fault_repeats_what_may_be_secret(house: Installation) -> None:
    for settings in (f"{{token: [{CANARY}]}}", f"{{token: {{a: {CANARY}}}}}", f"{{{CANARY}x: 1, token: {CANARY}}}"):
        with pytest.raises(DefinitionError) as refused:
            await house.computings.add(house.admin, f"computing: box\nkind: memory\nsettings: {settings}\n")
        cause: BaseException | None = refused.value
        while cause is not None:
            assert CANARY not in str(cause).replace(f"{CANARY}x", "")
            cause = cause.__cause__


async def test_an_unknown_kind_and_another_name_or_kind_are_refused(house: Installation) -> None:
    with pytest.raises(InvalidError, match="no kind of computing “cloud”"):
        await house.computings.add(house.admin, "computing: box\nkind: cloud\n")
    for text in ("computing: there\nkind: memory\n", "computing: here\nkind: engine\n"):
        with pytest.raises(DefinitionError, match="keeps its"):
            await house.computings.change(house.admin, "here", text)
    with pytest.raises(DefinitionError, match="is the platform's"):
        await house.computings.change(house.admin, "here", "computing: here\nkind: memory\naudience: owner\n")


async def test_a_draft_is_tested_before_it_is_saved(house: Installation) -> None:
    assert (await house.computings.test_draft(house.admin, CLUSTER)).cpus == 16
    with pytest.raises(MissingError):
        await house.computings.get(house.admin, "cluster")
    _ = await house.computings.add(house.admin, CLUSTER)
    changed = (await house.computings.definition(house.admin, "cluster")).replace("16", "3")
    assert (await house.computings.test_draft(house.admin, changed, name="cluster")).cpus == 3
    with pytest.raises(DeniedError):
        await house.computings.test_draft(house.ada, changed, name="cluster")


async def test_a_paused_one_takes_no_new_tasks(house: Installation) -> None:
    _ = await house.computings.add(house.admin, CLUSTER)
    wish = Wish(image="example.test/web:1", computing="here")
    task = await house.tasks.request(wish, actor=house.ada)
    with pytest.raises(DeniedError):
        await house.computings.set_intake(house.ada, "here", Intake.PAUSED)
    paused = await house.computings.set_intake(house.admin, "here", Intake.PAUSED)
    assert paused.intake is Intake.PAUSED
    with pytest.raises(ConflictError, match="paused and takes no new tasks"):
        await house.tasks.request(wish, actor=house.ada)
    with pytest.raises(ConflictError):
        await house.tasks.request(Wish(again_of=task.id), actor=house.ada)
    await house.directory.add_computing("cluster", "memory", {})
    other = await house.tasks.request(Wish(image="example.test/web:1"), actor=house.ada)
    assert other.computing == "cluster"
    _ = await house.computings.set_intake(house.admin, "here", Intake.OPEN)
    assert (await house.tasks.request(wish, actor=house.ada)).computing == "here"


async def test_one_that_was_stopped_is_open_once_it_is_reached_anew(house: Installation) -> None:
    _ = await house.computings.add(house.admin, CLUSTER)
    async with house.store.write() as tx:
        await tx.computings.set_intake("cluster", Intake.STOPPED)
    with pytest.raises(ConflictError, match="another key than the one registered"):
        await house.tasks.request(Wish(image="example.test/web:1", computing="cluster"), actor=house.ada)
    text = await house.computings.definition(house.admin, "cluster")
    retitled = await house.computings.change(house.admin, "cluster", text.replace("The cluster", "A cluster"))
    assert retitled.intake is Intake.STOPPED
    assert (await house.computings.change(house.admin, "cluster", text.replace("16", "8"))).intake is Intake.OPEN


async def test_it_is_not_removed_from_under_live_tasks(house: Installation) -> None:
    task = await house.tasks.request(Wish(image="example.test/web:1", computing="here"), actor=house.ada)
    with pytest.raises(DeniedError):
        await house.computings.remove(house.ada, "here")
    with pytest.raises(ConflictError, match="a live task is there"):
        await house.computings.remove(house.admin, "here")
    assert [(one.computing.name, one.live) for one in await house.computings.overseen(house.admin)] == [("here", 1)]
    await house.tasks.stop(house.ada, task.id)
    _ = await house.move(task, TaskState.STOPPED)
    await house.computings.remove(house.admin, "here")
    with pytest.raises(MissingError):
        await house.computings.get(house.admin, "here")
    with pytest.raises(MissingError):
        await house.computings.remove(house.admin, "here")
    assert (await house.tasks.get(house.ada, task.id)).computing == "here"


async def test_what_cannot_be_cleared_away_is_given_up_once_it_was_asked_to_stop(house: Installation) -> None:
    task = await house.start(await house.tasks.request(Wish(image="example.test/web:1"), actor=house.ada))
    gone = await house.start(await house.tasks.request(Wish(image="example.test/web:1"), actor=house.ada))
    async with house.store.write() as tx:
        now = house.clock.now()
        await tx.computings.save_state("here", ComputingState(asked=now, unreachable_since=now, error="It is gone."))
    await house.tasks.stop(house.ada, task.id)
    with pytest.raises(ConflictError):
        await house.computings.remove(house.admin, "here")
    async with house.store.write() as tx:
        _ = await tx.tasks.want(await tx.tasks.get(gone.id), Desired.DELETED)
    await house.computings.remove(house.admin, "here")
    left = await house.tasks.get(house.ada, task.id)
    assert (left.state, left.handle, left.reason.code) == (TaskState.STOPPED, None, "computing_removed")
    assert (await house.tasks.events(house.ada, task.id))[-1].code == "computing_removed"
    async with house.store.read() as tx:
        assert await tx.tasks.known([gone.id]) == {}


async def test_administrators_oversee_peoples_own_without_how_they_are_reached(house: Installation) -> None:
    _ = await house.computings.add(house.ada, f"computing: box\nkind: memory\nsettings: {{token: {CANARY}, cpus: 3}}\n")
    seen = {one.computing.name: one for one in await house.computings.overseen(house.admin)}
    assert list(seen) == ["here", "ada.box"]
    owner = seen["ada.box"].owner
    assert owner is not None
    assert (owner.name, seen["ada.box"].computing.settings) == ("ada", {})
    assert [one.computing.name for one in await house.computings.overseen(house.ada)] == ["ada.box"]
    assert list(await house.computings.overseen(house.bob)) == []
    _ = await house.computings.set_intake(house.admin, "ada.box", Intake.PAUSED)
    await house.computings.remove(house.admin, "ada.box")
    assert [one.name for one in await house.computings.list(house.ada)] == ["here"]


async def test_one_that_leads_to_another_machine_has_no_accounts_of_the_one_before(house: Installation) -> None:
    record = 'computing: front\nkind: engine\nsettings:\n  host: {address: 192.0.2.7, keys: ["%s"]}\n'
    _ = await house.computings.add(house.admin, record % AUTHORITY_KEY)
    link = AccountLink(
        id="link000001", person=house.ada.person.id, computing="front", account="ann", created=house.clock.now()
    )
    async with house.store.write() as tx:
        await tx.account_links.save(link)
    _ = await house.computings.change(house.admin, "front", f"{record % AUTHORITY_KEY}  answer: 20\n")
    async with house.store.read() as tx:
        assert [one.account for one in await tx.account_links.on("front")] == ["ann"]
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Vnl5gY0HqcXo0oEJpVvTgXl8Zk3oD2mYwqQ0uB7aK"
    _ = await house.computings.change(house.admin, "front", (record % other).replace("192.0.2.7", "192.0.2.8"))
    async with house.store.read() as tx:
        assert await tx.account_links.on("front") == []
