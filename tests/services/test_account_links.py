"""Account links: nothing is opened by somebody's word, and what is proven is one person's."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from specola.clock import ManualClock
from specola.domain.account_link import CHALLENGE_LIFE, Proof
from specola.domain.errors import (
    AccountMissingError,
    AccountNameError,
    AccountTakenError,
    AccountUnprovenError,
    ConflictError,
    DeniedError,
    MissingError,
    TooManyChecksError,
)
from specola.domain.person import Scope
from specola.services.accounts import account_for, end_links_of_another
from specola.storage.store import Store
from tests.support.hosted import AUTHORITY_KEY, Hosted, as_token
from tests.support.house import House

pytestmark = pytest.mark.anyio

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Vnl5gY0HqcXo0oEJpVvTgXl8Zk3oD2mYwqQ0uB7aK"


@pytest.fixture
async def hosted(store: Store, clock: ManualClock) -> Hosted:
    return await Hosted.build(House.build(store, clock))


async def account_of(hosted: Hosted, person: str, computing: str) -> str | None:
    async with hosted.store.read() as tx:
        return await account_for(tx, await tx.computings.get(computing), person)


async def test_an_account_is_proven_by_words_in_its_home(hosted: Hosted) -> None:
    place = await hosted.links.link(hosted.ada, "cluster", "ann")
    assert place.link is not None
    assert not place.is_proven
    assert (place.line, place.link.challenge in place.challenge) == ("", True)
    with pytest.raises(AccountMissingError, match="not proven yet"):
        await account_of(hosted, hosted.ada.person.id, "cluster")
    with pytest.raises(AccountUnprovenError, match="does not hold the words"):
        await hosted.links.check(hosted.ada, "cluster")
    hosted.site.proofs["ann"] = "specola-of-somebody-else"
    with pytest.raises(AccountUnprovenError):
        await hosted.links.check(hosted.ada, "cluster")
    hosted.site.proofs["ann"] = place.link.challenge
    proven = await hosted.links.check(hosted.ada, "cluster")
    assert proven.link is not None
    assert (proven.link.proof, proven.challenge, proven.link.challenge) == (Proof.CHALLENGE, "", "")
    assert await account_of(hosted, hosted.ada.person.id, "cluster") == "ann"
    assert hosted.site.asked[-1] == ("cluster", "ann", hosted.ada.person.id)
    with pytest.raises(AccountMissingError, match="linked none"):
        await account_of(hosted, hosted.bob.person.id, "cluster")


async def test_an_account_is_proven_by_the_key_it_lets_in(hosted: Hosted) -> None:
    hosted.site.refusing.add("ann")
    place = await hosted.links.link(hosted.ada, "keyed", "ann")
    assert place.line.startswith("restrict,port-forwarding ssh-ed25519 AAAA")
    assert place.challenge == ""
    with pytest.raises(AccountUnprovenError, match="does not let the account") as caught:
        await hosted.links.check(hosted.ada, "keyed")
    assert "authorized_keys" in caught.value.hint
    hosted.site.refusing.clear()
    proven = await hosted.links.check(hosted.ada, "keyed")
    assert proven.link is not None
    assert (proven.link.proof, proven.line) == (Proof.KEY, place.line)
    other = await hosted.links.link(hosted.bob, "keyed", "ben")
    assert other.line != place.line


async def test_words_are_good_for_half_an_hour_and_linking_again_gives_others(hosted: Hosted) -> None:
    place = await hosted.links.link(hosted.ada, "cluster", "ann")
    assert place.link is not None
    hosted.site.proofs["ann"] = place.link.challenge
    hosted.house.clock.advance(CHALLENGE_LIFE)
    with pytest.raises(AccountUnprovenError, match="too old"):
        await hosted.links.check(hosted.ada, "cluster")
    assert hosted.site.asked == []
    again = await hosted.links.link(hosted.ada, "cluster", "ann")
    assert again.link is not None
    assert again.link.challenge not in {"", place.link.challenge}


async def test_a_proven_account_is_one_persons(hosted: Hosted) -> None:
    await hosted.links.link(hosted.bob, "cluster", "ann")
    await hosted.prove(hosted.ada, "ann")
    for attempt in (
        lambda: hosted.links.link(hosted.bob, "cluster", "ann"),
        lambda: hosted.links.check(hosted.bob, "cluster"),
        lambda: hosted.links.enter(hosted.admin, "cluster", person="bob", account="ann"),
    ):
        async with hosted.store.read() as tx:
            pending = await tx.account_links.get(hosted.bob.person.id, "cluster")
        assert pending is not None
        hosted.site.proofs["ann"] = pending.challenge
        with pytest.raises(AccountTakenError):
            await attempt()
    await hosted.links.end(hosted.ada, "cluster")
    await hosted.prove(hosted.bob, "ann")
    assert await account_of(hosted, hosted.bob.person.id, "cluster") == "ann"


async def test_accounts_of_the_system_are_refused_by_name_and_by_number(hosted: Hosted) -> None:
    for name in ("root", "1000", "ann; id", "slurm"):
        with pytest.raises(AccountNameError):
            await hosted.links.link(hosted.ada, "cluster", name)
        with pytest.raises(AccountNameError):
            await hosted.links.enter(hosted.admin, "cluster", person="ada", account=name)
    with pytest.raises(AccountNameError, match="997"):
        await hosted.prove(hosted.ada, "service")
    with pytest.raises(AccountMissingError):
        await account_of(hosted, hosted.ada.person.id, "cluster")


async def test_ending_a_link_closes_what_is_open_and_forgets_the_key(hosted: Hosted) -> None:
    await hosted.prove(hosted.ada, "ann", on="keyed")
    line = (await hosted.links.place(hosted.ada, "keyed")).line
    await hosted.links.end(hosted.ada, "keyed")
    assert "account:keyed/ann" in await hosted.house.marks()
    with pytest.raises(MissingError):
        await hosted.links.end(hosted.ada, "keyed")
    assert (await hosted.links.link(hosted.ada, "keyed", "ann")).line != line


async def test_another_account_ends_the_one_before(hosted: Hosted) -> None:
    await hosted.prove(hosted.ada, "ann")
    assert (await hosted.links.link(hosted.ada, "cluster", "ann")).is_proven
    assert not (await hosted.links.link(hosted.ada, "cluster", "ben")).is_proven
    assert "account:cluster/ann" in await hosted.house.marks()
    with pytest.raises(AccountMissingError):
        await account_of(hosted, hosted.ada.person.id, "cluster")


async def test_an_administrators_word_is_on_record(hosted: Hosted) -> None:
    link = await hosted.links.enter(hosted.admin, "cluster", person="ada", account="ann")
    assert (link.proof, link.entered_by) == (Proof.ENTERED, hosted.admin.person.id)
    placed = await hosted.links.on(hosted.admin, "cluster")
    assert [(person.name, one.account) for person, one in placed.links] == [("ada", "ann")]
    assert (await hosted.links.check(hosted.ada, "cluster")).is_proven
    assert hosted.site.asked == []
    await hosted.links.remove(hosted.admin, "cluster", person="ada")
    assert (await hosted.links.on(hosted.admin, "cluster")).links == []
    for attempt in (
        lambda: hosted.links.enter(hosted.ada, "cluster", person="ada", account="ann"),
        lambda: hosted.links.on(hosted.ada, "cluster"),
        lambda: hosted.links.remove(hosted.ada, "cluster", person="bob"),
    ):
        with pytest.raises(DeniedError):
            await attempt()


async def test_a_shared_account_has_one_key_and_is_nobodys(hosted: Hosted) -> None:
    placed = await hosted.links.on(hosted.admin, "shared")
    assert placed.line.endswith(" specola shared shared")
    assert (await hosted.links.on(hosted.admin, "shared")).line == placed.line
    assert await account_of(hosted, hosted.ada.person.id, "shared") == "robot"
    assert await account_of(hosted, hosted.ada.person.id, "here") is None
    for computing in ("shared", "here"):
        with pytest.raises(ConflictError, match="own accounts"):
            await hosted.links.link(hosted.ada, computing, "ann")


async def test_a_host_behind_another_is_entered_by_an_administrator(hosted: Hosted) -> None:
    place = await hosted.links.link(hosted.ada, "inner", "ann")
    assert (place.line, place.challenge) == ("", "")
    with pytest.raises(AccountUnprovenError, match="behind another") as caught:
        await hosted.links.check(hosted.ada, "inner")
    assert "administrator" in caught.value.hint


async def test_places_are_those_with_accounts_of_ones_own(hosted: Hosted) -> None:
    await hosted.links.link(hosted.ada, "keyed", "ann")
    places = await hosted.links.places(hosted.ada)
    told = {place.computing.name: place.link.account if place.link else None for place in places}
    assert told == {"cluster": None, "keyed": "ann", "inner": None}


async def test_asking_too_often_has_to_wait(hosted: Hosted) -> None:
    await hosted.links.link(hosted.ada, "cluster", "ann")
    for _ in range(5):
        with pytest.raises(AccountUnprovenError):
            await hosted.links.check(hosted.ada, "cluster")
    await hosted.links.link(hosted.ada, "cluster", "ben")
    with pytest.raises(TooManyChecksError) as caught:
        await hosted.links.check(hosted.ada, "cluster")
    hosted.house.clock.advance(timedelta(seconds=caught.value.seconds))
    await hosted.prove(hosted.ada, "ann")


async def test_a_token_needs_the_right_scope(hosted: Hosted) -> None:
    reader = as_token(hosted.ada, scopes={Scope.READ})
    for attempt in (
        lambda: hosted.links.link(reader, "cluster", "ann"),
        lambda: hosted.links.check(reader, "cluster"),
        lambda: hosted.links.end(reader, "cluster"),
    ):
        with pytest.raises(DeniedError):
            await attempt()
    assert len(await hosted.links.places(reader)) == 3


async def test_a_link_is_of_one_computing(hosted: Hosted) -> None:
    await hosted.prove(hosted.ada, "ann")
    async with hosted.store.write() as tx:
        link = await tx.account_links.get(hosted.ada.person.id, "cluster")
        assert link is not None
        assert await tx.account_links.holder("elsewhere", "ann") is None
        with pytest.raises(MissingError):
            await tx.account_links.save(replace(link, computing="elsewhere"))


async def test_whose_own_a_computing_is_sees_the_line_of_its_shared_account(hosted: Hosted) -> None:
    host = {"address": "192.0.2.9", "identity": "shared", "account": "me"}
    await hosted.add("mine", owner=hosted.ada, host=host)
    place = next(one for one in await hosted.links.places(hosted.ada) if one.computing.name == "mine")
    assert place.line.startswith("restrict,port-forwarding ssh-ed25519 ")
    assert (await hosted.links.on(hosted.ada, "mine")).line == place.line
    for other in (hosted.bob, hosted.admin):
        with pytest.raises(MissingError):
            await hosted.links.on(other, "mine")
    assert await hosted.links.shared() == {"shared", "mine"}


async def test_certificates_are_not_for_computings_of_ones_own(hosted: Hosted) -> None:
    await hosted.add("mine", owner=hosted.ada, host={"address": "192.0.2.9", "identity": "certificate"})
    with pytest.raises(ConflictError, match="platform's own"):
        await hosted.links.link(hosted.ada, "mine", "ann")
    with pytest.raises(MissingError):
        await hosted.links.link(hosted.bob, "mine", "ann")


async def led_elsewhere(hosted: Hosted, change: dict[str, Any]) -> None:
    """Prove an account, then change how its computing is reached."""
    await hosted.prove(hosted.ada, "ann")
    host = {"address": "192.0.2.7", "keys": [AUTHORITY_KEY], "identity": "certificate", **change}
    async with hosted.store.write() as tx:
        known = await tx.computings.get("cluster")
        await end_links_of_another(tx, known, replace(known, settings={"host": host}))


@pytest.mark.parametrize(
    "change",
    [
        {"address": "192.0.2.8"},
        {"keys": [OTHER_KEY]},
        {"identity": "key"},
        {"address": "192.0.2.8", "keys": [AUTHORITY_KEY, OTHER_KEY]},
    ],
)
async def test_a_record_that_leads_to_the_same_machine_keeps_the_links_on_it(
    hosted: Hosted, change: dict[str, Any]
) -> None:
    await led_elsewhere(hosted, change)
    assert await account_of(hosted, hosted.ada.person.id, "cluster") == "ann"


@pytest.mark.parametrize(
    "change",
    [
        {"address": "192.0.2.8", "keys": [OTHER_KEY]},
        {"port": 2222, "keys": [OTHER_KEY]},
        {"keys": [OTHER_KEY], "jump": {"address": "192.0.2.1", "keys": [OTHER_KEY]}},
    ],
)
async def test_a_record_that_leads_to_another_machine_ends_the_links_on_it(
    hosted: Hosted, change: dict[str, Any]
) -> None:
    await led_elsewhere(hosted, change)
    with pytest.raises(AccountMissingError, match="linked none"):
        await account_of(hosted, hosted.ada.person.id, "cluster")
