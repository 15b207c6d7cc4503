"""All tests on two processes; what fails there is run once more, alone, and both outcomes are told.

A test that passes only alone is flaky: it is printed as such, and is a fault of the product or of the test that somebody has to
find. It does not stop a change that has nothing to do with it.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.root import refusal

# What of the platform stands on the lab is tested with all else. The lab's own tests take minutes: `make test-lab` runs them.
LAB = "tests/lab"
ON_LAB = (
    "tests/computing/batch",
    "tests/contract",
    "tests/e2e",
    "tests/hosts",
    "tests/lab",
    "tests/matrix",
    "tests/signer",
)
"""Where tests stand on places of the lab: what its machines are made of is made before they run, as that takes minutes once."""
ON_KUBERNETES = ("tests/contract", "tests/e2e", "tests/lab", "tests/matrix")
# More than these is not chance.
MOST = 4
FAILED = 1
ALL = "--all"
"""Also runs what is marked `long`: what shows on one more place what is shown on another already."""
RECORD = Path(".pytest_cache/v/cache/lastfailed")


def main(argv: list[str]) -> int:
    """Run the tests that the arguments name; return pytest's exit code."""
    everything = ALL in argv
    argv = [word for word in argv if word != ALL]
    run = [sys.executable, "-m", "pytest", *argv, *([] if everything else ["-m", "not long"])]
    if LAB not in " ".join(argv):
        run.append(f"--ignore={LAB}")
    prepare(argv)
    RECORD.unlink(missing_ok=True)
    code = subprocess.call([*run, "--numprocesses", "2", "--dist", "loadgroup"])
    if code != FAILED:
        return code
    failed = list(json.loads(RECORD.read_text(encoding="utf-8"))) if RECORD.exists() else []
    if not 0 < len(failed) <= MOST:
        return code
    print("\nOnce more, alone; what passes now is flaky, and a fault to be found:", *failed, sep="\n  ", flush=True)
    return subprocess.call([*run, "--last-failed", "--last-failed-no-failures", "none", "-rA"])


def prepare(argv: list[str]) -> None:
    """Make what the lab's machines are made of, once for this machine, if tests that the arguments name stand on them."""
    if refusal():
        return
    if names(argv, ON_LAB):
        subprocess.check_call([sys.executable, "-m", "lab", "build", "sshhost"])
    if names(argv, ON_KUBERNETES):
        # Where it cannot be compiled, the tests that need it are left out, and say so.
        subprocess.call(["nice", sys.executable, "-m", "lab", "build", "kubernetes"])


def names(argv: list[str], folders: Sequence[str]) -> bool:
    """Tell whether a folder, or something in it, or a folder above it, is named."""
    paths = [Path(word.partition("::")[0]) for word in argv if word.startswith("tests")]
    return any(
        path == one or path in one.parents or one in path.parents for path in paths for one in map(Path, folders)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
