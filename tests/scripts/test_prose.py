"""The checks of what is written for people."""

from pathlib import Path

from scripts.prose import dead_links, strange_words


def test_links_to_files_and_headings_that_are_there_are_good(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other page\n\n## What it does, and why\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[a](other.md) [b](other.md#what-it-does-and-why) [c](#here) [d](https://example.org/x) [e](.)\n",
        encoding="utf-8",
    )
    assert list(dead_links(page)) == []


def test_dead_links_are_named_but_not_those_in_code(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n[a](gone.md) ![b](gone.png) [c](#there)\n```\n[d](gone.txt)\n```\n", encoding="utf-8")
    assert list(dead_links(page)) == ["gone.md", "gone.png", "#there"]


def test_hosts_of_package_registries_and_things_left_open_are_named_with_their_line() -> None:
    host, left_open = "pypi" + ".org", "TO" + "DO"
    assert list(strange_words(f"fine\nhttps://{host}/simple\n# {left_open}: later\nquay.io/jupyter/x:1\n")) == [
        (2, host),
        (3, left_open),
    ]
