"""The connection to one cluster's API server: the handful of questions that are asked, and connections that it hands over."""

import asyncio
import contextlib
import json
import random
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from specola.addresses import is_here
from specola.computing.kubernetes.errors import ApiError
from specola.computing.kubernetes.kubeconfig import Access, KubeconfigError
from specola.computing.registries import AddressRefusedError, Reach
from specola.flow import connect

__all__ = ["Api", "Connection", "Query"]

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Query = Sequence[tuple[str, str]]
CONNECT = 5.0
HEAD = 64 * 1024
PAGE = 500
# Whose cluster it is decides what it answers: this process's memory is not for it to fill.
MOST_ANSWER, MOST_OBJECTS = 64 * 1024**2, 50_000
ENDLESS = "the cluster's answer has no end"
# How often a question is put again to a server that is too busy, and how long it is waited at most in between.
TRIES, LONGEST = 5, 8.0
BUSY = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """Where the server is asked: an address to connect to, whom the question is for, whom the certificate has to name."""

    url: str
    host: str
    name: str

    @property
    def headers(self) -> dict[str, str]:
        """What of it a question says."""
        return {"Host": self.host}

    @property
    def extensions(self) -> dict[str, str]:
        """What of it TLS has to know."""
        return {"sni_hostname": self.name}


class Api:
    """One cluster's API. Connects when first asked; who asks is read again after a refusal, since it may be renewed.

    Parameters
    ----------
    local
        Whether the server may be on this host itself, or at an address that only its own link knows.
    """

    def __init__(self, access: Callable[[], Access], *, local: bool) -> None:
        self._read_access = access
        self._local = local
        self._access: Access | None = None
        self._trust: ssl.SSLContext | None = None
        self._client: httpx.AsyncClient | None = None
        self.asked = 0
        """How many questions were sent, those put again included."""

    async def close(self) -> None:
        """Close every connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get(self, path: str, query: Query = ()) -> dict[str, Any]:
        """Ask for one object."""
        return await self._ask("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any], query: Query = ()) -> dict[str, Any]:
        """Make an object."""
        return await self._ask("POST", path, query=query, body=body)

    async def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change what `body` names of an object (a JSON merge patch)."""
        return await self._ask("PATCH", path, body=body, kind="merge-patch+json")

    async def delete(self, path: str, *, grace: int | None = None) -> None:
        """Remove an object, unless it is not there.

        Parameters
        ----------
        grace
            Seconds that a pod gets to end; None: those it was made with.
        """
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        options = body | ({"gracePeriodSeconds": grace} if grace is not None else {})
        with contextlib.suppress(_MissingError):
            await self._ask("DELETE", path, body=options)

    async def pages(self, path: str, query: Query) -> tuple[list[dict[str, Any]], str]:
        """Ask for all objects of a collection, page by page; return them, and what a watch goes on from."""
        found: list[dict[str, Any]] = []
        more = ""
        while True:
            page = [*query, ("limit", str(PAGE)), *([("continue", more)] if more else [])]
            try:
                told = await self.get(path, page)
            except ApiError as error:
                if error.status != 410 or not more:
                    raise
                # The list was begun too long ago to be gone on with.
                found, more = [], ""
                continue
            found += told.get("items") or []
            if len(found) > MOST_OBJECTS:
                raise EOFError(ENDLESS)
            more = (told.get("metadata") or {}).get("continue") or ""
            if not more:
                return found, str((told.get("metadata") or {}).get("resourceVersion") or "")

    @contextlib.asynccontextmanager
    async def stream(self, path: str, query: Query) -> AsyncIterator[AsyncIterator[bytes]]:
        """Ask for an answer that does not end by itself, and give its bytes as they come."""
        self.asked += 1
        way = await self._way()
        request = self._open().build_request(
            "GET",
            way.url + path,
            params=list(query),
            headers=self._headers() | way.headers,
            timeout=None,
            extensions=way.extensions,
        )
        answer = await self._open().send(request, stream=True)
        try:
            if answer.status_code >= 400:
                raise self._error(answer, await _whole(answer))
            yield answer.aiter_bytes()
        finally:
            await answer.aclose()

    async def upgrade(self, path: str, query: Query, *, protocol: str, version: str) -> Connection:
        """Post a question, and take over the connection for another protocol.

        Parameters
        ----------
        protocol, version
            What is spoken on it, and which version of what is said in that.
        """
        self.asked += 1
        headers = self._headers()
        way = await self._way()
        parts = urlsplit(way.url)
        secure = parts.scheme == "https"
        async with asyncio.timeout(CONNECT):
            reader, writer = await connect(
                parts.hostname or "",
                parts.port or (443 if secure else 80),
                tls=self._trust if secure else None,
                name=way.name if secure else None,
                limit=HEAD,
            )
        lines = [
            f"POST {parts.path}{quote(path)}?{urlencode(list(query))} HTTP/1.1",
            f"Host: {way.host}",
            "Connection: Upgrade",
            f"Upgrade: {protocol}",
            f"X-Stream-Protocol-Version: {version}",
            "Content-Length: 0",
            *(f"{key}: {value}" for key, value in headers.items()),
        ]
        try:
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
            await _check_switched(reader)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    async def _ask(
        self, method: str, path: str, *, query: Query = (), body: Mapping[str, Any] | None = None, kind: str = "json"
    ) -> dict[str, Any]:
        for pause in _pauses():
            try:
                return await self._ask_once(method, path, query, body, kind)
            except ApiError as error:
                # A question to make something may have been heard although its answer is an error: its name tells.
                if pause is None or error.status not in BUSY or (error.status == 500 and error.again is None):
                    raise
                await asyncio.sleep(min(error.again, LONGEST) if error.again is not None else pause)
        raise AssertionError("the last pause is None")

    async def _ask_once(
        self, method: str, path: str, query: Query, body: Mapping[str, Any] | None, kind: str
    ) -> dict[str, Any]:
        self.asked += 1
        way = await self._way()
        headers = self._headers() | way.headers
        content = None
        if body is not None:
            headers["Content-Type"] = f"application/{kind}"
            content = json.dumps(body)
        async with self._open().stream(
            method,
            way.url + path,
            params=list(query),
            content=content,
            headers=headers,
            extensions=way.extensions,
        ) as answer:
            came = await _whole(answer)
        if answer.status_code == 401:
            self._forget()
        if answer.status_code >= 400:
            raise self._error(answer, came)
        try:
            told = json.loads(came)
        except ValueError as error:
            raise ApiError(answer.status_code, message="its answer is no JSON") from error
        return told if isinstance(told, dict) else {}

    def _error(self, answer: httpx.Response, content: bytes) -> ApiError:
        after = answer.headers.get("Retry-After", "")
        return _read_error(answer.status_code, content, again=float(after) if after.isdecimal() else None)

    def _headers(self) -> dict[str, str]:
        return {**self._learn().headers(), "User-Agent": "specola", "Accept": "application/json, */*"}

    def _learn(self) -> Access:
        if self._access is None:
            access = self._read_access()
            self._trust = access.trust()
            self._access = access
        return self._access

    async def _way(self) -> _Way:
        """Return the way to the server: by its name, or to an address that was vetted."""
        access = self._learn()
        url = httpx.URL(access.server)
        port = url.port or (443 if url.scheme == "https" else 80)
        host = url.host
        if not self._local:
            try:
                addresses = await Reach().vet(url)
            except AddressRefusedError as error:
                raise KubeconfigError(f"its server is not asked, since {error}") from error
            if any(map(is_here, addresses)):
                raise KubeconfigError("its server is not asked, since it is on the platform's own machine")
            host = addresses[0]
        where = f"[{host}]" if ":" in host else host
        return _Way(
            url=f"{url.scheme}://{where}:{port}{url.path.rstrip('/')}",
            host=url.netloc.decode("ascii"),
            name=access.server_name or url.host,
        )

    def _forget(self) -> None:
        self._access = None

    def _open(self) -> httpx.AsyncClient:
        self._learn()
        if self._client is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
            timeout = httpx.Timeout(60.0, connect=CONNECT)
            self._client = httpx.AsyncClient(
                verify=self._trust if self._trust is not None else False,
                limits=limits,
                timeout=timeout,
                trust_env=False,
            )
        return self._client


