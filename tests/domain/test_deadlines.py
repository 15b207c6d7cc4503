"""Deadlines: which warnings a task gets, when each is due, and how the time left is said."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from specola.domain.deadlines import due, left, warnings_of

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
WANTED = tuple(timedelta(minutes=minutes) for minutes in (60, 15, 5))


@pytest.mark.parametrize(
    ("minutes", "warned"),
    [(600, [60, 15, 5]), (120, [60, 15, 5]), (100, [15, 5]), (30, [15, 5]), (12, [5]), (5, [1]), (1, [0.2])],
)
def test_a_short_task_is_warned_less_and_later(minutes: float, warned: list[float]) -> None:
    found = warnings_of(timedelta(minutes=minutes), WANTED)
    assert [one.total_seconds() / 60 for one in found] == warned


@given(st.integers(1, 10**6), st.lists(st.integers(0, 10**6)))
def test_every_task_is_warned_once_at_least_and_never_in_its_first_half(length: int, wanted: list[int]) -> None:
    found = warnings_of(timedelta(seconds=length), [timedelta(seconds=one) for one in wanted])
    assert found
    assert list(found) == sorted(found, reverse=True)
    assert all(timedelta() < one <= timedelta(seconds=length) / 2 for one in found)


def test_each_warning_is_due_once_and_only_the_last_of_those_that_were_missed() -> None:
    end = NOW + timedelta(hours=2)

    def at(minutes: float, warned: float | None) -> float | None:
        told = None if warned is None else timedelta(minutes=warned)
        found = due(end, begun=NOW, now=NOW + timedelta(minutes=minutes), wanted=WANTED, warned=told)
        return None if found is None else found.total_seconds() / 60

    assert at(59, None) is None
    assert at(60, None) == 60
    assert at(70, 60) is None
    assert at(105, 60) == 15
    assert at(118, 60) == 5
    assert at(118, None) == 5
    assert at(119, 5) is None
    assert at(120, 60) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (60, "60 seconds"),
        (300, "5 minutes"),
        (3600, "60 minutes"),
        (9000, "2 hours 30 minutes"),
        (40000, "11 hours"),
    ],
)
def test_the_time_left_is_said_in_one_breath(seconds: float, words: str) -> None:
    assert left(NOW + timedelta(seconds=seconds), NOW) == words
