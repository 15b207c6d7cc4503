"""What a connector tells `web`, over a real socket."""

from datetime import timedelta

import pytest

from specola.clock import ManualClock
from specola.connector.records import records_at
from specola.domain.connection import ConnectionKind
from tests.support.harness import short_folder
from tests.support.web_side import WebSide, settings_in

pytestmark = pytest.mark.anyio


async def test_a_connector_reports_like_a_gateway() -> None:
    with short_folder() as folder:
        web = WebSide(settings=settings_in(folder))
        clock = ManualClock()
        records = records_at(web.settings.internal_socket, clock=clock)
        record = records.begin(kind=ConnectionKind.SSH, task="t", interface="terminal", person="p", address="192.0.2.7")
        record.received += 3
        records.note_use("t")
        await records.report()
        clock.advance(timedelta(seconds=10))
        async with web.serving():
            await records.close()
        assert [(one["kind"], one["received"], one["ended"]) for one in web.connections] == [
            ("ssh", 3, clock.now().isoformat())
        ]
        assert {(one["interface"], one["used"]) for one in web.traffic} == {("terminal", True), ("", True)}
