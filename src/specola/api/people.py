"""People: everybody with an account, for administrators; and invitations."""

from datetime import datetime
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from specola.api.account_views import PersonView, SessionView
from specola.api.cookies import give_session
from specola.api.dependencies import Administrator, Client, OwnOrigin, People, Wiring
from specola.domain.errors import InvalidError
from specola.domain.person import Role

__all__ = ["router"]

router = APIRouter(tags=["people"])
PersonName: TypeAlias = Annotated[str, Path(description="name of the person")]


class PersonChange(BaseModel):
    """What an administrator changes of a person; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    disabled: bool | None = None


class LinkView(BaseModel):
    """A link that is shown this once; whoever has it may use it, once."""

    person: PersonView
    url: str


class InvitationView(BaseModel):
    """A link that lets somebody make an account, once."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    role: Role
    note: str
    invited_by: str
    created: datetime
    expires: datetime


class NewInvitation(BaseModel):
    """An invitation to make."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Role.PERSON
    note: str = Field(default="", max_length=500, description="for whom or why, to recognise it by")
    days: int = Field(default=7, ge=1, le=90, description="how long it can be used")


class ShownInvitation(BaseModel):
    """An invitation with its link, which is shown this once."""

    invitation: InvitationView
    url: str


class Secret(BaseModel):
    """The secret part of a link: what stands after its #."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secret: str = Field(max_length=200)


class Acceptance(Secret):
    """An account to make by an invitation."""

    name: str
    full_name: str = ""
    password: str = Field(max_length=1000)


@router.get("/people", summary="List people", description="Everybody with an account, by name. Administrators only.")
async def list_people(people: People, actor: Administrator) -> list[PersonView]:
    return [PersonView.model_validate(person) for person in await people.list(actor)]


@router.patch(
    "/people/{name}",
    summary="Change a person",
    description="Changes a role, or switches an account off or on; off ends its sessions and tokens at once. The last "
    "enabled administrator stays. Administrators only.",
)
async def change_person(name: PersonName, wanted: PersonChange, people: People, actor: Administrator) -> PersonView:
    person = None
    if wanted.role is not None:
        person = await people.set_role(actor, name, wanted.role)
    if wanted.disabled is not None:
        person = await people.set_disabled(actor, name, disabled=wanted.disabled)
    if person is None:
        raise InvalidError("Nothing to change was named.", hint="Send role, disabled, or both.")
    return PersonView.model_validate(person)


@router.post(
    "/people/{name}/sign-in-link",
    status_code=201,
    summary="Make a sign-in link",
    description="A link by which a person signs in once, for a day; earlier unspent ones die. Administrators only.",
)
async def make_link(name: PersonName, services: Wiring, actor: Administrator, response: Response) -> LinkView:
    response.headers["Cache-Control"] = "no-store"
    shown = await services.people.link_for(actor, name)
    return LinkView(person=PersonView.model_validate(shown.value), url=services.addresses.sign_in_link(shown.secret))


@router.get("/invitations", summary="List invitations", description="The open invitations. Administrators only.")
async def list_invitations(people: People, actor: Administrator) -> list[InvitationView]:
    return [InvitationView.model_validate(one) for one in await people.invitations(actor)]


@router.post(
    "/invitations",
    status_code=201,
    summary="Invite somebody",
    description="Makes a link by which somebody makes an account, once. Administrators only.",
)
async def invite(wanted: NewInvitation, services: Wiring, actor: Administrator, response: Response) -> ShownInvitation:
    response.headers["Cache-Control"] = "no-store"
    shown = await services.people.invite(actor, role=wanted.role, note=wanted.note, days=wanted.days)
    return ShownInvitation(
        invitation=InvitationView.model_validate(shown.value), url=services.addresses.invitation(shown.secret)
    )


@router.delete(
    "/invitations/{invitation}",
    status_code=204,
    summary="Withdraw an invitation",
    description="Takes an open invitation back: its link is worth nothing from now on. Administrators only.",
)
async def withdraw_invitation(
    invitation: Annotated[str, Path(description="id of the invitation")], people: People, actor: Administrator
) -> None:
    await people.withdraw(actor, invitation)


@router.post(
    "/invitations/read",
    summary="Read an invitation",
    description="Shows the open invitation that a link stands for. Needs no sign-in; the secret is sent in the body, so "
    "that it stands in no log.",
    dependencies=[OwnOrigin],
)
async def read_invitation(wanted: Secret, people: People) -> InvitationView:
    return InvitationView.model_validate(await people.invitation(wanted.secret))


@router.post(
    "/invitations/accept",
    status_code=201,
    summary="Accept an invitation",
    description="Makes an account and signs in: the answer sets the session cookie. Needs no sign-in.",
    dependencies=[OwnOrigin],
)
async def accept_invitation(wanted: Acceptance, people: People, client: Client, response: Response) -> SessionView:
    session = await people.accept(
        wanted.secret, name=wanted.name, full_name=wanted.full_name, password=wanted.password, client=client
    )
    give_session(response, session)
    return SessionView.of(session.value, current=session.value.id)
