"""One's own account: who am I, sessions, tokens, password."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from specola.api.account_views import PersonView, SessionView, TokenView
from specola.api.cookies import give_session, take_session
from specola.api.dependencies import AnyActor, Client, OwnOrigin, People, Reader
from specola.domain.person import Scope

__all__ = ["router"]

router = APIRouter(tags=["account"])


class Identity(BaseModel):
    """Who asks, and what this session or token may be used for."""

    person: PersonView
    scopes: list[Scope]
    by: str = Field(description="session or token")


class FullName(BaseModel):
    """Another full name."""

    model_config = ConfigDict(extra="forbid")

    full_name: str = Field(max_length=200)


class NewPassword(BaseModel):
    """Another password; `current` is asked for if there is one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    current: str = Field(default="", max_length=1000)
    wanted: str = Field(max_length=1000)


class Credentials(BaseModel):
    """Name and password."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class LinkSecret(BaseModel):
    """The secret part of a sign-in link: what stands after its #."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secret: str = Field(max_length=200)


class NewToken(BaseModel):
    """A token to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=100, description="what it is for, to recognise it by")
    scopes: set[Scope] = Field(min_length=1)
    days: int | None = Field(default=90, ge=1, le=3650, description="how long it lasts; null: until it is revoked")


class ShownToken(BaseModel):
    """A token with its secret, which is shown this once."""

    token: TokenView
    secret: str


@router.get(
    "/whoami", summary="Show who asks", description="The person behind the session or the token; any scope is enough."
)
async def whoami(actor: AnyActor) -> Identity:
    return Identity(
        person=PersonView.model_validate(actor.person),
        scopes=sorted(actor.scopes),
        by="session" if actor.session else "token",
    )


@router.patch(
    "/account", summary="Change one's own name", description="Changes the full name that others see. Not by a token."
)
async def rename_account(wanted: FullName, people: People, actor: AnyActor) -> PersonView:
    return PersonView.model_validate(await people.rename(actor, wanted.full_name))


@router.put(
    "/account/password",
    status_code=204,
    summary="Set one's own password",
    description="At least 10 characters. Other sessions end. Not by a token.",
)
async def change_password(wanted: NewPassword, people: People, actor: AnyActor) -> None:
    await people.change_password(actor, current=wanted.current, wanted=wanted.wanted)


@router.get("/sessions", summary="List one's own sessions", description="Signed-in browsers, the most recent first.")
async def list_sessions(people: People, actor: Reader) -> list[SessionView]:
    return [SessionView.of(session, current=actor.session) for session in await people.sessions(actor)]


@router.post(
    "/sessions",
    status_code=201,
    summary="Sign in",
    description="With a local account: the answer sets the session cookie. Failed attempts are limited.",
    dependencies=[OwnOrigin],
)
async def sign_in(wanted: Credentials, people: People, client: Client, response: Response) -> SessionView:
    session = await people.sign_in(wanted.name, wanted.password, client=client)
    give_session(response, session)
    return SessionView.of(session.value, current=session.value.id)


@router.post(
    "/sessions/by-link",
    status_code=201,
    summary="Sign in by a link",
    description="Spends a one-time sign-in link: the answer sets the session cookie.",
    dependencies=[OwnOrigin],
)
async def sign_in_by_link(wanted: LinkSecret, people: People, client: Client, response: Response) -> SessionView:
    session = await people.sign_in_by_link(wanted.secret, client=client)
    give_session(response, session)
    return SessionView.of(session.value, current=session.value.id)


@router.delete(
    "/sessions/current",
    status_code=204,
    summary="Sign out",
    description="Ends the session that asks, and everything that was entered by it.",
)
async def sign_out(people: People, actor: AnyActor, response: Response) -> None:
    await people.sign_out(actor)
    take_session(response)


@router.delete(
    "/sessions/{session}",
    status_code=204,
    summary="End a session",
    description="Ends one of one's own sessions. Not by a token.",
)
async def end_session(
    session: Annotated[str, Path(description="id of the session")], people: People, actor: AnyActor
) -> None:
    await people.end_session(actor, session)


@router.get("/tokens", summary="List one's own tokens", description="Without their secrets, the most recent first.")
async def list_tokens(people: People, actor: Reader) -> list[TokenView]:
    return [TokenView.model_validate(token) for token in await people.tokens(actor)]


@router.post(
    "/tokens",
    status_code=201,
    summary="Make a token",
    description="The secret is shown this once. A token cannot make another one.",
)
async def create_token(wanted: NewToken, people: People, actor: AnyActor, response: Response) -> ShownToken:
    response.headers["Cache-Control"] = "no-store"
    shown = await people.create_token(actor, name=wanted.name, scopes=frozenset(wanted.scopes), days=wanted.days)
    return ShownToken(token=TokenView.model_validate(shown.value), secret=shown.secret)


@router.delete(
    "/tokens/{token}",
    status_code=204,
    summary="Revoke a token",
    description="Ends one of one's own tokens, at once. A token ends only itself.",
)
async def revoke_token(
    token: Annotated[str, Path(description="id or name of the token")], people: People, actor: AnyActor
) -> None:
    await people.revoke_token(actor, token)
