"""Answers on the signer's socket: one question and one answer for each connection, a JSON line each."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from specola.authorities.accounts import AccountAuthority
from specola.clock import Clock
from specola.domain.account_link import Grant, valid_account
from specola.domain.errors import InvalidError
from specola.openssh import read_key
from specola.signer.asking import Asking, RefusedError, UnansweredError

__all__ = ["LARGEST_LINE", "Server", "check_grant"]

LARGEST_LINE = 16 * 1024
PATIENCE = 15.0
LONGEST = timedelta(minutes=15)
CREDENTIALS = struct.Struct("3i")
QUESTION = frozenset({"computing", "account", "purpose", "person", "request", "public_key"})


class Server:
    """Signs what `web` grants, and writes every signature into the log.

    Parameters
    ----------
    trusted
        The number of the one user whose processes may ask, besides root.
    """

    def __init__(self, authority: AccountAuthority, asking: Asking, *, trusted: int, clock: Clock) -> None:
        self._authority = authority
        self._clock = clock
        self._asking = asking
        self._trusted = frozenset({0, trusted})
        self._logger = structlog.stdlib.get_logger("specola.signer")

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._answer(await reader.readline(), writer)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            self._logger.info("signer_question_dropped")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> Mapping[str, Any]:
        asker = _asker(writer)
        if asker not in self._trusted:
            self._logger.warning("signer_stranger", user=asker)
            return {"outcome": "refused", "detail": "this user may not ask"}
        try:
            asked = _read(line)
            return await self._sign(asked)
        except (InvalidError, RefusedError) as error:
            self._logger.info("account_certificate_refused", detail=str(error))
            return {"outcome": "refused", "detail": str(error)}
        except UnansweredError:
            return {"outcome": "unavailable"}

    async def _sign(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        key = read_key(asked["public_key"])
        question = {name: asked[name] for name in QUESTION - {"public_key"}}
        grant = await self._asking.grant({**question, "fingerprint": key.fingerprint})
        if grant.account != asked["account"]:
            raise RefusedError("another account was granted than asked for")
        check_grant(grant, now=self._clock.now())
        certificate = self._authority.certify(key.text, grant)
        self._logger.info(
            "account_certificate_signed",
            serial=grant.serial,
            certified_as=grant.key_id,
            account=grant.account,
            computing=asked["computing"],
            purpose=asked["purpose"],
            fingerprint=key.fingerprint,
            expires=grant.expires.isoformat(),
        )
        return {"outcome": "pass", "certificate": certificate, "expires": grant.expires.isoformat()}


def check_grant(grant: Grant, *, now: datetime) -> None:
    """Make sure that a certificate is for minutes, from now on, and for a person's account, whatever was granted.

    Raises
    ------
    InvalidError, RefusedError
        More was granted than anybody should get: `web` talks to visitors, and the signer does not rely on it alone.
    """
    valid_account(grant.account)
    if grant.expires - grant.created > LONGEST or abs(grant.created - now) > LONGEST:
        raise RefusedError("a certificate is good for minutes, from now on")


def _read(line: bytes) -> Mapping[str, str]:
    try:
        asked = json.loads(line)
    except ValueError as error:
        raise RefusedError("the question is no JSON") from error
    if not isinstance(asked, dict) or set(asked) != QUESTION or not all(isinstance(one, str) for one in asked.values()):
        raise RefusedError("the question is malformed")
    return asked


def _asker(writer: asyncio.StreamWriter) -> int:
    """Return which user's process is at the other end (unix(7), SO_PEERCRED)."""
    ours = writer.get_extra_info("socket")
    told = ours.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    number: int = CREDENTIALS.unpack(told)[1]
    return number
