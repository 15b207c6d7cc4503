"""Computings: the places that run containers; and what was found there without a record."""

from datetime import datetime
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from specola.api.dependencies import Administrator, Computings, Reader
from specola.domain.computing import Capability, Computing, Probe

__all__ = ["router"]

router = APIRouter(tags=["computings"])
ComputingName: TypeAlias = Annotated[str, Path(description="name of the computing")]


class FindingView(BaseModel):
    """One thing that is missing or doubtful, and how to mend it."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    sentence: str
    hint: str
    serious: bool


class ProbeView(BaseModel):
    """What a computing is and can do."""

    model_config = ConfigDict(from_attributes=True)

    product: str
    version: str
    architectures: list[str]
    cpus: float
    memory: int = Field(description="bytes")
    capabilities: list[Capability]
    findings: list[FindingView]

    @classmethod
    def of(cls, probe: Probe) -> "ProbeView":
        """Return a probe as JSON shows it, its capabilities in order."""
        view = cls.model_validate(probe)
        return view.model_copy(update={"capabilities": sorted(view.capabilities)})


class ComputingView(BaseModel):
    """A place that runs containers, as it was when it was last asked."""

    name: str
    title: str
    kind: str
    reachable: bool
    asked: datetime | None
    unreachable_since: datetime | None
    error: str
    probe: ProbeView | None

    @classmethod
    def of(cls, computing: Computing) -> "ComputingView":
        """Return a computing as JSON shows it; its settings are its administrator's."""
        state = computing.state
        return cls(
            name=computing.name,
            title=computing.title,
            kind=computing.kind,
            reachable=state.asked is not None and state.unreachable_since is None,
            asked=state.asked,
            unreachable_since=state.unreachable_since,
            error=state.error,
            probe=ProbeView.of(state.probe) if state.probe else None,
        )


class OrphanView(BaseModel):
    """Something of this installation that was found on a computing and has no record."""

    computing: str
    task: str


@router.get("/computings", summary="List computings", description="Those you may use, the default one first.")
async def list_computings(computings: Computings, actor: Reader) -> list[ComputingView]:
    return [ComputingView.of(computing) for computing in await computings.list(actor)]


@router.get("/computings/{name}", summary="Show a computing", description="As it was when it was last asked.")
async def get_computing(name: ComputingName, computings: Computings, actor: Reader) -> ComputingView:
    return ComputingView.of(await computings.get(actor, name))


@router.post(
    "/computings/{name}/test",
    summary="Test a computing",
    description="Asks the computing now what it is, what it can do, and what is missing. Changes nothing there.",
)
async def test_computing(name: ComputingName, computings: Computings, actor: Reader) -> ProbeView:
    return ProbeView.of(await computings.test(actor, name))


@router.get(
    "/orphans",
    summary="List what has no record",
    description="Containers with this installation's label that no task record stands for. Administrators only.",
)
async def list_orphans(computings: Computings, actor: Administrator) -> list[OrphanView]:
    found = await computings.orphans(actor)
    return [OrphanView(computing=computing, task=task) for computing, tasks in found.items() for task in tasks]


@router.delete(
    "/orphans/{name}/{task}",
    status_code=204,
    summary="Remove what has no record",
    description="Wants a container without a record removed from its computing. Administrators only.",
)
async def remove_orphan(
    name: ComputingName,
    task: Annotated[str, Path(description="the task id that its label carries")],
    computings: Computings,
    actor: Administrator,
) -> None:
    await computings.remove_orphan(actor, name, task)
