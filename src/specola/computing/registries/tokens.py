"""Anonymous tokens of image registries: the challenge, and the question it leads to."""

import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from specola.computing.registries.reach import AddressRefusedError

__all__ = ["Challenge", "check_protected", "read_token"]

PAIR = re.compile(r'(\w+)="([^"]*)"')
LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Challenge:
    """Where a registry says that a token is to be had (`WWW-Authenticate: Bearer …`, distribution's token specification)."""

    realm: str
    service: str

    @classmethod
    def read(cls, header: str) -> "Challenge | None":
        """Read a header; None if it asks for something else than a bearer token."""
        kind, _, rest = header.partition(" ")
        pairs = dict(PAIR.findall(rest))
        if kind.lower() != "bearer" or "realm" not in pairs:
            return None
        return cls(pairs["realm"], pairs.get("service", ""))


async def read_token(client: httpx.AsyncClient, challenge: Challenge, repository: str, *, plain: bool) -> str | None:
    """Ask for a token to read one repository; None if it is given to nobody without an account.

    Raises
    ------
    AddressRefusedError
        The registry names an address where nobody may be asked.
    ValueError
        What answers there gives no token.
    httpx.HTTPError
        The address does not answer.
    """
    check_protected(challenge.realm, plain=plain)
    params = {"scope": f"repository:{repository}:pull"} | ({"service": challenge.service} if challenge.service else {})
    # Uncompressed: a few bytes could stand for as much memory as there is.
    headers = {"Accept-Encoding": "identity"}
    async with client.stream("GET", challenge.realm, params=params, headers=headers) as answer:
        if answer.status_code in {401, 403}:
            return None
        answer.raise_for_status()
        body = bytearray()
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > LARGEST:
                raise ValueError("the answer is too large")
    told = json.loads(body)
    token = told.get("token") or told.get("access_token")
    if not isinstance(token, str):
        raise ValueError("the answer has no token")  # noqa: TRY004 -- what is wrong is the registry's answer
    return token


def check_protected(url: str, *, plain: bool) -> None:
    """Refuse an address that a registry sends us to, unless TLS protects it, or the registry is asked without itself.

    Raises
    ------
    AddressRefusedError
        Following it would let a registry have us ask things inside this network.
    """
    scheme = urlsplit(url).scheme
    if scheme != "https" and not (plain and scheme == "http"):
        raise AddressRefusedError("it leads to an address without TLS")
