"""The page that tells what works where has all of the matrix, and nothing in it has failed."""

from tests.matrix.table import FIRST, PAGE, Table


def test_page_has_every_cell_and_none_that_failed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert not list(Table.read(page).faults())


def test_page_is_what_a_run_writes() -> None:
    page = PAGE.read_text(encoding="utf-8")
    written = Table.read(page).page()
    last = "\nLast written on"
    assert page.partition(last)[0] == written.partition(last)[0]


def test_cell_that_did_not_pass_is_told() -> None:
    measured = Table.of({"podman": {FIRST: 1.25, "http": 0.5, "ssh": None}})
    faults = list(Table.read(measured.page()).faults())
    assert "Podman, SSH: failed" in faults
    assert "Podman, HTTP application: 0.5" not in faults


def test_cells_that_were_not_run_stay() -> None:
    earlier = Table.of({"podman": {"http": 1.0, "rest": 1.5}, "docker": {"http": 2.0}})
    later = Table.of({"podman": {"http": 3.0}}).over(earlier)
    assert later.cells == {
        "Docker": {"HTTP application": "2.0"},
        "Podman": {"HTTP application": "3.0", "REST": "1.5"},
    }
