"""Words, numbers and charts as the pages write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from specola.web import charts, words

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (8040, "2 h 14 min"),
        (90000, "1 d 1 h"),
        (-5, "0 s"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (412_000_000, "412 MB"), (1_500_000_000, "1.5 GB")]
)
def test_data_in_powers_of_ten(size: int, said: str) -> None:
    assert words.transfer(size) == said


@pytest.mark.parametrize(("size", "said"), [(512 * 1024**2, "512 MiB"), (3.1 * 1024**3, "3.1 GiB"), (1024**4, "1 TiB")])
def test_memory_in_powers_of_two(size: float, said: str) -> None:
    assert words.memory(size) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("JupyterLab", "Ju"),
        ("DS9 desktop", "D9"),
        ("Ada Lovelace", "AL"),
        ("Sum service", "Su"),
        ("<>", "·"),
        ("", "·"),
    ],
)
def test_initials(name: str, said: str) -> None:
    assert words.initials(name) == said


@given(st.text())
def test_every_name_has_initials_and_a_colour(name: str) -> None:
    assert len(words.initials(name)) >= 1
    assert words.hue(name) in {f"hue-{number}" for number in range(10)}


def test_moments_are_for_scripts_and_for_people() -> None:
    since = words.since(NOW - timedelta(minutes=3), NOW)
    assert since == '<time datetime="2026-05-04T11:57:00.000+00:00" data-as="since">3 min</time>'
    assert ">4 May 2026, 12:00 UTC</time>" in words.moment(NOW)
    assert not words.moment(None)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140 Safari/537.36",
            "Chrome on Linux",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537.36 Edg/140", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU like Mac OS X) Version/18 Safari/604", "Safari on iPhone"),
        ("curl/8", "curl/8"),
        ("", "unknown"),
    ],
)
def test_browsers(agent: str, said: str) -> None:
    assert words.browser(agent) == said


@given(st.lists(st.floats(0, 1e12), min_size=2, max_size=50), st.floats(0, 1e12))
def test_charts_stay_in_their_box(values: list[float], limit: float) -> None:
    line = charts.paths(values, limit=limit)["line"]
    points = [tuple(map(float, point.split())) for point in line[1:].split(" L")]
    assert len(points) == len(values)
    assert all(0 <= x <= charts.WIDTH and 0 <= y <= charts.HEIGHT for x, y in points)


def test_one_value_is_no_chart() -> None:
    assert charts.paths([1.0], limit=2) == {"line": "", "area": ""}


@pytest.mark.parametrize(
    ("person", "name", "said"),
    [
        ("p1", "ada", "ada"),
        ("p1", None, "somebody removed"),
        ("link:4k0", None, "a guest, link 4k0"),
        (None, None, "unknown"),
        ("", None, "unknown"),
    ],
)
def test_visitors_are_said(person: str | None, name: str | None, said: str) -> None:
    assert words.visitor_word(person, name) == said
