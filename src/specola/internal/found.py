"""Ports found: what a connector saw in running tasks."""

from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

from specola.api.dependencies import Wiring
from specola.domain.found import MOST_FOUND, FoundPort
from specola.domain.software import Protocol

__all__ = ["router"]

router = APIRouter()
MOST_TASKS = 10_000


class Port(BaseModel):
    """A port at which something listens."""

    model_config = ConfigDict(extra="forbid")

    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Protocol
    loopback: bool


class Seen(BaseModel):
    """All found ports of one task."""

    model_config = ConfigDict(extra="forbid")

    task: str
    ports: Annotated[list[Port], Field(max_length=MOST_FOUND)]


@router.post("/found", status_code=204)
async def found(seen: Annotated[list[Seen], Body(max_length=MOST_TASKS)], services: Wiring) -> None:
    """Write down what was found."""
    await services.found.report({one.task: [FoundPort(**port.model_dump()) for port in one.ports] for one in seen})
