"""How a task is, as a file in its folder and for whoever listens."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

__all__ = ["ENDED", "FAILED", "PULLING", "RUNNING", "STARTING", "Status", "write_whole"]

PULLING, STARTING, RUNNING, ENDED = "pulling", "starting", "running", "ended"
FAILED = "start_failed"


class Status:
    """The file `status.json`, written anew and whole at each change."""

    def __init__(self, folder: Path, **facts: Any) -> None:
        self._path = folder / "status.json"
        self._facts: dict[str, Any] = {"version": 1, **facts}
        self._news = asyncio.Event()

    @property
    def facts(self) -> dict[str, Any]:
        """What it says now."""
        return dict(self._facts)

    def change(self, **facts: Any) -> None:
        """Write down what has changed."""
        self._facts.update(facts)
        write_whole(self._path, json.dumps(self._facts))
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def changes(self) -> AsyncIterator[dict[str, Any]]:
        """Yield how it is, and how it is after each change, until the task has ended. Changes may be passed over."""
        while True:
            news = self._news
            yield self.facts
            if self._facts["phase"] == ENDED:
                return
            await news.wait()


def write_whole(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file in one step: whoever reads it sees all of the old text or all of the new."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    part.replace(path)
