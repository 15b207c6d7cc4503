"""Health: whether the platform is up, for load balancers and people alike."""

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from specola.api.dependencies import Health

__all__ = ["router"]

router = APIRouter(tags=["health"])


class PartView(BaseModel):
    """One part of the platform."""

    name: str = Field(description="database, worker or connector")
    up: bool
    sentence: str = Field(description="what is the matter; empty while it is up")


class HealthView(BaseModel):
    """Whether everything is up, and each part."""

    up: bool
    parts: list[PartView]


@router.get(
    "/health",
    summary="Tell whether everything is up",
    description="200 once database, worker and connector are up, else 503 with the same body. Needs no sign-in.",
    responses={503: {"model": HealthView, "description": "Something is not up."}},
)
async def get_health(health: Health, response: Response) -> HealthView:
    parts = await health.parts()
    view = HealthView(
        up=all(part.up for part in parts),
        parts=[PartView(name=part.name, up=part.up, sentence=part.sentence) for part in parts],
    )
    response.status_code = 200 if view.up else 503
    response.headers["Cache-Control"] = "no-store"
    return view
