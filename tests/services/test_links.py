"""Links: guests look at one desktop, for as long as everything that the link hangs on is there."""

import hashlib
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from specola.clock import ManualClock
from specola.domain.errors import (
    DeniedError,
    InvalidError,
    LimitError,
    LinkEndedError,
    MissingError,
    ScopeError,
    SignInError,
)
from specola.domain.link import Link
from specola.domain.person import ALL_SCOPES, Actor, Role, Scope
from specola.domain.software import Interface, Protocol
from specola.domain.task import Desired, Reason, TaskState
from specola.services.access import Decision, Outcome, Presented
from specola.services.admissions import Shown
from specola.services.links import LONGEST_LIFE, MOST_LINKS
from specola.storage.access import MOST_GUESTS
from specola.storage.store import Store
from tests.support.house import CREDENTIAL, House

pytestmark = pytest.mark.anyio

NONCE = hashlib.sha256(b"the guest's nonce cookie").hexdigest()
DESKTOP = Interface(name="desktop", port=5901, protocol=Protocol.RFB)
LAB = Interface(name="lab", port=8888)
TASK = "k3f9x2ab4c"


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House.build(store, clock)


@pytest.fixture
async def ada(house: House) -> Actor:
    """Somebody with a task that has a desktop and something else."""
    ada = await house.enter("ada")
    await house.add_task(ada, DESKTOP, LAB)
    return ada


async def link(house: House, actor: Actor, **options: timedelta) -> Shown[Link]:
    return await house.links.make(actor, TASK, "desktop", **options)


async def guest(house: House, secret: str) -> str:
    """Come by a link; return the cookie that the browser gets."""
    address = await house.access.hand_over_guest(secret, task=TASK, interface="desktop", nonce=NONCE)
    [code] = parse_qs(urlsplit(address).query)["code"]
    return (await house.access.redeem(code, nonce=NONCE, task=TASK, interface="desktop")).cookie


async def decide(house: House, cookie: str, *, task: str = TASK, interface: str = "desktop") -> Decision:
    return await house.access.decide(task, interface, Presented(cookie=cookie))


async def program(house: House, actor: Actor, *scopes: Scope, days: int | None = None) -> Actor:
    shown = await house.people.create_token(actor, name="t", scopes=frozenset(scopes) or ALL_SCOPES, days=days)
    return await house.people.actor_of_token(shown.secret)


async def test_a_guest_looks_at_one_desktop(house: House, ada: Actor) -> None:
    made = await link(house, ada)
    assert made.secret not in repr(made)
    decision = await decide(house, await guest(house, made.secret))
    assert decision.outcome is Outcome.PASS
    assert decision.view_only
    assert decision.person == f"link:{made.value.id}"
    assert len(decision.person) <= 20
    assert decision.add == (("rfb", "password", CREDENTIAL),)
    assert decision.marks == (f"link:{made.value.id}", f"person:{ada.person.id}", f"task:{TASK}")
    assert decision.seconds == 60


async def test_the_owner_signs_in_to_the_desktop_too_and_may_act(house: House, ada: Actor) -> None:
    address = await house.access.hand_over(ada, task=TASK, interface="desktop", nonce=NONCE, path="/")
    [code] = parse_qs(urlsplit(address).query)["code"]
    entry = await house.access.redeem(code, nonce=NONCE, task=TASK, interface="desktop")
    decision = await decide(house, entry.cookie)
    assert (decision.add, decision.view_only) == ((("rfb", "password", CREDENTIAL),), False)
    assert decision.person == ada.person.id


async def test_a_guests_cookie_opens_nothing_else(house: House, ada: Actor) -> None:
    await house.add_task(ada, DESKTOP, id="another8")
    cookie = await guest(house, (await link(house, ada)).secret)
    for task, interface in ((TASK, "lab"), ("another8", "desktop"), (TASK, "nothing")):
        assert (await decide(house, cookie, task=task, interface=interface)).outcome is Outcome.SIGN_IN
    made = await link(house, ada)
    with pytest.raises(MissingError):
        await house.access.hand_over_guest(made.secret, task=TASK, interface="lab", nonce=NONCE)
    with pytest.raises(MissingError):
        await house.access.hand_over_guest(made.secret, task="another8", interface="desktop", nonce=NONCE)
    with pytest.raises(InvalidError):
        await house.access.hand_over_guest(made.secret, task=TASK, interface="desktop", nonce="no hash")


async def test_a_link_that_is_taken_back_lets_nobody_in_and_tells_the_gateways(house: House, ada: Actor) -> None:
    made, other = await link(house, ada), await link(house, ada)
    cookie, others = await guest(house, made.secret), await guest(house, other.secret)
    address = await house.access.hand_over_guest(made.secret, task=TASK, interface="desktop", nonce=NONCE)
    await house.links.take_back(ada, TASK, made.value.id)
    await house.links.take_back(ada, TASK, made.value.id)
    assert f"link:{made.value.id}" in await house.marks()
    assert (await decide(house, cookie)).outcome is Outcome.SIGN_IN
    assert (await decide(house, others)).outcome is Outcome.PASS
    assert [one.id for one in await house.links.of(ada, TASK)] == [other.value.id]
    with pytest.raises(LinkEndedError):
        await house.links.shown_by(made.secret)
    [code] = parse_qs(urlsplit(address).query)["code"]
    with pytest.raises(SignInError):
        await house.access.redeem(code, nonce=NONCE, task=TASK, interface="desktop")


