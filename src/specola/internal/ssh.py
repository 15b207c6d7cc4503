"""Answers for the SSH front door: who comes, and what they may enter now."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from specola.api.dependencies import Wiring
from specola.domain.errors import DeniedError, MissingError, SpecolaError, TooManyAttemptsError, UnauthenticatedError
from specola.services.admissions import Admission
from specola.services.front_door import FrontDoor

__all__ = ["router"]

router = APIRouter()


class Comer(BaseModel):
    """Somebody who signs in: by a key, a certificate (number, and the key it certifies), or a token."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    fingerprint: str | None = None
    serial: int | None = None
    token: str | None = None
    address: str = ""


class Entry(BaseModel):
    """Somebody who wants to enter a task; `by` is the first of the marks they were admitted with."""

    model_config = ConfigDict(extra="forbid")

    by: str
    task: str
    live: bool = False


@router.post("/ssh/admit")
async def admit(comer: Comer, services: Wiring) -> dict[str, Any]:
    """Tell who comes; always 200."""
    try:
        admission = await _admission(comer, services.front_door)
    except (UnauthenticatedError, DeniedError, TooManyAttemptsError) as error:
        return {"admitted": False} | _told(error)
    actor = admission.actor
    return {
        "admitted": True,
        "by": actor.marks[0],
        "person": actor.person.id,
        "name": actor.person.name,
        "marks": list(actor.marks),
    }


@router.post("/ssh/enter")
async def enter(entry: Entry, services: Wiring) -> dict[str, Any]:
    """Tell whether somebody may enter a task now; always 200."""
    try:
        entered = await services.front_door.enter(entry.by, entry.task, live=entry.live)
    except MissingError as error:
        return {"outcome": "missing"} | _told(error)
    except (UnauthenticatedError, DeniedError) as error:
        return {"outcome": "sign_in"} | _told(error)
    task = entered.task
    answer = {"task": task.id, "name": task.name, "person": task.owner, "marks": list(entered.marks)}
    if entered.reason is not None:
        reason = entered.reason
        return {"outcome": "not_ready", **answer, "sentence": reason.sentence, "hint": reason.hint}
    return {"outcome": "pass", **answer, "ports": dict(entered.ports)}


async def _admission(comer: Comer, front_door: FrontDoor) -> Admission:
    match comer:
        case Comer(token=str(token)):
            return await front_door.by_token(token, address=comer.address)
        case Comer(serial=int(serial), fingerprint=str(fingerprint)):
            return await front_door.by_certificate(serial, fingerprint)
        case Comer(fingerprint=str(fingerprint)):
            return await front_door.by_key(fingerprint)
        case _:
            raise UnauthenticatedError


def _told(error: SpecolaError) -> dict[str, Any]:
    return {"sentence": error.sentence, "hint": error.hint}
