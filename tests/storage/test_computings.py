"""The collection of computings, on each database."""

from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from specola.clock import ManualClock
from specola.domain.computing import Audience, Capability, Computing, ComputingState, Finding, Intake, Probe
from specola.domain.errors import MissingError
from specola.domain.offer import Amounts, Offer
from specola.storage.store import Store

pytestmark = pytest.mark.anyio

PROBE = Probe(
    product="Podman",
    version="4.3",
    architectures=("amd64",),
    cpus=2,
    memory=24 * 1024**3,
    capabilities=frozenset({Capability.LOGS, Capability.IMAGES}),
    findings=(Finding(code="slow", sentence="It is slow.", hint="Wait.", serious=True),),
)


@pytest.fixture
async def here(store: Store, clock: ManualClock) -> Computing:
    computing = Computing(
        id="c1", name="here", title="Here", kind="engine", settings={"url": "x", "n": [1, None]}, created=clock.now()
    )
    async with store.write() as tx:
        await tx.computings.save(computing)
    return computing


async def newest(store: Store) -> int:
    async with store.read() as tx:
        return await tx.changes.newest()


async def test_a_computing_comes_back_as_it_was_written(store: Store, clock: ManualClock, here: Computing) -> None:
    async with store.write() as tx:
        await tx.computings.save(Computing(id="c2", name="aaa", title="A", kind="memory", order=1, created=clock.now()))
    async with store.read() as tx:
        assert await tx.computings.get("here") == here
        assert [one.name for one in await tx.computings.all()] == ["here", "aaa"]
        with pytest.raises(MissingError):
            await tx.computings.get("c1")


async def test_all_of_a_record_comes_back_and_its_secrets_apart_from_it(store: Store, here: Computing) -> None:
    whole = replace(
        here,
        description="For much.",
        owner="p1",
        audience=Audience.GROUPS,
        groups=("g1", "g2"),
        intake=Intake.PAUSED,
        order=7,
        offer=Offer(maximum=Amounts(cpus=2.5, time=timedelta(hours=36)), options={"qos": ("a", "b"), "any": ()}),
        secrets=("token", "login.password"),
        revision="r2",
    )
    async with store.write() as tx:
        await tx.computings.save(whole, sealed=b"\x00sealed")
        with pytest.raises(ValueError, match="together with their names"):
            await tx.computings.save(whole)
    async with store.read() as tx:
        assert await tx.computings.get("here") == whole
        assert await tx.computings.known(["here", "there"]) == {"here": whole}
        assert await tx.computings.sealed() == {"here": b"\x00sealed"}
    async with store.write() as tx:
        await tx.computings.save(here)
    async with store.read() as tx:
        assert await tx.computings.sealed() == {}


async def test_intake_is_told_once_and_its_owner_with_it(store: Store, here: Computing) -> None:
    before = await newest(store)
    async with store.write() as tx:
        await tx.computings.save(replace(here, owner="p1"))
        await tx.computings.set_intake("here", Intake.STOPPED)
    async with store.write() as tx:
        await tx.computings.set_intake("here", Intake.STOPPED)
        with pytest.raises(MissingError):
            await tx.computings.set_intake("there", Intake.OPEN)
    async with store.read() as tx:
        assert [(one.topic, one.key, one.owner) for one in await tx.changes.after(before)] == [
            ("computing", "here", "p1")
        ]
        assert (await tx.computings.get("here")).intake is Intake.STOPPED


async def test_a_removed_one_takes_its_lease_and_orphans_along(
    store: Store, clock: ManualClock, here: Computing
) -> None:
    async def lease() -> bool:
        async with store.write() as tx:
            until = clock.now() + timedelta(seconds=30)
            return await tx.computings.lease("here", holder="w1", until=until, now=clock.now())

    assert await lease()
    async with store.write() as tx:
        await tx.computings.save_orphans("here", {"t1": "h1"})
        await tx.computings.remove("here")
        await tx.computings.remove("there")
    # A worker that has not noticed yet learns it from its lease.
    assert not await lease()
    async with store.write() as tx:
        assert await tx.computings.leases() == {}
        assert await tx.computings.orphans("here") == {}
        await tx.computings.save(here)
    assert await lease()


