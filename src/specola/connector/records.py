"""Records of a connector: what it carries itself, and tasks that compute, told to `web`."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import structlog

from specola.clock import Clock
from specola.connector.sampler import Sampler
from specola.local_http import over_socket
from specola.records import REPORT_SECONDS, Records

__all__ = ["records_at", "report"]

SECONDS = 5.0

log = structlog.stdlib.get_logger("specola.connector")


def records_at(socket: Path, *, clock: Clock) -> Records:
    """Make the records of a connector, told to the internal socket of `web`."""

    async def tell(path: str, lines: list[dict[str, Any]]) -> bool:
        try:
            async with httpx.AsyncClient(
                transport=over_socket(socket), base_url="http://internal", timeout=SECONDS
            ) as client:
                answer = await client.post(path, json=lines)
        except (httpx.HTTPError, OSError) as error:
            log.debug("reported_later", path=path, error=str(error) or type(error).__name__)
            return False
        if answer.is_client_error:
            log.error("report_refused", path=path, status=answer.status_code)
        return not answer.is_server_error

    return Records(clock=clock, tell=tell)


async def report(records: Records, sampler: Sampler, *, clock: Clock) -> None:
    """Report until cancelled, and tell which tasks compute by themselves."""
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        for task in sampler.computing(clock.now()):
            records.note_use(task)
        await records.report()
