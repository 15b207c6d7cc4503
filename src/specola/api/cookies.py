"""The session cookie as the API sets and takes it."""

from starlette.responses import Response

from specola.api.origins import SESSION_COOKIE
from specola.domain.person import Session
from specola.services.people import Shown

__all__ = ["give_session", "take_session"]


def give_session(response: Response, session: Shown[Session]) -> None:
    """Sign a browser in; the secret stands in the cookie only."""
    life = session.value.expires - session.value.created
    response.set_cookie(
        SESSION_COOKIE,
        session.secret,
        max_age=int(life.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def take_session(response: Response) -> None:
    """Sign a browser out."""
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
