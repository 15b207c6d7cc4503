"""The collection of tasks, on each database."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from specola.clock import ManualClock
from specola.domain.errors import MissingError, StateError
from specola.domain.software import (
    CredentialUse,
    CredentialWay,
    Health,
    Interface,
    Parameter,
    Protocol,
    Release,
    Resources,
    RunsAs,
)
from specola.domain.task import (
    Desired,
    Endpoint,
    ImageRecord,
    InterfaceState,
    Reason,
    Task,
    TaskState,
)
from specola.storage.store import Store
from specola.storage.tasks import WishKey

pytestmark = pytest.mark.anyio

RELEASE = Release(
    id="r1",
    version="1",
    image="quay.io/a/b:1",
    digest="sha256:" + "a" * 64,
    command=("serve", "--é"),
    environment={"A": "{credential}", "b": ""},
    resources=Resources(cpus=0.5, memory=3 * 1024**3 + 1),
    user=RunsAs.HOME,
    home="/home/x",
    capabilities=("CHOWN",),
    interfaces=(
        Interface(
            name="lab",
            port=8888,
            credential=CredentialUse(way=CredentialWay.HEADER, template="Authorization: token {credential}"),
            health=Health(path="/api"),
        ),
        Interface(name="db", port=5432, protocol=Protocol.POSTGRES),
    ),
    parameters=(Parameter(name="x", minimum=1.5),),
    created=ManualClock().now(),
)


def task(number: int, clock: ManualClock, **changes: Any) -> Task:
    usual = Task(
        id=f"task{number:06}",
        name=f"Task {number}",
        owner="p1",
        software="s1",
        title="Lab",
        release=RELEASE,
        computing="here",
        resources=Resources(cpus=1.5),
        environment={"A": "1"},
        parameters={"x": "2"},
        image=ImageRecord(reference="quay.io/a/b:1", digest="sha256:d", id="sha256:i", architecture="arm64"),
        desired=Desired.RUNNING,
        state=TaskState.QUEUED,
        reason=Reason(code="requested", sentence="It waits.", hint="Wait."),
        since=clock.now(),
        created=clock.now(),
        interfaces=(
            InterfaceState(name="lab"),
            InterfaceState(name="db", ready=True, endpoint=Endpoint(host="10.0.0.2", port=5432), since=clock.now()),
        ),
        again_of="task999999",
    )
    return replace(usual, **changes)


async def add(store: Store, *tasks: Task) -> None:
    async with store.write() as tx:
        for one in tasks:
            await tx.tasks.add(one, credential=b"sealed")


async def changes_of(store: Store, after: int) -> list[tuple[str, str, str | None]]:
    async with store.read() as tx:
        return [(one.topic, one.key, one.owner) for one in await tx.changes.after(after)]


async def newest(store: Store) -> int:
    async with store.read() as tx:
        return await tx.changes.newest()


async def test_a_task_comes_back_as_it_was_written(store: Store, clock: ManualClock) -> None:
    one = task(1, clock)
    await add(store, one)
    async with store.read() as tx:
        assert await tx.tasks.get(one.id) == one
        assert await tx.tasks.credential(one.id) == b"sealed"
        assert await tx.tasks.known([one.id, "task000002"]) == {one.id: one}
        for ask in (tx.tasks.get, tx.tasks.credential):
            with pytest.raises(MissingError):
                await ask("task000002")
    assert await changes_of(store, 0) == [("task", one.id, "p1")]


async def test_a_worker_writes_what_it_was_told_and_not_what_others_wish(store: Store, clock: ManualClock) -> None:
    one = task(1, clock)
    await add(store, one)
    async with store.write() as tx:
        await tx.tasks.want(one, Desired.STOPPED)
        await tx.tasks.rename(one, "Other")
    clock.advance(timedelta(seconds=5))
    running = replace(
        one.moved_to(TaskState.RUNNING, at=clock.now(), reason=Reason(code="ready", sentence="Ready.")),
        handle="h1",
        seen=clock.now(),
        unseen_since=clock.now(),
        exit_code=3,
        image=ImageRecord(reference="x", id="sha256:other"),
        interfaces=(InterfaceState(name="lab", ready=True, endpoint=Endpoint(path="/run/x.sock")),),
    )
    async with store.write() as tx:
        saved = await tx.tasks.save(running)
    assert saved == replace(running, desired=Desired.STOPPED, name="Other")
    async with store.read() as tx:
        assert await tx.tasks.get(one.id) == saved


async def test_a_look_that_shows_nothing_else_is_told_to_nobody(store: Store, clock: ManualClock) -> None:
    one = task(1, clock)
    await add(store, one)
    before = await newest(store)
    async with store.write() as tx:
        await tx.tasks.save(replace(one, seen=clock.now()))
    assert await newest(store) == before
    async with store.read() as tx:
        assert (await tx.tasks.get(one.id)).seen == clock.now()
    async with store.write() as tx:
        await tx.tasks.save(replace(one, seen=clock.now(), handle="h"))
    assert await newest(store) == before + 1


async def test_a_record_never_goes_back(store: Store, clock: ManualClock) -> None:
    one = task(1, clock)
    await add(store, one)
    reason = Reason(code="x", sentence="X.")
    async with store.write() as tx:
        await tx.tasks.save(one.moved_to(TaskState.FINISHED, at=clock.now(), reason=reason))
    for state in (TaskState.RUNNING, TaskState.FAILED):
        late = one.moved_to(state, at=clock.now(), reason=reason)
        async with store.write() as tx:
            with pytest.raises(StateError):
                await tx.tasks.save(late)
    async with store.write() as tx:
        with pytest.raises(MissingError):
            await tx.tasks.save(task(2, clock))


async def test_what_is_wanted_only_moves_on(store: Store, clock: ManualClock) -> None:
    one = task(1, clock)
    await add(store, one)
    async with store.write() as tx:
        deleted = await tx.tasks.want(one, Desired.DELETED)
        assert await tx.tasks.want(deleted, Desired.STOPPED) == deleted
    async with store.read() as tx:
        assert (await tx.tasks.get(one.id)).desired is Desired.DELETED


async def test_a_worker_is_given_what_is_not_settled(store: Store, clock: ManualClock) -> None:
    ended: Mapping[str, Any] = {"state": TaskState.STOPPED, "ended": clock.now()}
    await add(
        store,
        task(1, clock),
        task(2, clock, **ended),
        task(3, clock, **ended, handle="left"),
        task(4, clock, **ended, desired=Desired.DELETED),
        task(5, clock, computing="there"),
        task(6, clock, state=TaskState.RUNNING, desired=Desired.STOPPED),
    )
    async with store.read() as tx:
        assert [one.id[-1] for one in await tx.tasks.wanted("here")] == ["1", "3", "4", "6"]
        assert [one.id[-1] for one in await tx.tasks.live("p1")] == ["6", "5", "1"]


async def test_pages_go_on_after_a_task_also_among_those_of_one_moment(store: Store, clock: ManualClock) -> None:
    await add(store, *(task(number, clock) for number in range(5)))
    clock.advance(timedelta(microseconds=1))
    await add(store, task(5, clock), task(6, clock, owner="p2"), task(7, clock, desired=Desired.DELETED))
    async with store.read() as tx:
        first = await tx.tasks.of("p1", most=3)
        rest = await tx.tasks.of("p1", before=(first[-1].created, first[-1].id), most=9)
        assert [one.id[-1] for one in [*first, *rest]] == ["5", "4", "3", "2", "1", "0"]
        assert [one.id[-1] for one in await tx.tasks.of(None, most=2)] == ["6", "5"]
        assert await tx.tasks.of("p1", live_only=True, most=9) == await tx.tasks.of("p1", most=9)
        assert [one.id for one in await tx.tasks.named("p1", "Task 3")] == ["task000003"]
        assert [one.id for one in await tx.tasks.named("p1", "tASK 3")] == ["task000003"]


async def test_events_have_numbers_of_their_own_that_are_never_used_again(store: Store, clock: ManualClock) -> None:
    await add(store, task(1, clock), task(2, clock))
    async with store.write() as tx:
        await tx.tasks.add_event("task000001", at=clock.now(), code="pull", sentence="10 %", data={"done": 1})
        await tx.tasks.add_event("task000002", at=clock.now(), code="other", sentence="Other.")
        last = await tx.tasks.add_event(
            "task000001", at=clock.now(), code="pull", sentence="50 %", data={"done": 5}, replaces=True
        )
        await tx.tasks.add_event("task000001", at=clock.now(), code="pull", sentence="90 %")
    assert last.sequence == 2
    async with store.read() as tx:
        told = await tx.tasks.events("task000001")
        assert [(one.sequence, one.sentence) for one in told] == [(2, "50 %"), (3, "90 %")]
        assert told[0] == last
        assert [one.sequence for one in await tx.tasks.events("task000001", after=2)] == [3]
        assert [one.sequence for one in await tx.tasks.events("task000002")] == [1]
    async with store.write() as tx:
        with pytest.raises(MissingError):
            await tx.tasks.add_event("task000003", at=clock.now(), code="x", sentence="X.")


async def test_a_removed_task_takes_its_history_along(store: Store, clock: ManualClock) -> None:
    await add(store, task(1, clock))
    async with store.write() as tx:
        await tx.tasks.add_event("task000001", at=clock.now(), code="x", sentence="X.")
    before = await newest(store)
    async with store.write() as tx:
        await tx.tasks.remove("task000001")
        await tx.tasks.remove("task000001")
    assert await changes_of(store, before) == [("task", "task000001", "p1")]
    async with store.read() as tx:
        assert await tx.tasks.events("task000001") == []
        assert await tx.tasks.wanted("here") == []


async def test_a_key_is_known_to_its_person_until_it_is_too_old(store: Store, clock: ManualClock) -> None:
    used = WishKey(fingerprint="f" * 64, task="task000001")
    start = clock.now()
    async with store.write() as tx:
        await tx.tasks.save_wish_key("p1", "k", used, at=start, since=start)
    async with store.read() as tx:
        assert await tx.tasks.wish_key("p1", "k", since=start) == used
        assert await tx.tasks.wish_key("p2", "k", since=start) is None
        assert await tx.tasks.wish_key("p1", "k", since=start + timedelta(seconds=1)) is None
    later = start + timedelta(days=2)
    async with store.write() as tx:
        await tx.tasks.save_wish_key("p1", "k", replace(used, task="task000002"), at=later, since=later)
    async with store.read() as tx:
        found = await tx.tasks.wish_key("p1", "k", since=start)
        assert found is not None
        assert found.task == "task000002"


async def test_what_a_container_wrote_can_be_stored_whatever_it_is(store: Store, clock: ManualClock) -> None:
    await add(store, task(1, clock))
    reason = Reason(code="exit_code", sentence="It said \x00.", hint="\ud800")
    async with store.write() as tx:
        await tx.tasks.add_event("task000001", at=clock.now(), code="x", sentence="\x00", data={"\x00": ["a\x00", 1]})
        await tx.tasks.save(task(1, clock).moved_to(TaskState.FAILED, at=clock.now(), reason=reason))
    async with store.read() as tx:
        assert [(one.sentence, one.data) for one in await tx.tasks.events("task000001")] == [
            ("\ufffd", {"\ufffd": ["a\ufffd", 1]})
        ]
        assert (await tx.tasks.get("task000001")).reason == Reason(
            code="exit_code", sentence="It said \ufffd.", hint="?"
        )


async def test_a_name_that_no_database_can_hold_is_nobodys(store: Store) -> None:
    async with store.read() as tx:
        assert await tx.tasks.named("p1", "a\x00b") == []
        assert await tx.tasks.known(["a\x00b", "\ud800"]) == {}
        assert await tx.software.named("a\x00b") == []
        for ask in (tx.tasks.get, tx.tasks.credential, tx.computings.get):
            with pytest.raises(MissingError):
                await ask("a\x00b")
