"""Records as gateways and connectors keep them: differences are told once, and bounds hold."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from specola import records, refusals
from specola.clock import ManualClock
from specola.domain.connection import ConnectionKind
from specola.records import Record, Records

pytestmark = pytest.mark.anyio


class Web:
    """What was told, and whether anybody takes it."""

    def __init__(self) -> None:
        self.away = False
        self.traffic: list[dict[str, Any]] = []
        self.connections: list[dict[str, Any]] = []

    async def tell(self, path: str, lines: list[dict[str, Any]]) -> bool:
        if not self.away:
            (self.traffic if path == "/traffic" else self.connections).extend(lines)
        return not self.away

    def take(self) -> list[dict[str, Any]]:
        taken, self.connections = self.connections, []
        return taken


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def kept(web: Web, clock: ManualClock) -> Records:
    return Records(clock=clock, tell=web.tell)


def begin(kept: Records, kind: ConnectionKind = ConnectionKind.WEBSOCKET) -> Record:
    return kept.begin(kind=kind, task="t", interface="lab", person="p", address="192.0.2.7")


def refuse(kept: Records, address: str = "192.0.2.7", *, task: str = "t") -> None:
    kept.refuse(kind=ConnectionKind.HTTP, task=task, interface="lab", address=address, code="sign_in")


async def test_a_connection_is_told_of_at_its_beginning_now_and_then_and_at_its_end(
    web: Web, clock: ManualClock, kept: Records
) -> None:
    record = begin(kept)
    began = clock.now()
    await kept.report()
    (first,) = web.take()
    assert (first["began"], first["ended"], first["received"]) == (began.isoformat(), None, 0)
    record.received += 5
    clock.advance(timedelta(seconds=299))
    await kept.report()
    assert not web.take()
    clock.advance(timedelta(seconds=1))
    await kept.report()
    (renewed,) = web.take()
    assert (renewed["id"], renewed["received"]) == (first["id"], 5)
    record.sent += 7
    record.end(refused="revoked")
    record.end()
    await kept.report()
    (last,) = web.take()
    assert (last["sent"], last["ended"], last["refused"]) == (7, clock.now().isoformat(), "revoked")
    await kept.report()
    assert not web.take()


async def test_what_begins_and_ends_between_two_reports_is_told_once(web: Web, kept: Records) -> None:
    begin(kept).end()
    await kept.report()
    assert len(web.take()) == 1


async def test_traffic_is_told_by_person_as_differences(web: Web, kept: Records) -> None:
    one, other = begin(kept), begin(kept)
    one.received, other.received, other.used = 3, 4, True
    await kept.report()
    one.sent = 9
    one.end()
    await kept.report()
    await kept.report()
    usual = {"task": "t", "interface": "lab", "person": "p"}
    assert web.traffic == [
        {**usual, "received": 7, "sent": 0, "used": True},
        {**usual, "received": 0, "sent": 9, "used": False},
    ]


@pytest.mark.parametrize("kind", list(ConnectionKind))
async def test_bytes_from_a_visitor_are_a_use_where_nothing_polls(
    web: Web, kept: Records, kind: ConnectionKind
) -> None:
    record = begin(kept, kind)
    record.sent += 1
    await kept.report()
    record.received += 1
    await kept.report()
    assert [one["used"] for one in web.traffic] == [False, kind.bytes_are_use]


async def test_nothing_is_lost_while_web_is_away(web: Web, kept: Records) -> None:
    record = begin(kept)
    record.received, record.used = 3, True
    refuse(kept)
    web.away = True
    await kept.report()
    record.received += 2
    record.end()
    await kept.report()
    web.away = False
    await kept.report()
    assert [(one["received"], one["used"]) for one in web.traffic] == [(5, True)]
    assert sorted((one["refused"], one["received"]) for one in web.take()) == [("", 5), ("sign_in", 0)]


async def test_what_waits_for_web_is_bounded(web: Web, kept: Records) -> None:
    web.away = True
    for _ in range(records.MOST_WAITING + 5):
        begin(kept).end()
    await kept.report()
    web.away = False
    told = 0
    while True:
        await kept.report()
        taken = len(web.take())
        if not taken:
            break
        assert taken <= records.LARGEST_REPORT
        told += taken
    assert told == records.MOST_WAITING


async def test_close_ends_what_is_open(web: Web, kept: Records) -> None:
    begin(kept)
    await kept.close()
    (one,) = web.take()
    assert one["ended"] is not None


async def test_a_use_without_bytes_is_told(web: Web, kept: Records) -> None:
    kept.note_use("t")
    await kept.report()
    assert web.traffic == [{"task": "t", "interface": "", "person": "", "received": 0, "sent": 0, "used": True}]


async def test_the_same_refusal_again_is_one_line_that_counts(web: Web, clock: ManualClock, kept: Records) -> None:
    refuse(kept)
    refuse(kept)
    await kept.report()
    clock.advance(timedelta(seconds=10))
    refuse(kept)
    await kept.report()
    await kept.report()
    first, second = web.take()
    assert (first["times"], second["times"], first["id"]) == (2, 3, second["id"])
    lasted = datetime.fromisoformat(second["ended"]) - datetime.fromisoformat(second["began"])
    assert lasted == timedelta(seconds=10)
    clock.advance(timedelta(seconds=refusals.WINDOW_SECONDS))
    await kept.report()
    refuse(kept)
    await kept.report()
    (later,) = web.take()
    assert (later["times"], later["id"] == first["id"]) == (1, False)


async def test_one_address_fills_nothing(web: Web, kept: Records) -> None:
    for number in range(1000):
        refuse(kept, "192.0.2.7", task=f"t{number}")
        refuse(kept, f"2001:db8::{number:x}")
    refuse(kept, "192.0.2.8")
    await kept.report()
    addresses = [one["address"] for one in web.take()]
    assert addresses.count("192.0.2.7") == refusals.MOST_FROM_ONE_ADDRESS
    assert addresses.count("192.0.2.8") == 1
    assert len(addresses) == 2 * refusals.MOST_FROM_ONE_ADDRESS + 1


async def test_many_addresses_fill_no_memory_and_make_room_again(web: Web, clock: ManualClock, kept: Records) -> None:
    for number in range(2000):
        refuse(kept, f"10.0.{number // 250}.{number % 250}")
    await kept.report()
    assert len(web.take()) == refusals.MOST_KEPT
    clock.advance(timedelta(seconds=refusals.WINDOW_SECONDS))
    await kept.report()
    refuse(kept, "192.0.2.8")
    await kept.report()
    assert [one["address"] for one in web.take()] == ["192.0.2.8"]
