"""Computings: the places that run containers, their records, and what was found there without one."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, Response

from specola.api.computing_views import ComputingView, IntakeView, OverseenView, ProbeView
from specola.api.definitions import YAML, definition_body, definition_of
from specola.api.dependencies import Administrator, Computings, ComputingWriter, Reader

__all__ = ["router"]

router = APIRouter(tags=["computings"])
ComputingName: TypeAlias = Annotated[str, Path(description="name of the computing")]
BODY: Mapping[str, Any] = definition_body("computing: box\nkind: engine\nsettings: {url: unix:///run/docker.sock}\n")


class OrphanView(BaseModel):
    """Something of this installation that was found on a computing and has no record."""

    computing: str
    task: str


@router.get("/computings", summary="List computings", description="Those you may use, the default one first.")
async def list_computings(computings: Computings, actor: Reader) -> list[ComputingView]:
    return [ComputingView.of(computing, actor=actor) for computing in await computings.list(actor)]


@router.post(
    "/computings",
    status_code=201,
    summary="Add a computing",
    description="From a definition in YAML or JSON. Administrators add for everybody, for groups (`groups`) or for "
    "themselves (`audience: owner`); others for themselves, under their own name and a dot. Each fault comes with its line.",
    openapi_extra=dict(BODY),
)
async def add_computing(request: Request, computings: Computings, actor: ComputingWriter) -> ComputingView:
    return ComputingView.of(await computings.add(actor, await definition_of(request)), actor=actor)


@router.post(
    "/computings/test",
    summary="Test a draft of a computing",
    description="Asks what a definition leads to what it is, what it can do, and what is missing. Nothing is saved.",
    openapi_extra=dict(BODY),
)
async def try_draft(
    request: Request,
    computings: Computings,
    actor: ComputingWriter,
    name: Annotated[str | None, Query(description="the record it is to change, whose secrets are used")] = None,
) -> ProbeView:
    return ProbeView.of(await computings.test_draft(actor, await definition_of(request), name=name))


@router.get(
    "/overseen-computings",
    summary="List computings you look after",
    description="Your own, with their live tasks; for administrators all there are, people's own included.",
)
async def list_overseen(computings: Computings, actor: ComputingWriter) -> list[OverseenView]:
    return [OverseenView.of(one) for one in await computings.overseen(actor)]


@router.get("/computings/{name}", summary="Show a computing", description="As it was when it was last asked.")
async def get_computing(name: ComputingName, computings: Computings, actor: Reader) -> ComputingView:
    return ComputingView.of(await computings.get(actor, name), actor=actor)


@router.get(
    "/computings/{name}/definition",
    summary="Export a computing",
    description="The record as YAML, for those who may change it. What is secret is left out.",
    response_class=PlainTextResponse,
    responses={200: {"content": {YAML: {"schema": {"type": "string"}}}}},
)
async def export_computing(name: ComputingName, computings: Computings, actor: ComputingWriter) -> Response:
    return Response(await computings.definition(actor, name), media_type=YAML)


@router.put(
    "/computings/{name}",
    summary="Change a computing",
    description="Replaces the record by a definition. Secrets that it does not give are kept; null forgets one. Tasks go on.",
    openapi_extra=dict(BODY),
)
async def change_computing(
    name: ComputingName, request: Request, computings: Computings, actor: ComputingWriter
) -> ComputingView:
    return ComputingView.of(await computings.change(actor, name, await definition_of(request)), actor=actor)


@router.patch(
    "/computings/{name}",
    summary="Pause or open a computing",
    description="A paused one takes no new tasks; those that are there go on.",
)
async def set_intake(
    name: ComputingName, wanted: IntakeView, computings: Computings, actor: ComputingWriter
) -> ComputingView:
    return ComputingView.of(await computings.set_intake(actor, name, wanted.intake), actor=actor)


@router.delete(
    "/computings/{name}",
    status_code=204,
    summary="Remove a computing",
    description="Removes the record; nothing is done on the computing itself. Refused while live tasks are there.",
)
async def remove_computing(name: ComputingName, computings: Computings, actor: ComputingWriter) -> None:
    await computings.remove(actor, name)


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
