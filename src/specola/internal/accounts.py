"""Answers for the connector and the signer: whose accounts on hosts are whose, and what opens them."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from specola.api.dependencies import Wiring
from specola.domain.account_link import Purpose
from specola.domain.errors import AccountRefusedError, MissingError
from specola.services.identities import Opening

__all__ = ["router"]

router = APIRouter(prefix="/accounts")


class Wanted(BaseModel):
    """An account to enter; `person` says that it is theirs, where that is still to be proven."""

    model_config = ConfigDict(extra="forbid")

    computing: str
    account: str
    person: str = ""


class Certified(Wanted):
    """A certificate to sign, for the key with that fingerprint."""

    purpose: Purpose
    fingerprint: str
    request: str


class Asked(BaseModel):
    """A computing."""

    model_config = ConfigDict(extra="forbid")

    computing: str


@router.post("/list")
async def list_accounts(asked: Asked, services: Wiring) -> dict[str, Any]:
    """Tell which accounts on a computing are proven; a computing that is gone has none."""
    try:
        return {"accounts": list(await services.identities.accounts(asked.computing))}
    except MissingError:
        return {"accounts": []}


@router.post("/opening")
async def opening(wanted: Wanted, services: Wiring) -> dict[str, Any]:
    """Tell what opens an account: for work, or (with a person) to prove it; always 200."""
    identities = services.identities
    try:
        if wanted.person:
            return _opened(await identities.proving(wanted.computing, wanted.account, wanted.person))
        return _opened(await identities.opening(wanted.computing, wanted.account))
    except (AccountRefusedError, MissingError) as error:
        return _refused(error)


@router.post("/grant")
async def grant(wanted: Certified, services: Wiring) -> dict[str, Any]:
    """Tell the signer what it may sign, and write it down; always 200."""
    try:
        granted = await services.identities.grant(
            wanted.computing,
            wanted.account,
            purpose=wanted.purpose,
            fingerprint=wanted.fingerprint,
            request=wanted.request,
            person=wanted.person,
        )
    except (AccountRefusedError, MissingError) as error:
        return _refused(error)
    return {
        "outcome": "pass",
        "serial": granted.serial,
        "account": granted.account,
        "key_id": granted.key_id,
        "created": granted.created.isoformat(),
        "expires": granted.expires.isoformat(),
        "command": granted.command,
        "sources": list(granted.sources),
    }


def _opened(found: Opening) -> dict[str, Any]:
    if found.private_key:
        return {"outcome": "key", "private_key": found.private_key}
    return {"outcome": "certificate"}


def _refused(error: AccountRefusedError | MissingError) -> dict[str, Any]:
    return {"outcome": "refused", "detail": error.detail if isinstance(error, AccountRefusedError) else str(error)}
