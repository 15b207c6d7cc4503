"""Offers: what a computing takes of a start, before one asks for it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from specola.api.dependencies import Reader, Wiring
from specola.api.placement_views import OfferView
from specola.domain.software import Resources

__all__ = ["router"]

router = APIRouter(tags=["computings"])
USUAL = Resources()


class Size(BaseModel):
    """How big the task would be, which the expected wait depends on."""

    model_config = ConfigDict(extra="forbid")

    partition: str | None = Field(default=None, description="null: its usual one")
    cpus: float = Field(default=USUAL.cpus, gt=0)
    memory: int = Field(default=USUAL.memory, gt=0, description="bytes")
    gpus: int = Field(default=USUAL.gpus, ge=0)


@router.get(
    "/computings/{name}/offer",
    summary="Show what a computing takes",
    description="The most and the usual of each resource, partitions, projects and options that a task may ask for there, "
    "as its record, its last probe and the platform's limits say; and how long earlier tasks of about this size waited.",
)
async def get_offer(
    name: Annotated[str, Path(description="name of the computing")],
    services: Wiring,
    actor: Reader,
    size: Annotated[Size, Query()],
) -> OfferView:
    offer = await services.offers.of(actor, name, partition=size.partition)
    resources = Resources(cpus=size.cpus, memory=size.memory, gpus=size.gpus)
    wait = await services.offers.wait(actor, name, resources=resources, partition=size.partition)
    return OfferView.of(offer, wait)
