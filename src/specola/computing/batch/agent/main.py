"""The agent's command line."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from .relay import relay

__all__ = ["main"]


def main(words: list[str]) -> int:
    """Do what the command line says; return an exit code."""
    if words[:1] == ["relay"] and len(words) == 2:
        return relay(Path(words[1]))
    # Python keeps nothing of a zip compiled, and somebody waits for a relay: it does without all that the others need.
    return int(import_module(".verbs", __package__).main(words))
