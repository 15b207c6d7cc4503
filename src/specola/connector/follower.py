"""Keeps a directory up to date from `GET /streams` of the internal socket, across restarts of `web`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from specola.connector.directory import Directory, Way
from specola.connector.following import follow

__all__ = ["Follower"]


class Follower:
    """Reads the stream of computings and tasks, and connects again whenever it ends."""

    def __init__(self, socket: Path, directory: Directory) -> None:
        self._socket = socket
        self._directory = directory
        self._computings: set[str] = set()
        self._tasks: set[str] = set()
        self._followed = False
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def run(self) -> None:
        """Follow until cancelled."""
        await follow(self._socket, "/streams", begin=self._begin, take=self._note, lost=self._lose)

    def _begin(self) -> Mapping[str, int]:
        self._computings, self._tasks = set(), set()
        return {}

    def _lose(self, error: Exception) -> None:
        """Tell that the stream ended, once; while `web` is on its way there is nothing to tell."""
        if self._followed:
            self._logger.info("streams_lost", error=str(error) or type(error).__name__)
        self._followed = False

    async def _note(self, told: Mapping[str, Any]) -> None:
        if not told.get("snapshot"):
            await self._take(told)
            self._computings.update({told["computing"]} if "kind" in told else ())
            self._tasks.update({told["task"]} if "handle" in told else ())
            return
        await self._directory.keep(computings=self._computings, tasks=self._tasks)
        self._followed = True
        self._logger.info("streams_followed", computings=len(self._computings), tasks=len(self._tasks))

    async def _take(self, told: Mapping[str, Any]) -> None:
        match told:
            case {"task": task, "gone": True}:
                await self._directory.drop_way(task)
            case {"task": task, "computing": computing, "handle": handle, "ports": ports, "declared": declared}:
                way = Way(task=task, computing=computing, handle=handle, ports=tuple(ports), declared=tuple(declared))
                await self._directory.add_way(way)
            case {"computing": name, "gone": True}:
                await self._directory.drop_computing(name)
            case {"computing": name, "kind": kind, "settings": settings}:
                await self._directory.add_computing(name, kind, settings, own=bool(told.get("own")))
            case _:
                pass  # a beat, or something that a later `web` tells
