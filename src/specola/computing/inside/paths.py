"""Where things of ours are in a container."""

from pathlib import Path

__all__ = ["CREDENTIAL", "FILES", "FOLDER", "GUARD", "HELPER", "LOADER", "LOGIN", "RUNNER", "SCRIPTS"]

FOLDER = ".specola"
CREDENTIAL = f"/{FOLDER}/credential"
HELPER = f"/{FOLDER}/busybox"
RUNNER = f"/{FOLDER}/run"
LOGIN = f"/{FOLDER}/login"
GUARD = f"/{FOLDER}/guard"
FILES = f"/{FOLDER}/files"
LOADER = f"{FILES}/loader"
SCRIPTS = {path: Path(__file__).with_name(Path(path).name) for path in (RUNNER, LOGIN, GUARD)}
"""The scripts that the helper runs in a container, and where each is here."""
