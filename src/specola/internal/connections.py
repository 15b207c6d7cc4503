"""Reports of connections, from gateways and connectors."""

from datetime import datetime
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Body
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from specola.api.dependencies import Wiring
from specola.domain.connection import Connection, ConnectionKind

__all__ = ["router"]

MOST = 10_000
MOST_BYTES = 2**62
router = APIRouter()
log = structlog.stdlib.get_logger(__name__)

Amount = Annotated[int, Field(ge=0, le=MOST_BYTES)]
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class Reported(BaseModel):
    """One connection as its carrier knows it; sent again as it goes on."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: str = Field(pattern=r"^[0-9A-Za-z_-]{8,40}$")
    kind: ConnectionKind
    task: str = Field(pattern=r"^[0-9a-z]{1,20}$")
    interface: Text = Field(max_length=60)
    person: Text = Field(default="", max_length=20)
    address: Text = Field(default="", max_length=64)
    began: AwareDatetime
    ended: AwareDatetime | None = None
    received: Amount = 0
    sent: Amount = 0
    refused: Text = Field(default="", max_length=60)
    times: int = Field(default=1, ge=1, le=2**31 - 1)

    def connection(self, heard: datetime) -> Connection:
        """Return it as the services take it."""
        return Connection(heard=heard, **self.model_dump())


@router.post("/connections", status_code=204)
async def connections(lines: Annotated[list[Any], Body(max_length=MOST)], services: Wiring) -> None:
    """Note connections; a line that is none is dropped, and takes no other with it."""
    now = services.clock.now()
    good: list[Connection] = []
    for line in lines:
        try:
            good.append(Reported.model_validate(line).connection(now))
        except ValidationError as error:
            log.warning("connection_not_understood", error=str(error))
    await services.connections.note(good)