async def test_a_link_ends_with_its_time(house: House, ada: Actor, clock: ManualClock) -> None:
    made = await link(house, ada, life=timedelta(hours=1))
    cookie = await guest(house, made.secret)
    clock.advance(timedelta(minutes=59, seconds=30))
    assert (await decide(house, cookie)).seconds == 30
    clock.advance(timedelta(seconds=30))
    assert (await decide(house, cookie)).outcome is Outcome.MISSING
    assert await house.links.of(ada, TASK) == []
    with pytest.raises(LinkEndedError):
        await guest(house, made.secret)
    # The next link clears those away that are too old.
    await link(house, ada)
    assert (await decide(house, cookie)).outcome is Outcome.SIGN_IN


async def test_a_link_ends_with_the_task(house: House, ada: Actor, clock: ManualClock) -> None:
    made = await link(house, ada)
    cookie = await guest(house, made.secret)
    async with house.store.write() as transaction:
        await transaction.tasks.want(await transaction.tasks.get(TASK), Desired.STOPPED)
    assert (await decide(house, cookie)).outcome is Outcome.MISSING
    async with house.store.write() as transaction:
        task = await transaction.tasks.get(TASK)
        reason = Reason(code="stopped", sentence="It was stopped.")
        await transaction.tasks.save(task.moved_to(TaskState.STOPPED, at=clock.now(), reason=reason))
    with pytest.raises(LinkEndedError):
        await house.links.shown_by(made.secret)
    with pytest.raises(InvalidError):
        await link(house, ada)


async def test_a_link_ends_with_the_account_of_its_maker(house: House, ada: Actor) -> None:
    admin = await house.enter("admin", role=Role.ADMINISTRATOR)
    made = await link(house, ada)
    cookie = await guest(house, made.secret)
    await house.people.set_disabled(admin, "ada", disabled=True)
    assert (await decide(house, cookie)).outcome is Outcome.MISSING
    assert f"person:{ada.person.id}" in await house.marks()
    with pytest.raises(LinkEndedError):
        await house.links.shown_by(made.secret)


async def test_a_link_ends_with_the_token_it_was_made_by_but_not_with_a_session(house: House, ada: Actor) -> None:
    by_program = await program(house, ada, Scope.CONNECT, days=1)
    made, own = await link(house, by_program, life=LONGEST_LIFE), await link(house, ada)
    assert made.value.expires == house.clock.now() + timedelta(days=1)
    cookie, owns = await guest(house, made.secret), await guest(house, own.secret)
    assert f"token:{by_program.token}" in (await decide(house, cookie)).marks
    await house.people.sign_out(ada)
    again = await house.enter("ada")
    await house.people.revoke_token(again, str(by_program.token))
    assert (await decide(house, cookie)).outcome is Outcome.SIGN_IN
    assert (await decide(house, owns)).outcome is Outcome.PASS
    assert [one.id for one in await house.links.of(again, TASK)] == [own.value.id]


async def test_only_the_owner_makes_links_and_only_to_desktops(house: House, ada: Actor) -> None:
    bob = await house.enter("bob")
    admin = await house.enter("admin", role=Role.ADMINISTRATOR)
    reader = await program(house, ada, Scope.READ, Scope.TASKS)
    made = await link(house, ada)
    for actor, refusal in ((bob, MissingError), (admin, DeniedError), (reader, ScopeError)):
        with pytest.raises(refusal):
            await link(house, actor)
        with pytest.raises(refusal):
            await house.links.take_back(actor, TASK, made.value.id)
    with pytest.raises(MissingError):
        await house.links.of(bob, TASK)
    assert len(await house.links.of(reader, TASK)) == 1
    with pytest.raises(InvalidError, match="no desktop"):
        await house.links.make(ada, TASK, "lab")
    with pytest.raises(MissingError):
        await house.links.make(ada, TASK, "nothing")
    for life in (timedelta(seconds=1), LONGEST_LIFE + timedelta(seconds=1)):
        with pytest.raises(InvalidError):
            await link(house, ada, life=life)


async def test_another_tasks_link_is_not_taken_back_by_this_one(house: House, ada: Actor) -> None:
    await house.add_task(ada, DESKTOP, id="another8")
    made = await link(house, ada)
    await house.links.take_back(ada, "another8", made.value.id)
    assert (await house.links.shown_by(made.secret)).id == made.value.id


async def test_links_and_guests_are_bounded(house: House, ada: Actor) -> None:
    made = [await link(house, ada) for _ in range(MOST_LINKS)]
    with pytest.raises(LimitError):
        await link(house, ada)
    first = await guest(house, made[0].secret)
    for _ in range(MOST_GUESTS):
        house.clock.advance(timedelta(seconds=1))
        await guest(house, made[0].secret)
    assert (await decide(house, first)).outcome is Outcome.SIGN_IN
