"""Builds the wheel into dist/, and refuses one that lacks what a packaged install needs."""

import sys
import zipfile
from pathlib import Path

from scripts import frontend
from scripts.machine import ROOT, FailedError, run, say

__all__ = ["build", "lacking", "main"]

CARRIED = {
    "pages": ("specola/web/templates/", ".html"),
    "scripts and styles": ("specola/web/static/dist/", ".js"),
    "migrations": ("specola/storage/migrations/versions/", ".py"),
    "catalogue": ("specola/catalogue/", ".yaml"),
}


def lacking(wheel: Path) -> list[str]:
    """Return what a wheel should carry and does not."""
    names = zipfile.ZipFile(wheel).namelist()
    return [
        what
        for what, (folder, suffix) in CARRIED.items()
        if not any(name.startswith(folder) and name.endswith(suffix) for name in names)
    ]


def build(target: Path) -> Path:
    """Build the wheel into a folder, with the build tools pinned in requirements/build.txt; return its path."""
    frontend.build()
    target.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", target])
    wheel = max(target.glob("specola-*.whl"), key=lambda file: file.stat().st_mtime)
    if missing := lacking(wheel):
        raise FailedError(f"{wheel.name} lacks {', '.join(missing)}.")
    return wheel


def main() -> int:
    """Build from the command line; return an exit code."""
    try:
        wheel = build(ROOT / "dist")
    except FailedError as error:
        say(str(error))
        return 1
    say(f"Built {wheel.relative_to(ROOT)} ({wheel.stat().st_size // 1024} kB).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
