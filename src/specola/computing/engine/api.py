"""The connection to one engine: aiodocker, and beside it the two kinds of stream that it does not give."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError
from typing_extensions import override

from specola.computing.engine.carrying import CarriedTransport, StreamConnector, Way
from specola.computing.engine.errors import NO_CONNECTION

__all__ = ["Connection", "Engine"]

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CONNECT = 5.0
HEAD = 64 * 1024
MOST_ANSWER = 64 * 1024**2
KEEP = 60.0
# Whom a request names that goes by a way of its own.
ANYWHERE = "http://engine"


class _Answer(aiohttp.ClientResponse):
    """An answer that is read whole, if it is not too long: whose engine it is decides what it answers."""

    @override
    async def read(self) -> bytes:
        if self._body is None:
            kept = bytearray()
            while part := await self.content.readany():
                kept += part
                if len(kept) > MOST_ANSWER:
                    self.close()
                    raise aiohttp.ClientPayloadError("the engine's answer has no end")
            self._body = bytes(kept)
            if self._connection is None:
                return self._body
        return await super().read()


class Engine:
    """One engine's API. Connects when first asked, so that it can be made before there is an event loop.

    Parameters
    ----------
    address
        `unix://PATH`, `tcp://HOST:PORT`, or with a way whatever names the engine.
    way
        How it is connected to where that is not by its address.
    """

    def __init__(self, address: str, *, way: Way | None = None) -> None:
        self.address = address
        self._way = way
        self._docker: Docker | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def docker(self) -> Docker:
        """The client for questions and orders."""
        if self._docker is None:
            self._docker = Docker(self.address if self._way is None else ANYWHERE, session=self._open())
        return self._docker

    async def version(self) -> dict[str, Any]:
        """Ask what it is; the first time, this settles which version of the API is spoken.

        Raises
        ------
        DockerError
            It does not answer, or what answers there is no engine, which is the same.
        """
        try:
            return await self.docker.version()
        except (DockerError, ValueError, TypeError, KeyError) as error:
            status = error.status if isinstance(error, DockerError) else 200
            if status >= 500:
                raise
            raise DockerError(NO_CONNECTION, f"what answers there is no container engine ({status})") from error

    async def close(self) -> None:
        """Close every connection."""
        docker, self._docker = self._docker, None
        session, self._session = self._session, None
        if docker is not None:
            await docker.close()
        if session is not None:
            await session.close()

    @contextlib.asynccontextmanager
    async def stream(self, path: str, params: Mapping[str, str]) -> AsyncIterator[aiohttp.StreamReader]:
        """Ask for an answer that does not end by itself, and give its bytes as they come.

        aiodocker reads such answers too, but takes a broken connection for the end, and drops which stream of the
        container a line came from.
        """
        async with self._open().get(f"{await self._base()}/{path}", params=params) as answer:
            if answer.status >= 400:
                raise DockerError(answer.status, await _message(answer))
            yield answer.content

    async def get(self, path: str, params: Mapping[str, str]) -> Any:
        """Ask one question; aiodocker has no parameter for some of ours."""
        async with self._open().get(f"{await self._base()}/{path}", params=params) as answer:
            if answer.status >= 400:
                raise DockerError(answer.status, await _message(answer))
            return await answer.json(content_type=None)

    async def put_archive(self, container: str, path: str, content: io.BytesIO) -> None:
        """Unpack a tar below `path` in a container."""
        headers = {"Content-Type": "application/x-tar"}
        where = f"containers/{container}/archive"
        await self._order("PUT", where, params={"path": path}, data=content, headers=headers)

    async def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a volume, or find it made."""
        await self._order("POST", "volumes/create", json={"Name": name, "Labels": dict(labels)})

    async def remove_volume(self, name: str) -> None:
        """Remove a volume with all that is in it."""
        await self._order("DELETE", f"volumes/{name}")

    async def remove_container(self, name: str) -> None:
        """Remove a container with the volumes that its image declares, also one that runs."""
        try:
            await self._order("DELETE", f"containers/{name}", params={"v": "1"})
        except DockerError as error:
            if error.status not in {409, 500}:
                raise
            # Podman from version 5 would first ask one that runs to end, and wait 10 s.
            with contextlib.suppress(DockerError):
                await self._order("POST", f"containers/{name}/kill")
            await self._order("DELETE", f"containers/{name}", params={"force": "1", "v": "1"})

    async def load(self, archive: bytes) -> None:
        """Load an image from the format of `docker save`; what went wrong may stand in a good answer."""
        headers = {"Content-Type": "application/x-tar"}
        async with self._open().post(
            f"{await self._base()}/images/load", data=io.BytesIO(archive), headers=headers
        ) as answer:
            text = await _message(answer)
            if answer.status >= 400 or '"error"' in text:
                raise DockerError(max(answer.status, 500), text)

    async def hijack(self, path: str, body: Mapping[str, Any]) -> Connection:
        """Post `body`, and take over the connection, whose halves can then be ended one by one."""
        await self._base()
        # A way has a limit of its own.
        reader, writer = await asyncio.wait_for(self._connect(), CONNECT if self._way is None else None)
        try:
            payload = json.dumps(body).encode()
            lines = (
                f"POST /{self.docker.api_version}/{path} HTTP/1.1",
                "Host: engine",
                "Connection: Upgrade",
                "Upgrade: tcp",
                "Content-Type: application/json",
                f"Content-Length: {len(payload)}",
            )
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + payload)
            head = await reader.readuntil(b"\r\n\r\n")
            await _check_switched(head, reader)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def _order(self, method: str, path: str, **more: Any) -> None:
        """Ask for something to be done whose answer says no more than that it was."""
        async with self._open().request(method, f"{await self._base()}/{path}", **more) as answer:
            if answer.status >= 400:
                raise DockerError(answer.status, await _message(answer))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector: aiohttp.BaseConnector
            # No limit: every stream of logs and events holds a connection of its own.
            if self._way is not None:
                connector = StreamConnector(self._way, keep=KEEP)
            elif self.address.startswith("unix://"):
                connector = aiohttp.UnixConnector(self.address.removeprefix("unix://"), limit=0)
            else:
                connector = aiohttp.TCPConnector(limit=0)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, trust_env=False, response_class=_Answer
            )
        return self._session

    async def _base(self) -> str:
        if self.docker.api_version == "auto":
            await self.version()
        return f"{self.docker.docker_host}/{self.docker.api_version}"

    async def _connect(self) -> Connection:
        if self._way is not None:
            reader = asyncio.StreamReader(limit=HEAD)
            protocol = asyncio.StreamReaderProtocol(reader)
            transport = CarriedTransport(await self._way(), protocol)
            return reader, asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
        if self.address.startswith("unix://"):
            return await asyncio.open_unix_connection(self.address.removeprefix("unix://"), limit=HEAD)
        parts = urlsplit(self.address)
        return await asyncio.open_connection(parts.hostname, parts.port or 2375, limit=HEAD)


async def _check_switched(head: bytes, reader: asyncio.StreamReader) -> None:
    status = int(head.split(b" ", 2)[1])
    # An engine may answer 200 instead of 101 and switch all the same.
    if status not in {101, 200}:
        raise DockerError(status, (await reader.read(HEAD)).decode(errors="replace"))


async def _message(answer: aiohttp.ClientResponse) -> str:
    text = await answer.text()
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text
