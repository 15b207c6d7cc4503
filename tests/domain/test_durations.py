"""Lengths of time: what is read, what is refused, and that what is written reads back."""

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from specola.domain.durations import format_duration, parse_duration
from specola.domain.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90min", timedelta(minutes=90)),
        ("90m", timedelta(minutes=90)),
        (" 8H ", timedelta(hours=8)),
        ("1d 12h", timedelta(hours=36)),
        ("1d12h", timedelta(hours=36)),
        ("1.5h", timedelta(minutes=90)),
        ("2w", timedelta(days=14)),
        ("1-12:00:00", timedelta(hours=36)),
        ("1-12:00", timedelta(hours=36)),
        ("00:10:00", timedelta(minutes=10)),
    ],
)
def test_a_number_with_a_unit_is_a_length_of_time(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "8", "h", "-1h", "0h", "8 hours ago", "10:00", "1e3s", "11000d", "٤h", "1h,2min", "1y", "nan"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_duration(text)


@given(st.integers(1, 3660 * 86400))
def test_what_is_written_reads_back_exactly(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    assert parse_duration(format_duration(length)) == length
