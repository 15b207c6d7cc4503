"""Ports found: who sees them, how long, and how one becomes part of a software."""

from dataclasses import replace

import pytest

from specola.domain.errors import ConflictError, DefinitionError, InvalidError, MissingError
from specola.domain.found import MOST_FOUND, FoundPort, found_number
from specola.domain.software import Interface, Protocol
from specola.domain.task import Task, TaskState, Wish
from specola.services.definition import read_definition
from tests.support.services import Installation

pytestmark = pytest.mark.anyio

IMAGE = "example.test/web:1"
ENTRY = f"software: web\ntitle: The web\nimage: {IMAGE}\ninterfaces:\n  - {{name: web, port: 8000}}\n"
APP = FoundPort(port=8501, protocol=Protocol.HTTP, loopback=True)
DATABASE = FoundPort(port=5432, protocol=Protocol.POSTGRES, loopback=False)


async def running(house: Installation, *, software: str | None = None) -> Task:
    wish = Wish(software=software, image=None if software else IMAGE)
    task = await house.tasks.request(wish, actor=house.ada)
    return await house.start(task)


async def seen(house: Installation, task: Task) -> list[FoundPort]:
    return [replace(one, since=None) for one in await house.found.of(house.ada, task.id)]


@pytest.mark.parametrize(
    ("name", "port"),
    [("port-8501", 8501), ("port-0", None), ("port-65536", None), ("port-08", None), ("web", None), ("port-", None)],
)
def test_reserved_names_stand_for_ports(name: str, port: int | None) -> None:
    assert found_number(name) == port


async def test_reported_ports_are_there_while_the_task_runs(house: Installation) -> None:
    task = await running(house)
    declared = FoundPort(port=8000, protocol=Protocol.HTTP, loopback=False)
    await house.found.report({task.id: [APP, declared, DATABASE], "nobody": [APP]})
    assert await seen(house, task) == [DATABASE, APP]
    with pytest.raises(MissingError):
        await house.found.of(house.bob, task.id)
    await house.move(task, TaskState.STOPPING)
    assert await seen(house, task) == []
    await house.move(task, TaskState.STOPPED)
    await house.found.report({task.id: [APP]})
    async with house.store.read() as tx:
        assert await tx.found.of([task.id]) == {}


async def test_no_more_than_a_number_of_ports_is_kept(house: Installation) -> None:
    task = await running(house)
    await house.found.report({task.id: [replace(APP, port=9000 + number) for number in range(100)]})
    assert len(await seen(house, task)) == MOST_FOUND


async def test_port_is_added_to_ones_own_entry_as_a_release(house: Installation) -> None:
    await house.catalogue.add(house.ada, ENTRY)
    task = await running(house, software="web")
    await house.found.report({task.id: [APP, DATABASE]})
    plan = await house.found.prepare(house.ada, task.id, 8501)
    assert (plan.name, plan.software.name, plan.copies) == ("web-8501", "web", False)
    entry = await house.found.declare(house.ada, task.id, 8501, interface="app")
    assert entry.current.interfaces == (Interface(name="web", port=8000), Interface(name="app", port=8501))
    assert [one.version for one in entry.releases] == ["1-2", "1"]
    entry = await house.found.declare(house.ada, task.id, 5432)
    assert entry.current.interfaces[-1] == Interface(name="postgres", port=5432, protocol=Protocol.POSTGRES)
    with pytest.raises(ConflictError, match="declares port 8501 already, as “app”"):
        await house.found.declare(house.ada, task.id, 8501)
    again = await house.tasks.request(Wish(software="web"), actor=house.ada)
    assert [one.name for one in again.release.interfaces] == ["web", "app", "postgres"]


async def test_what_was_recognised_can_be_said_otherwise(house: Installation) -> None:
    task = await running(house)
    await house.found.report({task.id: [replace(APP, protocol=Protocol.TCP)]})
    entry = await house.found.declare(house.ada, task.id, 8501, interface="app", protocol=Protocol.HTTPS)
    assert entry.current.interfaces[-1] == Interface(name="app", port=8501, protocol=Protocol.HTTPS)


async def test_somebody_elses_entry_is_copied(house: Installation) -> None:
    await house.catalogue.install([ENTRY])
    task = await running(house, software="web")
    await house.found.report({task.id: [APP]})
    assert (await house.found.prepare(house.ada, task.id, 8501)).copies
    copy = await house.found.declare(house.ada, task.id, 8501)
    assert (copy.name, copy.title, copy.owner) == ("web-2", "The web (copy)", house.ada.person.id)
    assert [one.port for one in copy.current.interfaces] == [8000, 8501]
    original = next(one for one in await house.catalogue.visible(house.ada) if one.name == "web")
    assert [one.port for one in original.current.interfaces] == [8000]


async def test_task_started_from_an_image_becomes_an_entry(house: Installation) -> None:
    task = await running(house)
    await house.found.report({task.id: [APP]})
    entry = await house.found.declare(house.ada, task.id, 8501)
    assert (entry.name, entry.owner, entry.current.image) == ("web", house.ada.person.id, IMAGE)
    assert [one.port for one in entry.current.interfaces] == [8000, 8501]


@pytest.mark.parametrize("name", ["Not a name", "web", "port-8501", ""])
async def test_names_that_cannot_be_are_refused_at_their_field(house: Installation, name: str) -> None:
    await house.catalogue.add(house.ada, ENTRY)
    task = await running(house, software="web")
    await house.found.report({task.id: [APP]})
    with pytest.raises(InvalidError) as refused:
        await house.found.declare(house.ada, task.id, 8501, interface=name)
    assert refused.value.field == "name"


async def test_only_what_was_found_can_be_added(house: Installation) -> None:
    task = await running(house)
    with pytest.raises(MissingError, match="no found port “22”"):
        await house.found.declare(house.ada, task.id, 22)


def test_release_cannot_declare_a_reserved_name() -> None:
    with pytest.raises(DefinitionError, match="what the platform calls a port that it finds"):
        read_definition(ENTRY.replace("name: web,", "name: port-8000,"))
