"""What the connector tells `web` of its own accord, by the internal socket."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from specola.connector.scout import Tell
from specola.domain.found import FoundPort
from specola.domain.task import TaskId
from specola.local_http import over_socket

__all__ = ["telling_found"]

PATIENCE = 10.0


@asynccontextmanager
async def telling_found(socket: Path) -> AsyncIterator[Tell]:
    """Give what tells found ports; it raises OSError while `web` is away."""
    async with httpx.AsyncClient(transport=over_socket(socket), base_url="http://internal", timeout=PATIENCE) as client:

        async def tell(found: Mapping[TaskId, Sequence[FoundPort]]) -> None:
            body = [{"task": task, "ports": [_told(one) for one in ports]} for task, ports in found.items()]
            try:
                (await client.post("/found", json=body)).raise_for_status()
            except httpx.HTTPError as error:
                raise OSError(str(error) or type(error).__name__) from error

        yield tell


def _told(one: FoundPort) -> dict[str, object]:
    return {"port": one.port, "protocol": one.protocol.value, "loopback": one.loopback}
