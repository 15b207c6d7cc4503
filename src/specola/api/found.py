"""Ports found in running tasks: list them, and add one to the software."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from specola.api.dependencies import Reader, SoftwareWriter, Wiring
from specola.api.software import SoftwareView
from specola.api.tasks import TaskName
from specola.domain.found import FoundPort
from specola.domain.software import Protocol
from specola.services.addresses import Addresses

__all__ = ["router"]

router = APIRouter(prefix="/tasks/{task}/ports", tags=["tasks"])
Port = Annotated[int, Path(ge=1, le=65535, description="number of a found port")]


class FoundPortView(BaseModel):
    """A port at which something in a task listens beyond what its release declares."""

    name: str = Field(description="what it is called wherever an interface is named")
    port: int
    protocol: Protocol = Field(description="what was recognised there; `tcp`: something else")
    loopback: bool = Field(description="whether it is bound to the task's own loopback address alone")
    origin: str = Field(description="where the gateway serves it, whatever it speaks")
    url: str = Field(description="where it is opened")
    since: datetime | None

    @classmethod
    def of(cls, task: str, one: FoundPort, addresses: Addresses) -> "FoundPortView":
        """Return a found port as JSON shows it."""
        return cls(
            name=one.name,
            port=one.port,
            protocol=one.protocol,
            loopback=one.loopback,
            origin=addresses.origin(task, one.name),
            url=addresses.open(task, one.interface),
            since=one.since,
        )


class NewInterface(BaseModel):
    """How a found port is declared; what is left out is chosen by what was recognised."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, description="name of the interface")
    protocol: Protocol | None = Field(default=None, description="what it speaks")


@router.get(
    "",
    summary="List found ports",
    description="What programs in a running task listen on beyond the interfaces it declares, also on its own loopback "
    "address, noticed within seconds. Each is reached under its `name` like an interface.",
)
async def list_found_ports(task: TaskName, services: Wiring, actor: Reader) -> list[FoundPortView]:
    found = await services.tasks.get(actor, task)
    return [FoundPortView.of(found.id, one, services.addresses) for one in await services.found.of(actor, found.id)]


@router.post(
    "/{port}",
    status_code=201,
    summary="Add a found port to the software",
    description="Saves the interface with another release, which is the current one from then on: of the entry that the "
    "task was started from; of a copy that is yours where you may not change that entry; or of an entry made of its image.",
)
async def declare_found_port(
    task: TaskName, port: Port, wanted: NewInterface, services: Wiring, actor: SoftwareWriter
) -> SoftwareView:
    software = await services.found.declare(actor, task, port, interface=wanted.name, protocol=wanted.protocol)
    return SoftwareView.of(software, actor=actor, catalogue=services.catalogue)
