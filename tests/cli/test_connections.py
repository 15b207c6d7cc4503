"""Connections on the command line."""

from datetime import timedelta

import pytest

from specola.domain.connection import Connection, ConnectionKind
from specola.services.access import Traffic
from tests.cli.conftest import Program
from tests.support.harness import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_who_reached_a_task_is_listed(platform: Platform, ada: Program) -> None:
    task = (await ada("run", "example.test/web:1", "--name", "reached", "--wait", "30", "--json")).json
    nobody = await ada("connections", "reached")
    assert (nobody.code, nobody.out) == (0, "")
    now = platform.services.clock.now()
    visit = Connection(
        id="connection-1",
        task=task["id"],
        interface="web",
        kind=ConnectionKind.HTTP,
        person=task["owner"],
        address="192.0.2.7",
        began=now - timedelta(minutes=3),
        ended=now - timedelta(minutes=1),
        heard=now,
        received=2_500_000,
    )
    refused = Connection(
        id="connection-2",
        task=task["id"],
        interface="web",
        kind=ConnectionKind.WEBSOCKET,
        address="2001:db8::7",
        began=now,
        ended=now,
        heard=now,
        refused="sign_in",
        times=3,
    )
    await platform.services.connections.note([visit, refused])
    listed = (await ada("connections", "reached")).out.splitlines()
    assert "refused 3 times: sign_in" in listed[1]
    assert "unknown" in listed[1]
    assert "2001:db8::7" in listed[1]
    assert "2 min" in listed[2]
    assert "2.5 MB" in listed[2]
    shown = (await ada("connections", "reached", "--json", "-n", "1")).json
    assert [(one["id"], one["refused"], one["open"]) for one in shown] == [("connection-2", "sign_in", False)]
    assert (await ada("connections", "nothing")).code == 4


async def test_show_says_whether_it_is_in_use_and_what_was_carried_for_whom(platform: Platform, ada: Program) -> None:
    task = (await ada("run", "example.test/web:1", "--name", "used", "--wait", "30", "--json")).json
    assert "in use: It " in (await ada("show", "used")).out
    traffic = Traffic(task=task["id"], interface="web", person=task["owner"], received=1000, sent=2_500_000, used=True)
    await platform.services.access.note_traffic([traffic])
    shown = (await ada("show", "used")).out
    assert "in use: ada used “web” within the last 10 minutes." in shown
    assert "2.5 MB" in shown
