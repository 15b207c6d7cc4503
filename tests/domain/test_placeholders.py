"""Placeholders: what is filled in, and what is left alone."""

import pytest

from specola.domain.placeholders import fill


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("token {credential}", "token s3cret"),
        ("{credential}{credential}", "s3crets3cret"),
        ("--depth={parameters.depth}", "--depth=3"),
        ('{"json": {"a": 1}}', '{"json": {"a": 1}}'),
        ("${HOME} {other} {parameters.unknown} {}", "${HOME} {other} {parameters.unknown} {}"),
        ("{{credential}}", "{s3cret}"),
    ],
)
def test_only_known_placeholders_are_filled(text: str, filled: str) -> None:
    assert fill(text, credential="s3cret", parameters={"depth": "3"}) == filled


def test_what_is_put_in_is_not_looked_at_again() -> None:
    chosen = {"a": "{credential}", "b": "{parameters.a}"}
    assert (
        fill("{parameters.a} {parameters.b}", credential="s3cret", parameters=chosen) == "{credential} {parameters.a}"
    )
