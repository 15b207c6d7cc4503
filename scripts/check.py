"""Runs every gate of `make check` and tells of each whether it was passed, and how long it took."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.budgets import tracked
from scripts.machine import ROOT, say

__all__ = ["gates", "main"]

SHELL = re.compile(rb"#!(/usr)?/bin/(env )?(ba)?sh\b")


def gates() -> dict[str, Sequence[str]]:
    """Return the command of each gate."""
    shell = sorted(str(path) for path in tracked() if SHELL.match(path.read_bytes()[:64]))
    python = sys.executable
    return {
        "format": [python, "-m", "ruff", "format", "--check", "--quiet", "."],
        "lint": [python, "-m", "ruff", "check", "--quiet", "."],
        "types": [python, "-m", "mypy"],
        "imports": [str(Path(python).with_name("lint-imports")), "--no-logo"],
        "budgets": [python, "-m", "scripts.budgets"],
        "prose": [python, "-m", "scripts.prose"],
        "front end": [python, "-m", "scripts.frontend"],
        "shell": ["shellcheck", *shell],
    }


def main() -> int:
    """Run all gates, also after one has failed; return an exit code."""
    failed = []
    for name, command in gates().items():
        begin = time.monotonic()
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "120"},
        )
        passed = done.returncode == 0
        if not passed:
            failed.append(name)
            sys.stderr.write(done.stdout)
        say(f"{'good' if passed else 'FAILED'}: {name} ({time.monotonic() - begin:.1f} s)")
    if failed:
        say(f"Gates not passed: {', '.join(failed)}.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