async def _whole(answer: httpx.Response) -> bytes:
    """Read an answer to its end. Raises EOFError if it has none."""
    kept = bytearray()
    async for part in answer.aiter_bytes():
        kept += part
        if len(kept) > MOST_ANSWER:
            raise EOFError(ENDLESS)
    return bytes(kept)


class _MissingError(ApiError):
    """What was asked for is not there."""


def _read_error(status: int, content: bytes, *, again: float | None = None) -> ApiError:
    """Read the answer that tells of an error, which is an object of kind Status unless something in between answered."""
    try:
        told = json.loads(content)
        reason, message = str(told.get("reason") or ""), str(told.get("message") or "")
    except (ValueError, AttributeError):
        reason, message = "", content[:300].decode(errors="replace")
    return (_MissingError if status == 404 else ApiError)(status, reason, message, again=again)


def _pauses() -> Iterator[float | None]:
    """Yield how long to wait after each failure; None after the last. Many that failed together come back apart."""
    for number in range(TRIES - 1):
        yield 0.2 * 2**number * random.uniform(0.7, 1.3)  # noqa: S311 -- no secret
    yield None


async def _check_switched(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    if status != 101:
        raise _read_error(status, await _body(head, reader))


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    """Read the body of an answer that tells of an error."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return await reader.readexactly(min(int(value), HEAD))
    return b""
