"""Asks `web` whether a certificate may be signed, so that nobody's word but the record's counts."""

from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from specola.domain.account_link import Grant
from specola.local_http import over_socket

__all__ = ["Asking", "RefusedError", "UnansweredError"]

PATIENCE = 10.0


class RefusedError(Exception):
    """It may not be signed; the text says why."""


class UnansweredError(Exception):
    """Nobody answered."""


class Asking:
    """The one question of the signer, over the internal socket; see `docs/developer/internal-protocol.md`."""

    def __init__(self, socket: Path) -> None:
        self._client = httpx.AsyncClient(
            transport=over_socket(socket), base_url="http://internal", timeout=httpx.Timeout(PATIENCE)
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def grant(self, question: dict[str, Any]) -> Grant:
        """Return what may be signed. Raises RefusedError, UnansweredError."""
        try:
            answer = await self._client.post("/accounts/grant", json=question)
            answer.raise_for_status()
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UnansweredError from error
        if told["outcome"] != "pass":
            raise RefusedError(told["detail"])
        return Grant(
            serial=int(told["serial"]),
            account=told["account"],
            key_id=told["key_id"],
            created=datetime.fromisoformat(told["created"]),
            expires=datetime.fromisoformat(told["expires"]),
            command=told["command"],
            sources=tuple(told["sources"]),
        )
