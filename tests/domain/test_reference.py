"""Image references: their parts, and what is none."""

import pytest
from hypothesis import given, strategies as st

from specola.domain.errors import InvalidError
from specola.domain.reference import ImageReference

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ubuntu", ("", "ubuntu", "", "")),
        ("ubuntu:24.04", ("", "ubuntu", "24.04", "")),
        ("library/ubuntu", ("", "library/ubuntu", "", "")),
        ("quay.io/jupyter/scipy-notebook:2026-10-01", ("quay.io", "jupyter/scipy-notebook", "2026-10-01", "")),
        ("localhost/specola/sum:1.0", ("localhost", "specola/sum", "1.0", "")),
        ("localhost:5000/sum", ("localhost:5000", "sum", "", "")),
        ("[::1]:5000/a/b__c:x", ("[::1]:5000", "a/b__c", "x", "")),
        (f"quay.io/a/b@{DIGEST}", ("quay.io", "a/b", "", DIGEST)),
        (f"quay.io/a/b:1@{DIGEST}", ("quay.io", "a/b", "1", DIGEST)),
    ],
)
def test_a_reference_has_parts_and_is_written_as_it_was(text: str, parts: tuple[str, str, str, str]) -> None:
    read = ImageReference.parse(text)
    assert (read.registry, read.repository, read.tag, read.digest) == parts
    assert read.text == text


def test_spaces_around_and_the_scheme_of_other_tools_are_taken_off() -> None:
    assert ImageReference.parse(" docker://quay.io/a/b:1 ").text == "quay.io/a/b:1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":tag",
        "Ubuntu",
        "a//b",
        "/a",
        "a/",
        "a b",
        "a:tag:tag",
        "a:-x",
        "a:" + "x" * 129,
        "a@sha256:12",
        "a@md5:" + "0" * 32,
        "https://quay.io/a",
        "quay.io/A/b",
        "-host.test/a",
        "a..b/c",
        "a/-b",
        "x" * 256,
        "--privileged",
        "a\nb",
    ],
)
def test_anything_else_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InvalidError, match=r"(?s)is no image reference: .*\.$") as caught:
        ImageReference.parse(text)
    assert caught.value.field == "image"
    assert caught.value.hint


@given(st.text(max_size=60))
def test_whatever_is_read_reads_again_as_itself(text: str) -> None:
    try:
        read = ImageReference.parse(text)
    except InvalidError:
        return
    assert ImageReference.parse(read.text) == read
