"""Waits: what earlier ones say of the next task, and when they say nothing."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from specola.domain.software import Resources
from specola.domain.waits import Wait, expected

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SMALL, LARGE, GPU = Resources(cpus=1), Resources(cpus=64), Resources(cpus=1, gpus=1)


def waits(*minutes: float, partition: str | None = "day", resources: Resources = SMALL) -> list[Wait]:
    return [Wait(took=timedelta(minutes=one), partition=partition, resources=resources) for one in minutes]


def test_half_of_the_earlier_ones_and_nine_of_ten_say_when() -> None:
    found = expected(waits(*range(1, 11)), partition="day", resources=SMALL)
    assert found is not None
    assert (found.count, found.median, found.longest) == (10, timedelta(minutes=5), timedelta(minutes=9))
    forecast = found.forecast(NOW)
    assert (forecast.starts, forecast.source) == (NOW + timedelta(minutes=5), "history")
    assert forecast.latest == NOW + timedelta(minutes=9)


def test_only_tasks_like_it_count() -> None:
    others = [*waits(1, 2, 3, resources=LARGE), *waits(1, 2, 3, resources=GPU), *waits(1, 2, 3, partition="night")]
    assert expected([*others, *waits(1, 2)], partition="day", resources=SMALL) is None
    found = expected([*others, *waits(7, 8, 9)], partition="day", resources=SMALL)
    assert found is not None
    assert found.count == 3


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=200))
def test_the_median_is_never_above_the_longest_and_both_have_happened(minutes: list[int]) -> None:
    found = expected(waits(*minutes), partition="day", resources=SMALL)
    assert found is not None
    assert found.median <= found.longest
    latest = {timedelta(minutes=one) for one in minutes[:50]}
    assert {found.median, found.longest} <= latest
