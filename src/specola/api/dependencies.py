"""What handlers ask for: services, and who is asking with which right."""

from typing import Annotated, TypeAlias

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from specola.api.origins import SESSION_COOKIE, is_foreign
from specola.clock import Clock as ClockValue
from specola.domain.errors import CrossOriginError, ScopeError, UnauthenticatedError
from specola.domain.person import Actor, Scope
from specola.factory import Services
from specola.services.account_links import AccountLinks as AccountLinksService
from specola.services.computings import Computings as ComputingsService
from specola.services.groups import Groups as GroupsService
from specola.services.health import Health as HealthService
from specola.services.keys import Keys as KeysService
from specola.services.people import Client as ClientValue, People as PeopleService
from specola.services.software import Catalogue as CatalogueService
from specola.services.tasks import Tasks as TasksService

__all__ = [
    "AccountLinks",
    "Administrator",
    "AnyActor",
    "Catalogue",
    "Client",
    "Clock",
    "ComputingWriter",
    "Computings",
    "Connecting",
    "Groups",
    "Health",
    "Keys",
    "OwnOrigin",
    "People",
    "Reader",
    "SoftwareWriter",
    "TaskWriter",
    "Tasks",
    "Wiring",
]

BEARER = HTTPBearer(
    auto_error=False, scheme_name="token", description="A personal token: `specola_` and 43 characters."
)
COOKIE = APIKeyCookie(
    name=SESSION_COOKIE,
    auto_error=False,
    scheme_name="session",
    description="A signed-in browser. Other methods than GET must come from the platform's own origin.",
)


def services_of(request: Request) -> Services:
    """Return the services of this process."""
    services: Services = request.app.state.services
    return services


Wiring: TypeAlias = Annotated[Services, Depends(services_of)]


def _clock(services: Wiring) -> ClockValue:
    return services.clock


def _people(services: Wiring) -> PeopleService:
    return services.people


def _catalogue(services: Wiring) -> CatalogueService:
    return services.catalogue


def _computings(services: Wiring) -> ComputingsService:
    return services.computings


def _tasks(services: Wiring) -> TasksService:
    return services.tasks


def _keys(services: Wiring) -> KeysService:
    return services.keys


def _account_links(services: Wiring) -> AccountLinksService:
    return services.account_links


def _groups(services: Wiring) -> GroupsService:
    return services.groups


def _health(services: Wiring) -> HealthService:
    return services.health


Clock: TypeAlias = Annotated[ClockValue, Depends(_clock)]
People: TypeAlias = Annotated[PeopleService, Depends(_people)]
Catalogue: TypeAlias = Annotated[CatalogueService, Depends(_catalogue)]
Computings: TypeAlias = Annotated[ComputingsService, Depends(_computings)]
Tasks: TypeAlias = Annotated[TasksService, Depends(_tasks)]
AccountLinks: TypeAlias = Annotated[AccountLinksService, Depends(_account_links)]
Groups: TypeAlias = Annotated[GroupsService, Depends(_groups)]
Keys: TypeAlias = Annotated[KeysService, Depends(_keys)]
Health: TypeAlias = Annotated[HealthService, Depends(_health)]


def check_own_origin(request: Request, services: Wiring) -> None:
    """Refuse what another site lets a browser send. Raises CrossOriginError."""
    if is_foreign(request.scope, url=services.settings.url):
        raise CrossOriginError


async def actor_of(
    request: Request,
    services: Wiring,
    wanted: SecurityScopes,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    cookie: Annotated[str | None, Depends(COOKIE)],
) -> Actor:
    """Return who asks: by a token, else by a session.

    Raises
    ------
    UnauthenticatedError
        Neither came, or what came is unknown, expired or revoked.
    CrossOriginError
        A browser's cookie came with an unsafe method and without proof of the platform's own origin.
    ScopeError
        The token does not cover the operation.
    """
    if bearer is not None:
        actor = await services.people.actor_of_token(bearer.credentials)
    elif "authorization" in request.headers or cookie is None:
        raise UnauthenticatedError
    else:
        check_own_origin(request, services)
        actor = await services.people.actor_of_session(cookie)
    for name in wanted.scopes:
        if not actor.may(Scope(name)):
            raise ScopeError(name)
    return actor


AnyActor: TypeAlias = Annotated[Actor, Security(actor_of)]
Reader: TypeAlias = Annotated[Actor, Security(actor_of, scopes=[Scope.READ.value])]
TaskWriter: TypeAlias = Annotated[Actor, Security(actor_of, scopes=[Scope.TASKS.value])]
SoftwareWriter: TypeAlias = Annotated[Actor, Security(actor_of, scopes=[Scope.SOFTWARE.value])]
Connecting: TypeAlias = Annotated[Actor, Security(actor_of, scopes=[Scope.CONNECT.value])]
ComputingWriter: TypeAlias = Annotated[Actor, Security(actor_of, scopes=[Scope.COMPUTINGS.value])]
Administrator: TypeAlias = Annotated[Actor, Security(actor_of, scopes=[Scope.ADMINISTRATION.value])]
OwnOrigin = Depends(check_own_origin)


def _client(request: Request) -> ClientValue:
    address = request.client.host if request.client else ""
    return ClientValue(address=address, agent=request.headers.get("user-agent", ""))


Client: TypeAlias = Annotated[ClientValue, Depends(_client)]
