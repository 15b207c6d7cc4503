"""Sizes: what is read, what is refused, and that what is written reads back."""

import pytest
from hypothesis import given, strategies as st

from specola.domain.errors import InvalidError
from specola.domain.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("512B", 512),
        ("64 MiB", 64 * 1024**2),
        (" 4GiB ", 4 * 1024**3),
        ("4g", 4 * 1024**3),
        ("4G", 4 * 1024**3),
        ("4GB", 4 * 1000**3),
        ("1.5gib", 3 * 1024**3 // 2),
        ("0.1kB", 100),
        ("1024TiB", 1024**5),
    ],
)
def test_a_number_with_a_unit_is_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "GiB", "-1", "1e9", "4 Gi B", "4Q", "4GiBs", "0x10", "nan", "1,5GiB", "٤GiB", "1" * 17, "1025TiB"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_size(text)


@given(st.integers(0, 1024**5))
def test_what_is_written_reads_back_exactly(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_the_largest_unit_that_fits_is_written() -> None:
    assert [format_size(size) for size in (0, 1000, 1024, 3 * 1024**3, 1024**4 + 1024**3)] == [
        "0",
        "1000",
        "1KiB",
        "3GiB",
        "1025GiB",
    ]
