"""Checks what is written for people: relative links lead somewhere, and no file names a machine or a package registry."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.budgets import tracked
from scripts.machine import ROOT, say

__all__ = ["dead_links", "main", "strange_words"]

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
# Each is written in two parts, so that this file does not hold what it looks for.
STRANGE = tuple(
    re.compile(first + second)
    for first, second in (
        (r"pypi\.", r"org"),
        (r"files\.python", r"hosted\.org"),
        (r"registry\.", r"npmjs\.org"),
        (r"deb\.", r"debian\.org"),
        (r"(?<![\w.-])/work", r"/(main|shared)\b"),
        (r"/root/", r"\.\w"),
        (r"\bTO", r"DO\b"),
        (r"\bFIX", r"ME\b"),
    )
)
BINARY = {".fits", ".png", ".jpg", ".ico", ".woff2", ".gz", ".svg"}


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as Git forges make it."""
    plain = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower())
    return plain.replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Return the anchors of all headings of a page."""
    return {anchor(heading) for heading in HEADING.findall(FENCE.sub("", text))}


def dead_links(page: Path) -> Iterator[str]:
    """Yield each relative link of a page that leads to no file, or to no heading of one."""
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, wanted = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (
            wanted and file.suffix == ".md" and wanted not in anchors(file.read_text(encoding="utf-8"))
        ):
            yield target


def strange_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and word of what has no place in the project: hosts of registries, paths of one machine, things left open."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern in STRANGE:
            if found := pattern.search(line):
                yield number, found[0]


def main() -> int:
    """Report on the whole project; return an exit code."""
    faults = [f"{page.relative_to(ROOT)}: dead link {link}" for page in tracked("*.md") for link in dead_links(page)]
    for file in tracked():
        if file.suffix in BINARY:
            continue
        found = strange_words(file.read_text(encoding="utf-8"))
        faults += [f"{file.relative_to(ROOT)}:{line}: “{word}” has no place here" for line, word in found]
    for fault in faults:
        say(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
