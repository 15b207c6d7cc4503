"""Accounts on computings: which names are taken, and what a proof has to show."""

from datetime import timedelta

import pytest

from specola.clock import ManualClock
from specola.domain.account_link import (
    CHALLENGE_LIFE,
    AccountLink,
    AccountSeen,
    answers,
    authorized_line,
    check_seen,
    valid_account,
)
from specola.domain.errors import AccountNameError

NOW = ManualClock().now()


@pytest.mark.parametrize("name", ["ada", "Ada", "ada.lovelace", "a_1", "u12345", "ada@example.org", "_x", "x" * 64])
def test_accounts_of_people_are_taken_as_they_are_written(name: str) -> None:
    assert valid_account(name) == name


BAD = [
    *(
        "",
        " ada",
        "ada ",
        "-ada",
        "ada;id",
        "a b",
        "ada\n",
        "$ada",
        "ada/..",
        "*",
        "ada,root",
        "x" * 65,
        "ad\N{LATIN SMALL LETTER A WITH ACUTE}",
    ),
    *("1234", "0", "12.5", "_-_"),
    *("root", "Root", "daemon", "slurm", "systemd-network", "nobody", "www-data", "toor"),
]


@pytest.mark.parametrize("name", BAD)
def test_numbers_words_of_shells_and_accounts_of_the_system_are_refused(name: str) -> None:
    with pytest.raises(AccountNameError) as caught:
        valid_account(name)
    assert caught.value.field == "account"


def test_an_account_is_the_very_one_that_was_meant() -> None:
    check_seen(AccountSeen(number=1000, name="ada"), "ada")
    for seen in (
        AccountSeen(number=1000, name="Ada"),
        AccountSeen(number=999, name="ada"),
        AccountSeen(number=0, name="ada"),
    ):
        with pytest.raises(AccountNameError):
            check_seen(seen, "ada")


def test_a_challenge_is_answered_word_for_word_and_in_time() -> None:
    link = AccountLink(
        id="l",
        person="p",
        computing="c",
        account="ada",
        created=NOW,
        challenge="specola-x",
        challenge_ends=NOW + CHALLENGE_LIFE,
    )
    assert answers(link, "specola-x\n", now=NOW)
    assert not answers(link, "", now=NOW)
    assert not answers(link, "specola-x specola-x", now=NOW)
    assert not answers(link, "specola-x", now=NOW + CHALLENGE_LIFE)
    assert not answers(link, "", now=NOW - timedelta(days=1))
    nothing = AccountLink(id="l", person="p", computing="c", account="ada", created=NOW)
    assert not answers(nothing, "", now=NOW)


def test_the_line_gives_no_more_than_is_needed() -> None:
    line = authorized_line("ssh-ed25519 AAAA", comment="specola here")
    assert line == "restrict,port-forwarding ssh-ed25519 AAAA specola here"
    line = authorized_line("ssh-ed25519 AAAA", comment="specola here", sources=("192.0.2.0/24", "2001:db8::/48"))
    assert line == 'restrict,port-forwarding,from="192.0.2.0/24,2001:db8::/48" ssh-ed25519 AAAA specola here'
