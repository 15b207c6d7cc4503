"""A task's record: finding, listing, stopping, deleting and renaming it, its history, logs, use and credential."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import anyio
import pytest

from specola.domain.computing import LogLine
from specola.domain.errors import ConflictError, DeniedError, InvalidError, MissingError, NameTakenError
from specola.domain.task import Desired, Task, TaskState, Wish
from tests.support.services import Installation

pytestmark = pytest.mark.anyio

WEB = "example.test/web:1"
DATABASE = """
software: database
image: example.test/web:1
environment: {PASSWORD: "{credential}"}
interfaces:
  - {name: db, port: 5432, protocol: postgres}
  - {name: page, port: 8080}
  - {name: admin, port: 8081, credential: {header: "Authorization: Bearer {credential}"}}
"""


async def asked(house: Installation, name: str = "one") -> Task:
    return await house.tasks.request(Wish(image=WEB, name=name), actor=house.ada)


async def texts(lines: AsyncIterator[LogLine]) -> list[str]:
    return [line.text async for line in lines]


async def said(lines: Sequence[str]) -> AsyncIterator[LogLine]:
    for text in lines:
        yield LogLine(at=None, stream="stdout", text=text)


# -- finding ----------------------------------------------------------------------------------------------------------


async def test_a_task_is_found_by_id_and_by_name_the_live_one_first(house: Installation) -> None:
    ended = await asked(house)
    await house.move(ended, TaskState.FINISHED)
    live = await asked(house)
    assert (await house.tasks.get(house.ada, "one")).id == live.id
    await house.move(live, TaskState.FAILED)
    assert (await house.tasks.get(house.ada, "one")).id == live.id
    assert (await house.tasks.get(house.ada, ended.id)).id == ended.id


async def test_a_strangers_task_is_missing_and_an_administrator_sees_it(house: Installation) -> None:
    task = await asked(house)
    for name in (task.id, task.name):
        for ask in (house.tasks.get, house.tasks.stop, house.tasks.delete, house.tasks.events, house.tasks.logs):
            with pytest.raises(MissingError):
                await ask(house.bob, name)
    assert (await house.tasks.get(house.admin, task.id)).id == task.id
    with pytest.raises(MissingError):
        await house.tasks.get(house.admin, task.name)


# -- listing ----------------------------------------------------------------------------------------------------------


async def test_pages_follow_each_other_without_gap_or_double_while_tasks_come(house: Installation) -> None:
    made = [(await asked(house, f"t{number}")).id for number in range(7)]
    seen: list[str] = []
    cursor = None
    for number in range(9):
        page = await house.tasks.list(house.ada, cursor=cursor, most=3)
        seen += [one.id for one in page.tasks]
        cursor = page.cursor
        if cursor is None:
            break
        house.clock.advance(timedelta(seconds=1))
        await asked(house, f"later {number}")
    assert sorted(seen) == sorted(made)
    assert len(seen) == len(set(seen))


async def test_a_list_is_ones_own_and_without_what_was_deleted(house: Installation) -> None:
    first, second = await asked(house, "a"), await asked(house, "b")
    other = await house.tasks.request(Wish(image=WEB), actor=house.bob)
    await house.move(first, TaskState.STOPPED)
    assert {one.id for one in (await house.tasks.list(house.ada)).tasks} == {first.id, second.id}
    assert {one.id for one in (await house.tasks.list(house.ada, live_only=True)).tasks} == {second.id}
    everybody = await house.tasks.list(house.admin, everybody=True)
    assert {one.id for one in everybody.tasks} == {first.id, second.id, other.id}
    await house.tasks.delete(house.ada, first.id)
    assert {one.id for one in (await house.tasks.list(house.ada)).tasks} == {second.id}
    with pytest.raises(DeniedError):
        await house.tasks.list(house.ada, everybody=True)


async def test_a_cursor_that_was_changed_or_is_anothers_is_invalid(house: Installation) -> None:
    for number in range(3):
        await asked(house, f"t{number}")
    cursor = (await house.tasks.list(house.ada, most=1)).cursor
    assert cursor is not None
    assert len((await house.tasks.list(house.ada, cursor=cursor)).tasks) == 2
    turned = ("A" if cursor[20] != "A" else "B").join([cursor[:20], cursor[21:]])
    for bad in (turned, cursor[:-4], "", "x", "ü" * 30, "AAAA"):
        with pytest.raises(InvalidError, match="cursor"):
            await house.tasks.list(house.ada, cursor=bad)
    with pytest.raises(InvalidError, match="cursor"):
        await house.tasks.list(house.bob, cursor=cursor)
    with pytest.raises(InvalidError, match="cursor"):
        await house.tasks.list(house.admin, cursor=cursor, everybody=True)


@pytest.mark.parametrize("most", [0, -1, 501])
async def test_a_page_has_a_size(house: Installation, most: int) -> None:
    with pytest.raises(InvalidError):
        await house.tasks.list(house.ada, most=most)


# -- changing ---------------------------------------------------------------------------------------------------------


async def test_stopping_is_wished_once_and_ends_what_is_open_to_the_task(house: Installation) -> None:
    task = await asked(house)
    async with house.store.read() as tx:
        newest = await tx.changes.newest()
    assert (await house.tasks.stop(house.ada, "one")).desired is Desired.STOPPED
    assert (await house.tasks.stop(house.ada, "one")).desired is Desired.STOPPED
    assert [one.code for one in await house.tasks.events(house.ada, task.id)] == ["requested", "stop_requested"]
    async with house.store.read() as tx:
        changes = await tx.changes.after(newest)
    assert [one.key for one in changes if one.topic == "revoked"] == [f"task:{task.id}"]
    assert (await house.tasks.get(house.ada, task.id)).state is TaskState.QUEUED


async def test_an_ended_task_stays_as_it_is_when_it_is_stopped(house: Installation) -> None:
    task = await house.move(await asked(house), TaskState.FINISHED)
    assert await house.tasks.stop(house.ada, task.id) == task


async def test_only_an_ended_task_is_deleted_and_then_it_is_gone(house: Installation) -> None:
    task = await asked(house)
    with pytest.raises(ConflictError, match="queued"):
        await house.tasks.delete(house.ada, task.id)
    await house.move(task, TaskState.FAILED)
    await house.archive.keep(task.id, said(["last words"]))
    await house.tasks.delete(house.ada, task.id)
    with pytest.raises(MissingError):
        await house.tasks.get(house.ada, task.id)
    assert await texts(house.archive.lines(task.id)) == []
    async with house.store.read() as tx:
        assert [one.id for one in await tx.tasks.wanted("here")] == [task.id]


async def test_a_task_gets_another_name_that_no_live_one_has(house: Installation) -> None:
    task = await asked(house)
    await asked(house, "two")
    assert (await house.tasks.rename(house.ada, "one", "three")).name == "three"
    assert (await house.tasks.rename(house.ada, "three", "three")).id == task.id
    with pytest.raises(NameTakenError):
        await house.tasks.rename(house.ada, "three", "two")
    with pytest.raises(InvalidError):
        await house.tasks.rename(house.ada, "three", "../three")


# -- history, logs, use -----------------------------------------------------------------------------------------------


async def test_the_history_goes_on_after_a_number(house: Installation) -> None:
    task = await asked(house)
    await house.tasks.stop(house.ada, task.id)
    every = await house.tasks.events(house.ada, task.id)
    assert [one.sequence for one in every] == [1, 2]
    assert list(await house.tasks.events(house.ada, task.id, after=1)) == list(every)[1:]


async def test_logs_are_live_first_and_from_the_archive_in_the_end(house: Installation) -> None:
    task = await house.start(await asked(house))
    assert await texts(await house.tasks.logs(house.ada, task.id)) == ["serving"]
    assert task.handle is not None
    await house.world.kill(task.handle, exit_code=0)
    ended = await house.move(task, TaskState.FINISHED)
    assert await texts(await house.tasks.logs(house.ada, task.id)) == ["serving"]
    await house.archive.keep(task.id, said(["one", "two", "three"]))
    assert await texts(await house.tasks.logs(house.ada, ended.id, tail=2)) == ["two", "three"]


async def test_an_ended_task_that_nothing_knows_of_has_no_lines(house: Installation) -> None:
    task = await house.move(await asked(house), TaskState.FAILED, handle="gone")
    assert await texts(await house.tasks.logs(house.ada, task.id)) == []


async def test_following_waits_for_a_task_to_start_and_ends_with_it(house: Installation) -> None:
    task = await asked(house)
    seen: list[str] = []
    first = anyio.Event()

    async def follow() -> None:
        async for line in await house.tasks.logs(house.ada, task.id, follow=True):
            seen.append(line.text)
            first.set()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            started = await house.start(task)
            assert started.handle is not None
            await first.wait()
            await house.world.say(started.handle, "more")
            await house.world.kill(started.handle, exit_code=0)
    assert seen == ["serving", "more"]


async def test_following_a_task_that_never_starts_ends(house: Installation) -> None:
    task = await asked(house)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(_drain, house, task)
            await house.move(task, TaskState.FAILED)


async def _drain(house: Installation, task: Task) -> None:
    assert await texts(await house.tasks.logs(house.ada, task.id, follow=True)) == []


async def test_use_is_told_of_live_tasks_and_empty_for_others(house: Installation) -> None:
    running = await house.start(await asked(house, "running"))
    queued = await asked(house, "queued")
    await house.sampler.measure()
    usage = await house.tasks.usage(house.ada, ["running", "queued"])
    assert [one.cpus for one in usage[running.id]] == [running.resources.cpus / 4]
    assert list(usage[queued.id]) == []
    with pytest.raises(MissingError):
        await house.tasks.usage(house.bob, [running.id])


# -- credential -------------------------------------------------------------------------------------------------------


async def test_a_credential_is_random_sealed_and_told_to_the_owner_alone(house: Installation) -> None:
    await house.catalogue.add(house.ada, DATABASE)
    tasks = [await house.tasks.request(Wish(software="database"), actor=house.ada) for _ in range(2)]
    told = [await house.tasks.credential(house.ada, task.id, "db") for task in tasks]
    assert len(set(told)) == 2
    assert all(len(one) >= 43 for one in told)
    assert await house.tasks.credential(house.ada, tasks[0].id, "page") == told[0]
    async with house.store.read() as tx:
        sealed = await tx.tasks.credential(tasks[0].id)
    assert told[0].encode() not in sealed
    assert house.sealer.open(sealed, purpose=f"task {tasks[0].id}") == told[0]
    with pytest.raises(DeniedError, match="gateway"):
        await house.tasks.credential(house.ada, tasks[0].id, "admin")
    with pytest.raises(DeniedError, match="owner"):
        await house.tasks.credential(house.admin, tasks[0].id, "db")
    with pytest.raises(MissingError, match="interface"):
        await house.tasks.credential(house.ada, tasks[0].id, "nothing")


async def test_an_interface_has_an_address_of_its_own(house: Installation) -> None:
    await house.catalogue.add(house.ada, DATABASE)
    task = await house.tasks.request(Wish(software="database"), actor=house.ada)
    page, db = task.release.interface("page"), task.release.interface("db")
    assert page is not None
    assert db is not None
    assert house.tasks.address(task, page) == f"http://page--{task.id}.localhost:8080/"
    assert house.tasks.address(task, db).startswith("postgres://db--")
