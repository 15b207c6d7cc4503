"""Links: let others look at a desktop, see who may, take it back."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from specola.api.dependencies import Connecting, Reader, Wiring
from specola.api.tasks import TaskName
from specola.domain.link import Link

__all__ = ["LinkView", "router"]

router = APIRouter(prefix="/tasks/{task}/links", tags=["tasks"])


class NewLink(BaseModel):
    """A link to make."""

    model_config = ConfigDict(extra="forbid")

    interface: str = Field(description="name of an interface of protocol rfb")
    hours: float = Field(default=24, gt=0, le=720, description="how long it lasts")


class LinkView(BaseModel):
    """A link by which guests look at a desktop, without an account and without touching it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    task: str
    interface: str
    created: datetime
    expires: datetime

    @classmethod
    def of(cls, link: Link) -> "LinkView":
        """Return a link as JSON shows it."""
        return cls.model_validate(link)


class NewLinkView(LinkView):
    """A link that has just been made."""

    url: str = Field(description="the address to give away; it is shown this once")


@router.post(
    "",
    status_code=201,
    summary="Share a desktop",
    description="Makes an address by which guests look at an interface of protocol `rfb`. They need no account, and cannot "
    "type, click or paste. It ends with its time, with the task, or when it is taken back. Only for the task's owner.",
)
async def create_link(
    task: TaskName, wanted: NewLink, services: Wiring, actor: Connecting, response: Response
) -> NewLinkView:
    found = await services.tasks.get(actor, task)
    shown = await services.links.make(actor, found.id, wanted.interface, life=timedelta(hours=wanted.hours))
    response.headers["Cache-Control"] = "no-store"
    view = LinkView.of(shown.value)
    return NewLinkView(**view.model_dump(), url=services.addresses.shared(shown.secret))


@router.get("", summary="List links", description="The links to a task that are still good, the latest first.")
async def list_links(task: TaskName, services: Wiring, actor: Reader) -> list[LinkView]:
    found = await services.tasks.get(actor, task)
    return [LinkView.of(link) for link in await services.links.of(actor, found.id)]


@router.delete(
    "/{link}",
    status_code=204,
    summary="Take a link back",
    description="Ends a link, and sends away at once whoever looks on by it.",
)
async def delete_link(
    task: TaskName, link: Annotated[str, Path(description="id of the link")], services: Wiring, actor: Connecting
) -> None:
    found = await services.tasks.get(actor, task)
    await services.links.take_back(actor, found.id, link)
