"""Builds the pages' scripts and styles when their sources changed."""

import sys

from scripts.machine import ROOT, FailedError, answers, content_hash, run, say

__all__ = ["build", "is_fresh", "main", "node_works"]

FOLDER = ROOT / "frontend"
WEB = ROOT / "src/specola/web"
BUNDLE = WEB / "static/dist"
STAMP = BUNDLE / "source.sha256"
OLDEST_NODE = 18


def source() -> str:
    """Return a hash of all that goes into the bundle: its sources, and the pages that name the icons in it."""
    own = [path for path in FOLDER.rglob("*") if path.is_file() and "node_modules" not in path.parts]
    pages = [path for pattern in ("*.html", "*.py") for path in WEB.rglob(pattern)]
    return content_hash([*own, *pages])


def is_fresh() -> bool:
    """Tell whether the bundle is there and made from the present sources."""
    return STAMP.is_file() and STAMP.read_text(encoding="utf-8") == source()


def node_works() -> bool:
    """Tell whether Node is here, new enough, and npm with it."""
    version = answers(["node", "--version"])
    return (
        version is not None
        and int(version.strip("v\n").split(".")[0]) >= OLDEST_NODE
        and answers(["npm", "--version"]) is not None
    )


def install() -> None:
    """Install the packages that the build uses, exactly as locked."""
    lock = FOLDER / "package-lock.json"
    mark = FOLDER / "node_modules/.specola"
    wanted = content_hash([lock])
    if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return
    say("Installing the packages that build the pages' scripts and styles.")
    run(["npm", "ci", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"], cwd=FOLDER)
    mark.write_text(wanted, encoding="utf-8")


def build() -> None:
    """Build the bundle unless it is fresh."""
    if is_fresh():
        return
    install()
    say("Building the pages' scripts and styles.")
    run(["npm", "run", "--silent", "build"], cwd=FOLDER)
    STAMP.write_text(source(), encoding="utf-8")


def main() -> int:
    """Build, then check the types; return an exit code."""
    try:
        build()
        install()
        run(["npm", "run", "--silent", "check"], cwd=FOLDER)
    except FailedError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
