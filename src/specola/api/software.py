"""Software: the catalogue, its entries as JSON and as YAML, and drafts made from any image."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse

from specola.api.definitions import YAML, definition_body, definition_of
from specola.api.dependencies import Catalogue, Reader, SoftwareWriter
from specola.api.placement_views import WrittenTime
from specola.domain.person import Actor
from specola.domain.software import HomeAccess, Origin, ParameterKind, Protocol, RunsAs, Software
from specola.services.software import Catalogue as CatalogueService, Draft

__all__ = ["router"]

router = APIRouter(prefix="/software", tags=["software"])
SoftwareName: TypeAlias = Annotated[str, Path(description="name or id of the entry")]
BODY: Mapping[str, Any] = definition_body("software: sum\nimage: example.org/sum:1.0\n")


class InterfaceView(BaseModel):
    """One port that a release serves."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    port: int
    protocol: Protocol
    open: str
    origin: Origin


class ParameterView(BaseModel):
    """A value that may be chosen at start."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    title: str
    kind: ParameterKind
    default: str
    choices: list[str]
    minimum: float | None
    maximum: float | None


class ReleaseResourcesView(BaseModel):
    """What a task of this release may use unless another size is asked for."""

    model_config = ConfigDict(from_attributes=True)

    cpus: float
    memory: int = Field(description="bytes")
    shm: int = Field(description="bytes of shared memory")
    gpus: int
    gpu_model: str = Field(description="empty: any")


class PreStopView(BaseModel):
    """What runs inside a task before it is asked to end."""

    model_config = ConfigDict(from_attributes=True)

    command: list[str]
    time: WrittenTime = Field(description="how long that may take")


class ReleaseView(BaseModel):
    """One version of a software."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    version: str
    image: str
    digest: str | None
    command: list[str]
    environment: Mapping[str, str]
    resources: ReleaseResourcesView
    user: RunsAs
    home: str | None
    home_access: HomeAccess
    scratch: str | None
    capabilities: list[str]
    interfaces: list[InterfaceView]
    parameters: list[ParameterView]
    time: WrittenTime | None = Field(description="how long a task of it usually runs; null: as its computing allows")
    pre_stop: PreStopView | None
    created: datetime | None


class SoftwareView(BaseModel):
    """A catalogue entry; its first release is the one that is started."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    title: str
    description: str
    owner: str | None = Field(description="id of the person whose entry it is; null: the installation's own")
    shared: bool
    needs_registry: bool
    tags: list[str]
    homepage: str
    created: datetime | None
    releases: list[ReleaseView]
    editable: bool = Field(default=False, description="you may change it")

    @classmethod
    def of(cls, software: Software, *, actor: Actor, catalogue: CatalogueService) -> "SoftwareView":
        """Return an entry as JSON shows it."""
        view = cls.model_validate(software)
        return view.model_copy(update={"editable": catalogue.may_edit(actor, software)})


class ImageQuestion(BaseModel):
    """An image to read."""

    model_config = ConfigDict(extra="forbid")

    image: str = Field(max_length=500)
    computing: str | None = Field(default=None, description="which computing reads it; null: the default one")


class ImageView(BaseModel):
    """What is known of an image before anything starts."""

    model_config = ConfigDict(from_attributes=True)

    reference: str
    digest: str | None
    id: str | None
    architecture: str
    operating_system: str
    ports: list[int]
    user: str
    command: list[str]
    size: int = Field(description="bytes; 0: unknown")
    cached: bool = Field(description="it is on the computing already")
    source: str = Field(description="engine or registry")


class DraftView(BaseModel):
    """A definition proposed from an image, to be edited and added."""

    image: ImageView
    name: str
    definition: str = Field(description="YAML that can be sent to POST /software")

    @classmethod
    def of(cls, draft: Draft) -> "DraftView":
        """Return a draft as JSON shows it."""
        return cls(image=ImageView.model_validate(draft.details), name=draft.software.name, definition=draft.yaml)


class Sharing(BaseModel):
    """Whether everybody may start it."""

    model_config = ConfigDict(extra="forbid")

    shared: bool


@router.get(
    "",
    summary="List software",
    description="What you may start: the installation's entries, shared ones and your own, recently used first.",
)
async def list_software(
    catalogue: Catalogue, actor: Reader, search: Annotated[str, Query(max_length=200, description="words to find")] = ""
) -> list[SoftwareView]:
    found = await catalogue.visible(actor, search=search)
    return [SoftwareView.of(software, actor=actor, catalogue=catalogue) for software in found]


@router.post(
    "",
    status_code=201,
    summary="Add software",
    description="From a definition in YAML or JSON; it is yours. Each fault of a definition comes with its line.",
    openapi_extra=dict(BODY),
)
async def add_software(request: Request, catalogue: Catalogue, actor: SoftwareWriter) -> SoftwareView:
    software = await catalogue.add(actor, await definition_of(request))
    return SoftwareView.of(software, actor=actor, catalogue=catalogue)


@router.post(
    "/drafts",
    summary="Draft software from an image",
    description="Reads any image, without starting it, and proposes a definition. Nothing is saved.",
)
async def draft_software(wanted: ImageQuestion, catalogue: Catalogue, actor: SoftwareWriter) -> DraftView:
    return DraftView.of(await catalogue.draft(actor, wanted.image, computing=wanted.computing))


@router.get("/{name}", summary="Show software", description="One entry, with all its releases.")
async def get_software(name: SoftwareName, catalogue: Catalogue, actor: Reader) -> SoftwareView:
    return SoftwareView.of(await catalogue.get(actor, name), actor=actor, catalogue=catalogue)


@router.get(
    "/{name}/definition",
    summary="Export software",
    description="One entry's current release as YAML that can be added elsewhere.",
    response_class=PlainTextResponse,
    responses={200: {"content": {YAML: {"schema": {"type": "string"}}}}},
)
async def export_software(name: SoftwareName, catalogue: Catalogue, actor: Reader) -> Response:
    return Response(await catalogue.export(actor, name), media_type=YAML)


@router.put(
    "/{name}/definition",
    summary="Edit software",
    description="Replaces the definition. A changed image, command or interface makes another release; running tasks keep "
    "what they were started with.",
    openapi_extra=dict(BODY),
)
async def edit_software(
    name: SoftwareName, request: Request, catalogue: Catalogue, actor: SoftwareWriter
) -> SoftwareView:
    software = await catalogue.edit(actor, name, await definition_of(request))
    return SoftwareView.of(software, actor=actor, catalogue=catalogue)


@router.put(
    "/{name}/sharing",
    summary="Share software",
    description="Lets everybody start an entry of yours, or only you again.",
)
async def share_software(
    name: SoftwareName, wanted: Sharing, catalogue: Catalogue, actor: SoftwareWriter
) -> SoftwareView:
    software = await catalogue.set_shared(actor, name, shared=wanted.shared)
    return SoftwareView.of(software, actor=actor, catalogue=catalogue)


@router.delete("/{name}", status_code=204, summary="Remove software", description="Removes an entry; its tasks go on.")
async def remove_software(name: SoftwareName, catalogue: Catalogue, actor: SoftwareWriter) -> None:
    await catalogue.remove(actor, name)
