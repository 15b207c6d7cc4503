"""Identities: what opens an account, asked at the moment it is needed, and what is signed for it."""

from dataclasses import replace
from datetime import timedelta

import asyncssh
import pytest

from specola.clock import ManualClock
from specola.domain.account_link import CHALLENGE_LIFE, READ_PROOF, Purpose
from specola.domain.errors import AccountRefusedError, MissingError
from specola.services.identities import CERTIFICATE_LIFE
from specola.storage.store import Store
from tests.support.hosted import Hosted
from tests.support.house import House

pytestmark = pytest.mark.anyio
FINGERPRINT = "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg"


@pytest.fixture
async def hosted(store: Store, clock: ManualClock) -> Hosted:
    return await Hosted.build(House.build(store, clock))


async def test_a_key_is_told_for_proven_accounts_alone(hosted: Hosted) -> None:
    place = await hosted.links.link(hosted.ada, "keyed", "ann")
    with pytest.raises(AccountRefusedError, match="nobody here has proven"):
        await hosted.identities.opening("keyed", "ann")
    trying = await hosted.identities.proving("keyed", "ann", hosted.ada.person.id)
    for computing, account, person in (
        ("keyed", "ben", hosted.ada.person.id),
        ("keyed", "ann", hosted.bob.person.id),
        ("cluster", "ann", hosted.ada.person.id),
        ("here", "ann", hosted.ada.person.id),
    ):
        with pytest.raises(AccountRefusedError):
            await hosted.identities.proving(computing, account, person)
    _ = await hosted.links.check(hosted.ada, "keyed")
    opening = await hosted.identities.opening("keyed", "ann")
    assert opening.private_key == trying.private_key
    public = asyncssh.import_private_key(opening.private_key).export_public_key().decode().split()[1]
    assert public in place.line
    assert opening.private_key not in repr(opening)
    async with hosted.store.read() as tx:
        link = await tx.account_links.holder("keyed", "ann")
    assert link is not None
    assert link.last_used == hosted.house.clock.now()


async def test_a_shared_account_is_opened_by_its_own_key(hosted: Hosted) -> None:
    with pytest.raises(AccountRefusedError, match="no key was made"):
        await hosted.identities.opening("shared", "robot")
    line = (await hosted.links.on(hosted.admin, "shared")).line
    opening = await hosted.identities.opening("shared", "robot")
    assert asyncssh.import_private_key(opening.private_key).export_public_key().decode().split()[1] in line
    with pytest.raises(AccountRefusedError):
        await hosted.identities.opening("shared", "ann")


async def test_accounts_are_the_proven_ones(hosted: Hosted) -> None:
    await hosted.links.link(hosted.bob, "cluster", "ben")
    await hosted.prove(hosted.ada, "ann")
    told = {name: await hosted.identities.accounts(name) for name in ("cluster", "keyed", "shared", "here")}
    assert told == {"cluster": ["ann"], "keyed": [], "shared": ["robot"], "here": []}
    with pytest.raises(MissingError):
        await hosted.identities.accounts("nowhere")


async def grant(hosted: Hosted, account: str, purpose: Purpose, *, on: str = "cluster", person: str = "") -> str:
    granted = await hosted.identities.grant(
        on, account, purpose=purpose, fingerprint=FINGERPRINT, request="r1", person=person
    )
    return granted.command


async def test_work_is_granted_once_it_is_proven_and_proof_while_it_is_under_way(hosted: Hosted) -> None:
    ada = hosted.ada.person.id
    place = await hosted.links.link(hosted.ada, "cluster", "ann")
    with pytest.raises(AccountRefusedError):
        await grant(hosted, "ann", Purpose.WORK, person=ada)
    assert await grant(hosted, "ann", Purpose.PROOF, person=ada) == READ_PROOF
    for account, person in (("ann", hosted.bob.person.id), ("ben", ada), ("ann", "")):
        with pytest.raises(AccountRefusedError):
            await grant(hosted, account, Purpose.PROOF, person=person)
    assert place.link is not None
    hosted.site.proofs["ann"] = place.link.challenge
    await hosted.links.check(hosted.ada, "cluster")
    assert await grant(hosted, "ann", Purpose.WORK) == ""
    with pytest.raises(AccountRefusedError, match="no proof"):
        await grant(hosted, "ann", Purpose.PROOF, person=ada)
    await hosted.links.end(hosted.ada, "cluster")
    with pytest.raises(AccountRefusedError):
        await grant(hosted, "ann", Purpose.WORK)


async def test_a_claim_that_is_too_old_is_granted_nothing(hosted: Hosted) -> None:
    await hosted.links.link(hosted.ada, "cluster", "ann")
    hosted.house.clock.advance(CHALLENGE_LIFE)
    with pytest.raises(AccountRefusedError):
        await grant(hosted, "ann", Purpose.PROOF, person=hosted.ada.person.id)


async def test_no_certificate_is_granted_elsewhere(hosted: Hosted) -> None:
    await hosted.prove(hosted.ada, "ann", on="keyed")
    await hosted.links.link(hosted.ada, "inner", "ann")
    for computing in ("keyed", "shared", "here"):
        with pytest.raises(AccountRefusedError):
            await grant(hosted, "ann", Purpose.WORK, on=computing)
    with pytest.raises(AccountRefusedError, match="behind another"):
        await grant(hosted, "ann", Purpose.PROOF, on="inner", person=hosted.ada.person.id)


async def test_what_is_signed_is_narrow_and_on_record(hosted: Hosted) -> None:
    await hosted.prove(hosted.ada, "ann")
    now = hosted.house.clock.now()
    granted = await hosted.identities.grant(
        "cluster", "ann", purpose=Purpose.WORK, fingerprint=FINGERPRINT, request="r1"
    )
    assert (granted.created, granted.expires) == (now, now + CERTIFICATE_LIFE)
    assert granted.key_id == "specola person=ada computing=cluster account=ann request=r1 work"
    assert granted.sources == ("192.0.2.0/24",)
    async with hosted.store.read() as tx:
        assert await tx.account_links.signed("cluster") == [(granted.serial, "ann", hosted.ada.person.id, now)]
    for request, fingerprint in (("r1 account=root", FINGERPRINT), ("r1", "SHA256:\n")):
        with pytest.raises(AccountRefusedError, match="malformed"):
            await hosted.identities.grant(
                "cluster", "ann", purpose=Purpose.WORK, fingerprint=fingerprint, request=request
            )
    hosted.house.clock.advance(timedelta(days=401))
    later = await hosted.identities.grant("cluster", "ann", purpose=Purpose.WORK, fingerprint=FINGERPRINT, request="r2")
    async with hosted.store.read() as tx:
        assert [one[0] for one in await tx.account_links.signed("cluster")] == [later.serial]


async def test_no_certificate_is_granted_where_somebodys_own_record_leads(hosted: Hosted) -> None:
    computing = await hosted.add("mine", host={"address": "192.0.2.9", "identity": "certificate"})
    await hosted.prove(hosted.ada, "ann", on="mine")
    assert await grant(hosted, "ann", Purpose.WORK, on="mine") == ""
    async with hosted.store.write() as tx:
        await tx.computings.save(replace(computing, owner=hosted.ada.person.id))
    with pytest.raises(AccountRefusedError, match="no certificates"):
        await grant(hosted, "ann", Purpose.WORK, on="mine")
