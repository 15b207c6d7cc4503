"""Addresses: what tasks' interfaces are called, and which names are ours."""

import pytest

from specola.domain.software import Interface, Protocol
from specola.services.addresses import Addresses

HERE = Addresses(url="http://localhost:8080", domain="localhost")
THERE = Addresses(url="https://specola.test", domain="tasks.test")


def test_an_origin_has_the_platforms_scheme_and_port() -> None:
    assert HERE.origin("k3f9x2ab4c", "lab") == "http://lab--k3f9x2ab4c.localhost:8080"
    assert THERE.origin("k3f9x2ab4c", "lab") == "https://lab--k3f9x2ab4c.tasks.test"


def test_a_browser_opens_the_path_and_other_clients_the_name() -> None:
    lab = Interface(name="lab", port=8888, open="/lab")
    database = Interface(name="db", port=5432, protocol=Protocol.POSTGRES)
    assert THERE.open("k3f9x2ab4c", lab) == "https://lab--k3f9x2ab4c.tasks.test/lab"
    assert THERE.open("k3f9x2ab4c", database) == "postgres://db--k3f9x2ab4c.tasks.test"


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("lab--k3f9x2ab4c.tasks.test", ("lab", "k3f9x2ab4c")),
        ("lab--k3f9x2ab4c.tasks.test:443", ("lab", "k3f9x2ab4c")),
        ("my-lab--k3f9x2ab4c.tasks.test", ("my-lab", "k3f9x2ab4c")),
        ("LAB--K3F9X2AB4C.Tasks.Test", ("lab", "k3f9x2ab4c")),
        ("tasks.test", None),
        ("lab--k3f9x2ab4c.tasks.test.evil.test", None),
        ("evil.lab--k3f9x2ab4c.tasks.test", None),
        ("lab--k3f9x2ab4c.eviltasks.test", None),
        ("lab--short.tasks.test", None),
        ("-lab--k3f9x2ab4c.tasks.test", None),
        ("a--b--k3f9x2ab4c.tasks.test", None),
        ("--k3f9x2ab4c.tasks.test", None),
        ("lab--k3f9x2ab4c", None),
        ("lab--k3f9x2ab4c.tasks.test\n", None),
        ("", None),
    ],
)
def test_only_labels_of_ours_are_read(host: str, found: tuple[str, str] | None) -> None:
    assert THERE.read(host) == found


def test_what_is_made_is_read() -> None:
    assert HERE.read("lab--k3f9x2ab4c.localhost:8080") == ("lab", "k3f9x2ab4c")


def test_links_that_are_given_away_carry_their_secret_in_the_fragment() -> None:
    assert THERE.sign_in_link("s") == "https://specola.test/sign-in/link#s"
    assert THERE.invitation("s") == "https://specola.test/invitation#s"
