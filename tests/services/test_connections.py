"""The record of connections: brought up to date by reports, kept within bounds, shown to the owner."""

from dataclasses import replace
from datetime import timedelta

import pytest

from specola.clock import ManualClock
from specola.domain.connection import UNHEARD, Connection, ConnectionKind
from specola.domain.errors import InvalidError, MissingError
from specola.domain.person import Actor, Role
from specola.domain.software import Interface
from specola.services.connections import KEPT, MOST_CARRIED, MOST_REFUSED, Connections
from specola.storage.store import Store
from tests.support.house import House

pytestmark = pytest.mark.anyio

LAB = Interface(name="lab", port=8888)
TASK = "k3f9x2ab4c"


@pytest.fixture
def house(store: Store, clock: ManualClock) -> House:
    return House.build(store, clock)


@pytest.fixture
async def ada(house: House) -> Actor:
    """Somebody with a task."""
    ada = await house.enter("ada")
    await house.add_task(ada, LAB)
    return ada


@pytest.fixture
def connections(house: House) -> Connections:
    return house.connections


def visit(house: House, number: int = 1, *, person: str = "", refused: str = "", task: str = TASK) -> Connection:
    return Connection(
        id=f"connection-{number:06}",
        task=task,
        interface="lab",
        kind=ConnectionKind.HTTP,
        person=person,
        address="192.0.2.7",
        began=house.clock.now(),
        heard=house.clock.now(),
        refused=refused,
    )


async def listed(connections: Connections, actor: Actor) -> list[Connection]:
    return list((await connections.list(actor, TASK)).connections)


async def test_reports_of_one_connection_are_one_line_that_grows(
    house: House, ada: Actor, connections: Connections
) -> None:
    began = house.clock.now()
    first = visit(house, person=ada.person.id)
    await connections.note([first])
    house.clock.advance(timedelta(minutes=5))
    await connections.note([replace(first, received=2**40, sent=7, heard=house.clock.now())])
    (one,) = await listed(connections, ada)
    assert (one.name, one.received, one.sent, one.began) == ("ada", 2**40, 7, began)
    assert one.is_open(house.clock.now())
    house.clock.advance(timedelta(seconds=5))
    ended = house.clock.now()
    await connections.note([replace(one, sent=9, ended=ended, heard=ended)])
    await connections.note([replace(first, sent=8, heard=ended)])
    (one,) = await listed(connections, ada)
    assert (one.received, one.sent, one.end(house.clock.now())) == (2**40, 9, ended)


async def test_the_same_connection_twice_in_one_report_is_one_line(
    house: House, ada: Actor, connections: Connections
) -> None:
    first = visit(house)
    await connections.note([first, replace(first, sent=3)])
    (one,) = await listed(connections, ada)
    assert one.sent == 3


async def test_a_killed_gateway_leaves_a_connection_that_ends_when_it_was_last_heard_of(
    house: House, ada: Actor, connections: Connections
) -> None:
    heard = house.clock.now()
    await connections.note([visit(house)])
    house.clock.advance(UNHEARD)
    (one,) = await listed(connections, ada)
    assert one.is_open(house.clock.now())
    house.clock.advance(timedelta(seconds=1))
    assert one.end(house.clock.now()) == heard


async def test_tasks_without_a_record_are_passed_over_and_lines_stay_where_they_are(
    house: House, ada: Actor, connections: Connections
) -> None:
    await house.add_task(ada, LAB, id="other00000")
    await connections.note([visit(house), visit(house, 2, task="gone000000")])
    await connections.note([replace(visit(house), task="other00000", sent=9)])
    await connections.note([])
    assert [(one.id, one.sent) for one in await listed(connections, ada)] == [("connection-000001", 0)]
    assert not (await connections.list(ada, "other00000")).connections


async def test_others_see_no_connections_and_administrators_see_them_as_they_see_the_task(
    house: House, ada: Actor, connections: Connections
) -> None:
    await connections.note([visit(house)])
    with pytest.raises(MissingError):
        await listed(connections, await house.enter("bob"))
    admin = await house.enter("root", role=Role.ADMINISTRATOR)
    assert len(await listed(connections, admin)) == 1
    with pytest.raises(MissingError):
        await listed(connections, replace(admin, scopes=frozenset()))


async def test_pages_follow_each_other_and_their_cursor_is_good_nowhere_else(
    house: House, ada: Actor, connections: Connections
) -> None:
    for number in range(5):
        await connections.note([visit(house, number)])
        house.clock.advance(timedelta(seconds=number % 2))
    seen: list[str] = []
    cursor = None
    while True:
        page = await connections.list(ada, TASK, cursor=cursor, most=2)
        seen += [one.id for one in page.connections]
        cursor = page.cursor
        if cursor is None:
            break
        kept = cursor
    assert seen == [f"connection-{number:06}" for number in (4, 3, 2, 1, 0)]
    await house.add_task(ada, LAB, id="other00000")
    for wrong in ("nonsense", kept):
        with pytest.raises(InvalidError):
            await connections.list(ada, "other00000", cursor=wrong)
    with pytest.raises(InvalidError):
        await connections.list(ada, TASK, most=0)


async def test_old_ones_go_with_the_next(house: House, ada: Actor, connections: Connections) -> None:
    await connections.note([visit(house, 1)])
    house.clock.advance(KEPT + timedelta(seconds=1))
    await connections.note([visit(house, 2)])
    assert [one.id for one in await listed(connections, ada)] == ["connection-000002"]


async def test_a_task_keeps_so_many_and_refused_ones_push_no_others_out(
    house: House, ada: Actor, connections: Connections
) -> None:
    await connections.note([visit(house, 0)])
    await connections.note([visit(house, number, refused="sign_in") for number in range(1, MOST_REFUSED + 12)])
    async with house.store.read() as transaction:
        found = await transaction.connections.of(TASK, most=5000)
    assert len(found) == MOST_REFUSED + 1
    assert found[-1].id == "connection-000000"
    await connections.note([visit(house, number) for number in range(1000, 1000 + MOST_CARRIED)])
    async with house.store.read() as transaction:
        found = await transaction.connections.of(TASK, most=5000)
    assert len(found) == MOST_CARRIED + MOST_REFUSED
    assert "connection-000000" not in {one.id for one in found}


async def test_connections_go_with_their_task(house: House, ada: Actor, connections: Connections) -> None:
    await connections.note([visit(house)])
    async with house.store.write() as transaction:
        await transaction.tasks.remove(TASK)
    async with house.store.read() as transaction:
        assert not await transaction.connections.of(TASK)
