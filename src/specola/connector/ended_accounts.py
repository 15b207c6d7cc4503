"""Closes what is open as accounts whose links have ended, as `web` tells it."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import structlog

from specola.domain.errors import SpecolaError
from specola.hosts.registered import RegisteredHosts
from specola.local_http import over_socket

__all__ = ["EndedAccounts"]

SILENCE = httpx.Timeout(5.0, read=25.0)
PAUSE = 0.5
PREFIX = "account:"


class EndedAccounts:
    """Follows `GET /revocations`; what was missed is asked for. Without `web` nothing is closed: tasks need their hosts."""

    def __init__(self, socket: Path, hosts: RegisteredHosts) -> None:
        self._socket = socket
        self._hosts = hosts
        self._last: int | None = None
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def run(self) -> None:
        """Follow until cancelled, connecting again wherever the stream breaks."""
        transport = over_socket(self._socket)
        async with httpx.AsyncClient(transport=transport, base_url="http://internal", timeout=SILENCE) as client:
            while True:
                try:
                    await self._follow(client)
                except (httpx.HTTPError, OSError):
                    pass  # it is on its way
                except (ValueError, KeyError, TypeError):
                    self._logger.exception("revocations_not_understood")
                await asyncio.sleep(PAUSE)

    async def _follow(self, client: httpx.AsyncClient) -> None:
        after = {} if self._last is None else {"after": self._last}
        async with client.stream("GET", "/revocations", params=after) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line:
                    await self._take(json.loads(line))

    async def _take(self, told: Mapping[str, Any]) -> None:
        self._last = int(told["sequence"])
        mark = str(told.get("mark", ""))
        if mark.startswith(PREFIX):
            computing, _, account = mark.removeprefix(PREFIX).partition("/")
            self._leave(computing, account)
        elif "gap" in told:
            await self._look()

    async def _look(self) -> None:
        """Look after changes were missed which of the open accounts are still somebody's."""
        for computing, account in self._hosts.open_accounts:
            try:
                proven = await self._hosts.accounts(computing)
            except SpecolaError:
                continue  # nothing was learned
            if account not in proven:
                self._leave(computing, account)

    def _leave(self, computing: str, account: str) -> None:
        self._logger.info("account_left", computing=computing, account=account)
        self._hosts.leave(computing, account)
