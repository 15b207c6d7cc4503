"""Closes what is open as accounts whose links have ended, as `web` tells it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from specola.connector.following import follow
from specola.domain.errors import SpecolaError
from specola.hosts.registered import RegisteredHosts

__all__ = ["EndedAccounts"]

PREFIX = "account:"


class EndedAccounts:
    """Follows `GET /revocations`; what was missed is asked for. Without `web` nothing is closed: tasks need their hosts."""

    def __init__(self, socket: Path, hosts: RegisteredHosts) -> None:
        self._socket = socket
        self._hosts = hosts
        self._last: int | None = None
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def run(self) -> None:
        """Follow until cancelled."""
        await follow(self._socket, "/revocations", begin=self._begin, take=self._take, lost=lambda _: None)

    def _begin(self) -> Mapping[str, int]:
        return {} if self._last is None else {"after": self._last}

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
