"""Connections of a task over the API."""

from datetime import timedelta

import pytest

from specola.domain.connection import Connection, ConnectionKind
from specola.services.access import Traffic
from tests.support.callers import Callers
from tests.support.harness import Platform

pytestmark = pytest.mark.anyio


async def test_connections_come_in_pages_to_the_owner_alone(platform: Platform, callers: Callers) -> None:
    actor = await callers.actor("ada")
    task = await platform.started(actor)
    now = platform.services.clock.now()
    visits = [
        Connection(
            id=f"connection-{number}",
            task=task.id,
            interface="web",
            kind=ConnectionKind.WEBSOCKET,
            person=actor.person.id if number else "",
            address="192.0.2.7",
            began=now + timedelta(seconds=number),
            heard=now,
            received=number,
        )
        for number in range(3)
    ]
    await platform.services.connections.note(visits)
    ada = await callers.program("ada")
    first = (await ada.get(f"/tasks/{task.id}/connections", params={"most": 2})).json()
    assert [one["id"] for one in first["connections"]] == ["connection-2", "connection-1"]
    one = first["connections"][0]
    assert (one["kind"], one["person"], one["name"], one["open"]) == ("websocket", actor.person.id, "ada", True)
    assert (one["ended"], one["refused"], one["received"]) == (None, None, 2)
    last = (await ada.get(f"/tasks/{task.id}/connections", params={"cursor": first["cursor"]})).json()
    assert [(one["id"], one["person"], one["name"]) for one in last["connections"]] == [("connection-0", None, None)]
    assert last["cursor"] is None
    assert (await ada.get(f"/tasks/{task.id}/connections", params={"cursor": "x"})).status_code == 422
    bob = await callers.program("bob")
    assert (await bob.get(f"/tasks/{task.id}/connections")).status_code == 404


async def test_use_is_told_with_its_reason(platform: Platform, callers: Callers) -> None:
    actor = await callers.actor("eve")
    task = await platform.started(actor)
    eve = await callers.program("eve")
    fresh = (await eve.get(f"/tasks/{task.id}/use")).json()
    assert (fresh["in_use"], fresh["idle_since"], fresh["parts"]) == (True, None, [])
    traffic = Traffic(task=task.id, interface="web", person=actor.person.id, received=5, sent=7, used=True)
    await platform.services.access.note_traffic([traffic])
    used = (await eve.get(f"/tasks/{task.id}/use")).json()
    assert (used["sign"], used["sentence"]) == ("person", "eve used “web” within the last 10 minutes.")
    (part,) = used["parts"]
    assert (part["interface"], part["name"], part["received"], part["sent"]) == ("web", "eve", 5, 7)
    assert part["last_used"] == used["last_used"]
    assert (await (await callers.program("bob")).get(f"/tasks/{task.id}/use")).status_code == 404
