"""What opens accounts on hosts, asked of `web` and of the signer anew for each connection."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from specola.clock import Clock
from specola.domain.account_link import Purpose
from specola.domain.errors import AccountRefusedError, ConnectorUnreachableError
from specola.local_http import over_socket
from specola.openssh import new_pair
from specola.ports.hosts import SshIdentity

__all__ = ["ConnectorIdentities"]

T = TypeVar("T")
ANSWER_SECONDS = 15.0
PATIENCE = 5.0
FIRST_PAUSE = 0.05
LAST_PAUSE = 0.5
LARGEST_LINE = 64 * 1024


class ConnectorIdentities:
    """Implements `specola.ports.hosts.Identities`; what it gets is kept nowhere.

    Parameters
    ----------
    internal, signer
        The sockets of `web` and of the signer.
    patience
        Seconds for which they are asked again while one of them does not answer, since one that was killed is back by then.
    """

    def __init__(self, internal: Path, signer: Path, *, clock: Clock, patience: float = PATIENCE) -> None:
        self._signer = signer
        self._patience = patience
        self._clock = clock
        self._client = httpx.AsyncClient(
            transport=over_socket(internal), base_url="http://internal", timeout=httpx.Timeout(ANSWER_SECONDS)
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def accounts(self, computing: str) -> Sequence[str]:
        """Return the accounts there that somebody here has proven to be theirs. Raises ConnectorUnreachableError."""
        told = await self._patiently(lambda: self._ask("/accounts/list", {"computing": computing}))
        return [str(one) for one in told["accounts"]]

    async def identity(self, computing: str, account: str) -> SshIdentity:
        """Return what opens an account, now.

        Raises
        ------
        AccountRefusedError
            Nobody here has proven that this account is theirs.
        ConnectorUnreachableError
            It cannot be had at the moment.
        """
        return await self._patiently(lambda: self._opening(computing, account, purpose=Purpose.WORK))

    async def proving(self, computing: str, account: str, person: str) -> SshIdentity:
        """Return what shows whether an account is a person's, who says so; it opens nothing else. Raises as `identity`."""
        return await self._patiently(lambda: self._opening(computing, account, purpose=Purpose.PROOF, person=person))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again and again while nobody answers; what is asked may be asked twice."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._patience, FIRST_PAUSE
        while True:
            try:
                return await ask()
            except ConnectorUnreachableError:
                if loop.time() + pause >= end:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)

    async def _opening(self, computing: str, account: str, *, purpose: Purpose, person: str = "") -> SshIdentity:
        told = await self._ask("/accounts/opening", {"computing": computing, "account": account, "person": person})
        match told:
            case {"outcome": "key", "private_key": str(private)}:
                return SshIdentity(account=account, private_key=private)
            case {"outcome": "certificate"}:
                return await self._certified(computing, account, purpose=purpose, person=person)
            case _:
                raise AccountRefusedError(computing, account, str(told.get("detail", "")))

    async def _certified(self, computing: str, account: str, *, purpose: Purpose, person: str) -> SshIdentity:
        """Make a key for this one connection, and have it certified."""
        private, public = new_pair()
        question = {
            "computing": computing,
            "account": account,
            "purpose": purpose.value,
            "person": person,
            "request": self._clock.new_id(12),
            "public_key": public,
        }
        told = await self._sign(question)
        match told:
            case {"outcome": "pass", "certificate": str(certificate), "expires": str(expires)}:
                until = datetime.fromisoformat(expires)
                return SshIdentity(account=account, private_key=private, certificate=certificate, until=until)
            case {"outcome": "refused", "detail": str(detail)}:
                raise AccountRefusedError(computing, account, detail)
            case _:
                raise ConnectorUnreachableError

    async def _sign(self, question: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._signer, limit=LARGEST_LINE)
                try:
                    writer.write(json.dumps(question).encode() + b"\n")
                    told: Mapping[str, Any] = json.loads(await reader.readline())
                finally:
                    writer.close()
        except (OSError, ValueError, TimeoutError) as error:
            raise ConnectorUnreachableError from error
        return told

    async def _ask(self, path: str, question: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            answer = await self._client.post(path, json=question)
            answer.raise_for_status()
            told: Mapping[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ConnectorUnreachableError from error
        return told
