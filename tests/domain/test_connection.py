"""Connections: when one counts as ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from specola.domain.connection import UNHEARD, Connection, ConnectionKind

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
HEARD = Connection(
    id="c1", task="t1", interface="lab", kind=ConnectionKind.WEBSOCKET, address="192.0.2.7", began=NOW, heard=NOW
)


def test_one_that_is_told_of_is_open() -> None:
    assert HEARD.is_open(NOW + UNHEARD)
    assert HEARD.end(NOW + UNHEARD) is None


def test_one_that_is_not_heard_of_ended_when_it_was_last_heard_of() -> None:
    later = NOW + UNHEARD + timedelta(seconds=1)
    assert not HEARD.is_open(later)
    assert HEARD.end(later) == NOW


def test_an_end_that_was_told_stands() -> None:
    ended = replace(HEARD, ended=NOW + timedelta(seconds=3), heard=NOW + timedelta(seconds=9))
    assert ended.end(NOW + timedelta(days=1)) == NOW + timedelta(seconds=3)
    assert not ended.is_open(NOW)


def test_bytes_of_protocols_that_poll_are_no_use() -> None:
    quiet = {kind for kind in ConnectionKind if not kind.bytes_are_use}
    assert quiet == {ConnectionKind.HTTP, ConnectionKind.WEBSOCKET, ConnectionKind.DESKTOP}
