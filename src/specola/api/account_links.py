"""Accounts on computings: which are one's own, how that is proven, and everybody's for administrators."""

from datetime import datetime
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from specola.api.dependencies import AccountLinks, Administrator, Connecting, Reader, Wiring
from specola.authorities.accounts import trusted_line
from specola.domain.account_link import AccountLink, Proof
from specola.hosts.config import Identity
from specola.services.account_links import Place, Placed

__all__ = ["router"]

router = APIRouter(tags=["accounts"])
ComputingName: TypeAlias = Annotated[str, Path(description="name of the computing")]
PersonName: TypeAlias = Annotated[str, Path(description="name of the person")]


class AccountLinkView(BaseModel):
    """A computing on which one's tasks run with one's own account, and which account that is."""

    computing: str
    title: str
    identity: Identity = Field(description="by certificates, or by a key that the platform made")
    account: str | None = Field(description="null: none is linked yet")
    proof: Proof | None = Field(description="how it was proven; null: it was not, and opens nothing")
    proven: datetime | None
    last_used: datetime | None
    line: str = Field(description="what has to stand in ~/.ssh/authorized_keys of the account; empty: nothing")
    challenge: str = Field(description="what is typed in the account to prove it; empty: nothing")
    challenge_ends: datetime | None

    @classmethod
    def of(cls, place: Place) -> "AccountLinkView":
        """Return a link as JSON shows it."""
        link = place.link
        return cls(
            computing=place.computing.name,
            title=place.computing.title,
            identity=place.identity,
            account=link.account if link else None,
            proof=link.proof if link else None,
            proven=link.proven if link else None,
            last_used=link.last_used if link else None,
            line=place.line,
            challenge=place.challenge,
            challenge_ends=link.challenge_ends if link and place.challenge else None,
        )


class HolderView(BaseModel):
    """Whose an account on a computing is."""

    person: str
    account: str
    proof: Proof | None
    proven: datetime | None
    entered_by: str | None = Field(description="the administrator who entered it, by id")
    last_used: datetime | None

    @classmethod
    def of(cls, person: str, link: AccountLink) -> "HolderView":
        """Return it as JSON shows it."""
        return cls(
            person=person,
            account=link.account,
            proof=link.proof,
            proven=link.proven,
            entered_by=link.entered_by,
            last_used=link.last_used,
        )


class AccountsView(BaseModel):
    """All accounts of a computing."""

    computing: str
    identity: Identity
    shared: str | None = Field(description="the one account that all tasks share; null: each person has their own")
    line: str = Field(description="what has to stand in ~/.ssh/authorized_keys of the shared account")
    people: list[HolderView]

    @classmethod
    def of(cls, placed: Placed) -> "AccountsView":
        """Return it as JSON shows it."""
        return cls(
            computing=placed.computing.name,
            identity=placed.identity,
            shared=placed.account if placed.identity is Identity.SHARED else None,
            line=placed.line,
            people=[HolderView.of(person.name, link) for person, link in placed.links],
        )


class Linking(BaseModel):
    """Which account is meant."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(max_length=64, description="exactly as it is called there")


class AccountAuthorityView(BaseModel):
    """The authority whose certificates the platform enters accounts with."""

    line: str = Field(description="one line for the file that TrustedUserCAKeys names in sshd_config")


@router.get(
    "/account/links",
    summary="List one's accounts on computings",
    description="Every computing one may use where tasks run with people's own accounts, linked or not.",
)
async def list_account_links(links: AccountLinks, actor: Reader) -> list[AccountLinkView]:
    return [AccountLinkView.of(place) for place in await links.places(actor)]


@router.put(
    "/account/links/{computing}",
    summary="Link an account",
    description="Says which account is one's own. It opens nothing until it is proven; the answer says how.",
)
async def link_account(
    computing: ComputingName, wanted: Linking, links: AccountLinks, actor: Connecting
) -> AccountLinkView:
    return AccountLinkView.of(await links.link(actor, computing, wanted.account))


@router.post(
    "/account/links/{computing}/check",
    summary="Check a linked account",
    description="Looks now whether the account is proven: by its key, or by the words in its home.",
)
async def check_account(computing: ComputingName, links: AccountLinks, actor: Connecting) -> AccountLinkView:
    return AccountLinkView.of(await links.check(actor, computing))


@router.delete(
    "/account/links/{computing}",
    status_code=204,
    summary="End a link",
    description="Closes what is open by it and forgets its key. Tasks go on.",
)
async def end_account_link(computing: ComputingName, links: AccountLinks, actor: Connecting) -> None:
    await links.end(actor, computing)


@router.get(
    "/accounts/authority",
    summary="Show the authority for accounts",
    description="What a host has to trust so that the platform enters people's accounts with certificates of minutes.",
)
async def get_account_authority(services: Wiring, actor: Reader) -> AccountAuthorityView:
    _ = actor
    return AccountAuthorityView(line=trusted_line(services.settings.data))


@router.get(
    "/computings/{name}/accounts",
    summary="List a computing's accounts",
    description="Whose they are, and the key of a shared one. Administrators, and whoever's own the computing is.",
)
async def list_accounts(name: ComputingName, links: AccountLinks, actor: Reader) -> AccountsView:
    return AccountsView.of(await links.on(actor, name))


@router.put(
    "/computings/{name}/accounts/{person}",
    summary="Enter somebody's account",
    description="On an administrator's own word, which is kept on record. Administrators only.",
)
async def enter_account(
    name: ComputingName, person: PersonName, wanted: Linking, links: AccountLinks, actor: Administrator
) -> HolderView:
    return HolderView.of(person, await links.enter(actor, name, person=person, account=wanted.account))


@router.delete(
    "/computings/{name}/accounts/{person}",
    status_code=204,
    summary="End somebody's link",
    description="Closes what is open by it. Tasks go on. Administrators only.",
)
async def remove_account(name: ComputingName, person: PersonName, links: AccountLinks, actor: Administrator) -> None:
    await links.remove(actor, name, person=person)
