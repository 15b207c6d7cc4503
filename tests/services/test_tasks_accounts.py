"""Tasks on hosts: with whose account they run, decided when they are asked for."""

from dataclasses import replace

import pytest

from specola.domain.account_link import AccountLink, Proof
from specola.domain.errors import AccountMissingError
from specola.domain.person import Actor
from specola.domain.task import TaskState, Wish
from specola.worker.launching import launch_of
from tests.support.hosted import add_on_host
from tests.support.services import MEMORY, Installation

pytestmark = pytest.mark.anyio

HOST = {"address": "192.0.2.7"}
WEB = "example.test/web:1"
SAID = {"robots": "as “robot”, the account of all tasks there.", "beside": "on beside.", "here": "on here."}


async def hosted(house: Installation, name: str, **host: str) -> None:
    await house.directory.add_computing(name, "memory", MEMORY)
    await add_on_host(house.store, name, {**HOST, **host})


async def proven(house: Installation, actor: Actor, account: str, computing: str = "cluster") -> AccountLink:
    now = house.clock.now()
    link = AccountLink(
        id=f"l-{account}",
        person=actor.person.id,
        computing=computing,
        account=account,
        created=now,
        proof=Proof.ENTERED,
        proven=now,
    )
    async with house.store.write() as tx:
        if await tx.people.named(actor.person.name) is None:
            await tx.people.add(actor.person)
        await tx.account_links.save(link)
    return link


async def test_a_task_runs_with_the_persons_own_account(house: Installation) -> None:
    await hosted(house, "cluster", identity="certificate")
    wish = Wish(image=WEB, computing="cluster")
    with pytest.raises(AccountMissingError, match="linked none") as caught:
        await house.tasks.request(wish, actor=house.ada)
    assert "specola accounts link cluster" in caught.value.hint
    link = await proven(house, house.ada, "ann")
    task = await house.tasks.request(wish, actor=house.ada)
    assert task.account == "ann"
    assert (await house.tasks.get(house.ada, task.id)).account == "ann"
    assert launch_of(task, credential="x", number=100000).account == "ann"
    moved = await house.move(task, TaskState.RUNNING, handle="ann/specola-inst-x")
    assert moved.account == "ann"
    async with house.store.write() as tx:
        await tx.account_links.remove(link)
    # It goes on with the account that it was started with; another one is refused.
    assert (await house.tasks.get(house.ada, task.id)).account == "ann"
    with pytest.raises(AccountMissingError):
        await house.tasks.request(Wish(again_of=task.id), actor=house.ada)
    await proven(house, house.ada, "ada2")
    assert (await house.tasks.request(Wish(again_of=task.id, name="again"), actor=house.ada)).account == "ada2"


async def test_a_claim_is_no_account(house: Installation) -> None:
    await hosted(house, "cluster", identity="key")
    link = await proven(house, house.bob, "ben")
    async with house.store.write() as tx:
        await tx.account_links.save(replace(link, proof=None, proven=None))
    with pytest.raises(AccountMissingError, match="not proven yet"):
        await house.tasks.request(Wish(image=WEB, computing="cluster"), actor=house.bob)


async def test_shared_accounts_are_for_all_and_engines_here_know_none(house: Installation) -> None:
    await hosted(house, "robots", identity="shared", account="robot")
    await hosted(house, "beside", identity="local")
    for computing, account in {"robots": "robot", "beside": None, "here": None}.items():
        task = await house.tasks.request(Wish(image=WEB, computing=computing, name=computing), actor=house.bob)
        assert task.account == account
        first = (await house.tasks.events(house.bob, task.id))[0]
        assert first.sentence.endswith(SAID[computing])