async def test_its_state_is_told_only_when_it_changed(store: Store, clock: ManualClock, here: Computing) -> None:
    state = ComputingState(asked=clock.now(), probe=PROBE)
    before = await newest(store)
    async with store.write() as tx:
        await tx.computings.save_state(here.name, state)
    assert await newest(store) == before + 1
    clock.advance(timedelta(seconds=9))
    async with store.write() as tx:
        await tx.computings.save_state(here.name, ComputingState(asked=clock.now(), probe=PROBE))
    assert await newest(store) == before + 1
    async with store.read() as tx:
        assert (await tx.computings.get("here")).state == ComputingState(asked=clock.now(), probe=PROBE)
    lost = ComputingState(asked=clock.now(), probe=PROBE, unreachable_since=clock.now(), error="It is down.")
    async with store.write() as tx:
        await tx.computings.save_state(here.name, lost)
        await tx.computings.save(here)
    async with store.read() as tx:
        assert (await tx.computings.get("here")).state == lost
    assert await newest(store) == before + 2


async def test_a_lease_is_held_by_one_until_it_runs_out(store: Store, clock: ManualClock, here: Computing) -> None:
    async def lease(holder: str) -> bool:
        async with store.write() as tx:
            until = clock.now() + timedelta(seconds=30)
            return await tx.computings.lease(here.name, holder=holder, until=until, now=clock.now())

    assert await lease("w1")
    assert not await lease("w2")
    clock.advance(timedelta(seconds=20))
    assert await lease("w1")
    async with store.read() as tx:
        assert await tx.computings.leases() == {"here": clock.now() + timedelta(seconds=30)}
    clock.advance(timedelta(seconds=20))
    assert not await lease("w2")
    clock.advance(timedelta(seconds=10))
    assert await lease("w2")
    assert not await lease("w1")
    async with store.write() as tx:
        await tx.computings.release(here.name, holder="w1")
    assert not await lease("w1")
    async with store.write() as tx:
        await tx.computings.release(here.name, holder="w2")
    async with store.read() as tx:
        assert await tx.computings.leases() == {}


async def test_of_many_who_ask_at_once_one_gets_the_lease(store: Store, clock: ManualClock, here: Computing) -> None:
    taken: list[str] = []

    async def ask(holder: str) -> None:
        async with store.write() as tx:
            until = clock.now() + timedelta(seconds=30)
            if await tx.computings.lease(here.name, holder=holder, until=until, now=clock.now()):
                taken.append(holder)

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(ask, f"w{number}")
    assert len(taken) == 1


async def test_orphans_are_what_was_found_last_and_stay_unwanted(store: Store, here: Computing) -> None:
    async with store.write() as tx:
        await tx.computings.save_orphans(here.name, {"t1": "h1", "t2": "h2"})
        assert await tx.computings.want_removed(here.name, "t1")
        assert not await tx.computings.want_removed(here.name, "t9")
    before = await newest(store)
    async with store.write() as tx:
        await tx.computings.save_orphans(here.name, {"t1": "h1", "t2": "h2"})
    assert await newest(store) == before
    async with store.write() as tx:
        await tx.computings.save_orphans(here.name, {"t1": "h1", "t3": "h3"})
    async with store.read() as tx:
        assert await tx.computings.orphans(here.name) == {"t1": "h1", "t3": "h3"}
        assert await tx.computings.orphans_to_remove(here.name) == ["t1"]
    async with store.write() as tx:
        await tx.computings.save_orphans(here.name, {})
    async with store.read() as tx:
        assert await tx.computings.orphans(here.name) == {}
