"""The connector port over the connector's socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from specola.connector.direct import IMAGE_SECONDS
from specola.connector.wire import IMAGE, KEYS, LINE, PROBE, PROBLEM, SEEN, USAGE
from specola.domain.account_link import AccountSeen
from specola.domain.computing import ImageDetails, LogLine, Probe, Usage
from specola.domain.errors import ConnectorUnreachableError
from specola.domain.person import PersonId
from specola.domain.task import TaskId
from specola.local_http import over_socket
from specola.ports.connector import ShownKey
from specola.problems import raised

__all__ = ["ConnectorClient"]

PATIENCE = 5.0
FIRST_PAUSE = 0.05
LAST_PAUSE = 0.5
# Longer than the connector's own limits, so that it is the one to say what took too long.
ANSWER = httpx.Timeout(5.0, read=IMAGE_SECONDS + 10)
ENDLESS = httpx.Timeout(5.0, read=None)


class ConnectorClient:
    """Asks the connector; implements `specola.ports.connector.Connector`.

    Parameters
    ----------
    socket
        The connector's Unix socket.
    patience
        Seconds for which a question is asked again while nobody answers, since a connector that was killed is back
        within that time. Asking twice does no harm.
    """

    def __init__(self, socket: Path, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._client = httpx.AsyncClient(transport=over_socket(socket), base_url="http://connector", timeout=ANSWER)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def probe(self, computing: str) -> Probe:
        """Ask the computing of that name what it is and can do, now."""
        return PROBE.validate_python(await self._ask("/probe", {"computing": computing}))

    async def probe_draft(self, name: str, kind: str, settings: Mapping[str, Any], *, own: bool = False) -> Probe:
        """Ask a computing that has no record yet, or another one under this name."""
        asked = {"computing": name, "kind": kind, "settings": dict(settings), "own": own}
        return PROBE.validate_python(await self._ask("/probe", asked))

    async def host_keys(self, address: str, port: int, *, own: bool = False) -> Sequence[ShownKey]:
        """Ask a machine that is not registered yet for its host keys; nobody is logged in."""
        asked = {"address": address, "port": port, "own": own}
        return KEYS.validate_python(await self._ask("/host-keys", asked))

    async def inspect_image(self, computing: str, reference: str) -> ImageDetails:
        """Read an image's details from the computing or from its registry."""
        return IMAGE.validate_python(
            await self._ask("/images/inspect", {"computing": computing, "reference": reference})
        )

    async def usage(self, tasks: Sequence[TaskId]) -> Mapping[TaskId, Sequence[Usage]]:
        """Return the measurements kept of live tasks, oldest first, at most 10 minutes of them."""
        return USAGE.validate_python(await self._ask("/usage", {"tasks": list(tasks)}))

    async def tell(self, task: TaskId, text: str) -> None:
        """Show those who work in a task a line of text."""
        _ = await self._ask(f"/tasks/{task}/tell", {"text": text})

    async def prove(self, computing: str, account: str, person: PersonId) -> AccountSeen:
        """Enter an account that a person says is theirs, and look around."""
        question = {"computing": computing, "account": account, "person": person}
        return SEEN.validate_python(await self._ask("/accounts/prove", question))

    async def health(self) -> None:
        """Return once the connector has answered that it is up; it is asked once."""
        try:
            answer = await self._client.get("/health")
        except httpx.TransportError as error:
            raise ConnectorUnreachableError from error
        _ = _body(answer)

    async def logs(self, task: TaskId, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield what a live task writes; once lines have come, a connector that goes away ends them with an error."""
        query: dict[str, Any] = {"follow": follow} | ({} if tail is None else {"tail": tail})
        request = self._client.build_request("GET", f"/tasks/{task}/logs", params=query, timeout=ENDLESS)
        answer = await self._patiently(request, stream=True)
        try:
            if not answer.is_success:
                _ = await answer.aread()
                _ = _body(answer)
            async for text in answer.aiter_lines():
                if text:
                    yield _line(json.loads(text))
        except httpx.TransportError as error:
            raise ConnectorUnreachableError from error
        finally:
            await answer.aclose()

    async def _ask(self, path: str, body: Mapping[str, Any]) -> Any:
        return _body(await self._patiently(self._client.build_request("POST", path, json=body)))

    async def _patiently(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        """Send a question, again and again while the connector restarts."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._patience, FIRST_PAUSE
        while True:
            try:
                return await self._client.send(request, stream=stream)
            except httpx.TransportError as error:
                if loop.time() + pause >= end or isinstance(error, httpx.ReadTimeout):
                    raise ConnectorUnreachableError from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)


def _body(answer: httpx.Response) -> Any:
    """Return what an answer says, raising the failure that it tells of."""
    if answer.is_success:
        return answer.json()
    if answer.headers.get("content-type", "").startswith(PROBLEM):
        raise raised(answer.json())
    raise ConnectorUnreachableError


def _line(told: dict[str, Any]) -> LogLine:
    if "problem" in told:
        raise raised(told["problem"])
    return LINE.validate_python(told)
