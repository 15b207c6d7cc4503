"""Keeps a directory up to date from `GET /streams` of the internal socket, across restarts of `web`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import structlog

from specola.connector.directory import Directory, Way
from specola.local_http import over_socket

__all__ = ["Follower"]

# Applications behind the connector wait for it, so it never stays away long after `web` is back.
FIRST_PAUSE = 0.05
LAST_PAUSE = 0.5
# A line comes at least every 10 s; three missed ones mean that nobody is there any more.
SILENCE = httpx.Timeout(5.0, read=30.0)


class Follower:
    """Reads the stream of computings and tasks, and connects again whenever it ends."""

    def __init__(self, socket: Path, directory: Directory) -> None:
        self._socket = socket
        self._directory = directory
        self._pause = FIRST_PAUSE
        self._followed = False
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def run(self) -> None:
        """Follow until cancelled."""
        transport = over_socket(self._socket)
        async with httpx.AsyncClient(transport=transport, base_url="http://internal", timeout=SILENCE) as client:
            while True:
                try:
                    await self._follow(client)
                except (httpx.HTTPError, OSError) as error:
                    self._lose(error)
                except (ValueError, KeyError, TypeError):
                    self._logger.exception("streams_not_understood")
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, LAST_PAUSE)

    def _lose(self, error: Exception) -> None:
        """Tell that the stream ended, once; while `web` is on its way there is nothing to tell."""
        if self._followed:
            self._logger.info("streams_lost", error=str(error) or type(error).__name__)
        self._followed = False

    async def _follow(self, client: httpx.AsyncClient) -> None:
        computings: set[str] = set()
        tasks: set[str] = set()
        async with client.stream("GET", "/streams") as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                told = json.loads(line)
                if told.get("snapshot"):
                    await self._directory.keep(computings=computings, tasks=tasks)
                    self._pause, self._followed = FIRST_PAUSE, True
                    self._logger.info("streams_followed", computings=len(computings), tasks=len(tasks))
                else:
                    await self._take(told)
                    computings.update({told["computing"]} if "kind" in told else ())
                    tasks.update({told["task"]} if "handle" in told else ())

    async def _take(self, told: dict[str, Any]) -> None:
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
