"""Durations: what is read, what is refused, and that what is written reads back."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from specola.domain.durations import format_duration, parse_duration
from specola.domain.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("90m", 1.5),
        ("90 min", 1.5),
        ("2h30m", 2.5),
        (" 2H 30M ", 2.5),
        ("1d12h", 36),
        ("1w", 168),
        ("1.5h", 1.5),
        ("1d 12h", 36),
        ("5400s", 1.5),
        ("1-12:00:00", 36),
        ("1-12", 36),
        ("0-01:30", 1.5),
        ("2:30:00", 2.5),
        ("48:00:00", 48),
        ("PT1H30M", 1.5),
        ("P1DT12H", 36),
        ("p2d", 48),
        ("P1W", 168),
    ],
)
def test_every_form_that_says_what_it_means_is_read(text: str, hours: float) -> None:
    assert parse_duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90",
        "2:30",
        "m",
        "P",
        "PT",
        "P1DT",
        "-1h",
        "2h30",
        "1h h",
        "0m",
        "PT0S",
        "3661d",
        "0.2s",
        "1e3s",
        "30m2h",
        "٢h",
        "1y",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_duration(text)


@given(st.integers(1, 3660 * 86400))
def test_what_is_written_reads_back_exactly(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@given(st.integers(0, 365), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_all_forms_of_one_duration_mean_the_same(days: int, hours: int, minutes: int, seconds: int) -> None:
    meant = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    forms = (
        f"{days}d{hours}h{minutes}m{seconds}s",
        f"{days}-{hours:02}:{minutes:02}:{seconds:02}",
        f"{days * 24 + hours}:{minutes:02}:{seconds:02}",
        f"P{days}DT{hours}H{minutes}M{seconds}S",
    )
    if not meant:
        for form in forms:
            with pytest.raises(InvalidError):
                parse_duration(form)
    else:
        assert {parse_duration(form) for form in forms} == {meant}


@given(st.text())
def test_no_text_does_anything_worse_than_being_refused(text: str) -> None:
    with contextlib.suppress(InvalidError):
        parse_duration(text)
