"""Groups of people who may use the same things."""

from datetime import datetime
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from specola.api.dependencies import Administrator, AnyActor, Groups, Reader
from specola.services.groups import Gathered

__all__ = ["router"]

router = APIRouter(tags=["groups"])
GroupName: TypeAlias = Annotated[str, Path(description="name of the group")]
MemberName: TypeAlias = Annotated[str, Path(description="name of the person")]


class MemberView(BaseModel):
    """Somebody in a group."""

    name: str
    full_name: str
    manages: bool = Field(description="says who else is in the group")


class GroupView(BaseModel):
    """A group, with the people in it by name."""

    id: str
    name: str
    title: str
    created: datetime
    members: list[MemberView]

    @classmethod
    def of(cls, gathered: Gathered) -> "GroupView":
        """Return a group as JSON shows it."""
        group = gathered.group
        members = [
            MemberView(name=one.name, full_name=one.full_name, manages=one.id in group.managers)
            for one in gathered.people
        ]
        return cls(id=group.id, name=group.name, title=group.title, created=group.created, members=members)


class NewGroup(BaseModel):
    """A group to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=32, description="2 to 32 lower-case letters, digits and hyphens; it never changes")
    title: str = Field(default="", max_length=200, description="empty: the name")


class GroupChange(BaseModel):
    """What is changed of a group."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=200)


class Membership(BaseModel):
    """How somebody belongs to a group."""

    model_config = ConfigDict(extra="forbid")

    manages: bool = Field(default=False, description="says who else is in the group; administrators decide on this")


@router.get("/groups", summary="List groups", description="Those one belongs to; all of them for administrators.")
async def list_groups(groups: Groups, actor: Reader) -> list[GroupView]:
    return [GroupView.of(one) for one in await groups.list(actor)]


@router.post("/groups", status_code=201, summary="Make a group", description="Without members. Administrators only.")
async def create_group(wanted: NewGroup, groups: Groups, actor: Administrator) -> GroupView:
    return GroupView.of(await groups.create(actor, wanted.name, title=wanted.title))


@router.get("/groups/{name}", summary="Show a group", description="One that one belongs to, with its members.")
async def get_group(name: GroupName, groups: Groups, actor: Reader) -> GroupView:
    return GroupView.of(await groups.get(actor, name))


@router.patch("/groups/{name}", summary="Change a group's title", description="Its managers and administrators.")
async def change_group(name: GroupName, wanted: GroupChange, groups: Groups, actor: AnyActor) -> GroupView:
    return GroupView.of(await groups.retitle(actor, name, wanted.title))


@router.delete(
    "/groups/{name}",
    status_code=204,
    summary="Remove a group",
    description="Its members lose what they had by it. Administrators only.",
)
async def delete_group(name: GroupName, groups: Groups, actor: Administrator) -> None:
    await groups.remove(actor, name)


@router.put(
    "/groups/{name}/members/{person}",
    summary="Add somebody to a group",
    description="By its managers, signed in to the pages, and by administrators, who also say who manages it.",
)
async def add_member(
    name: GroupName, person: MemberName, wanted: Membership, groups: Groups, actor: AnyActor
) -> GroupView:
    return GroupView.of(await groups.join(actor, name, person, manages=wanted.manages))


@router.delete(
    "/groups/{name}/members/{person}",
    status_code=204,
    summary="Take somebody out of a group",
    description="By its managers and administrators; anybody may leave.",
)
async def remove_member(name: GroupName, person: MemberName, groups: Groups, actor: AnyActor) -> None:
    _ = await groups.leave(actor, name, person)
