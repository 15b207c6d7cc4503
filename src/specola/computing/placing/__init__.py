"""What every kind of computing places in containers: scripts that the helper runs, OpenSSH's server of files."""

from pathlib import Path

__all__ = ["LOGIN", "RUNNER"]

RUNNER = Path(__file__).with_name("inside") / "run"
"""Becomes one command inside a task."""
LOGIN = RUNNER.with_name("login")
"""Read by the login shell that it becomes where it is given none."""
