"""Decisions for gateways: who may reach an interface, how a browser is let in, and what was carried."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from specola.api.dependencies import Wiring
from specola.domain.errors import UnauthenticatedError
from specola.services.access import Decision, Outcome, Presented, Traffic

__all__ = ["router"]

router = APIRouter()
MOST_TRAFFIC = 10_000
Amount = Annotated[int, Field(ge=0)]


class Question(BaseModel):
    """A visitor at an interface of a task."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    task: str
    interface: str
    cookie: str | None = None
    token: str | None = None
    certificate: str | None = None


class Redemption(BaseModel):
    """A code that a browser brought, with the hash of the nonce cookie that the gateway had set."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    code: str
    nonce: str
    task: str
    interface: str


class Carried(BaseModel):
    """Bytes carried for one person and interface since the last report."""

    model_config = ConfigDict(extra="forbid")

    task: str
    interface: str
    person: str
    received: Amount
    sent: Amount
    used: bool


@router.post("/decide")
async def decide(question: Question, services: Wiring) -> dict[str, Any]:
    """Decide about a visitor; always 200."""
    presented = Presented(cookie=question.cookie, token=question.token, certificate=question.certificate)
    return answer_of(await services.access.decide(question.task, question.interface, presented))


def answer_of(decision: Decision) -> dict[str, Any]:
    """Write a decision as the protocol has it."""
    answer: dict[str, Any] = {"outcome": decision.outcome.value}
    if decision.outcome is Outcome.MISSING:
        # For the record: the gateway tells nobody.
        return answer | {"person": decision.person}
    task, interface = decision.task, decision.interface
    if decision.outcome not in {Outcome.PASS, Outcome.NOT_READY} or task is None or interface is None:
        return answer
    answer |= {
        "person": decision.person,
        "task": task.id,
        "interface": interface.name,
        "protocol": interface.protocol.value,
        "marks": list(decision.marks),
        "seconds": decision.seconds,
    }
    if decision.outcome is Outcome.NOT_READY:
        reason = {"code": task.reason.code, "sentence": task.reason.sentence, "hint": task.reason.hint}
        return answer | {"state": task.state.value, "reason": reason}
    endpoint = decision.endpoint
    assert endpoint is not None, "a visitor passes only to an endpoint"
    where = {"path": endpoint.path} if endpoint.path else {"host": endpoint.host, "port": endpoint.port}
    return answer | {
        "origin": interface.origin.value,
        "endpoint": where,
        "add": [list(one) for one in decision.add],
        "ignore": list(interface.activity.ignore),
        "pings": interface.activity.pings,
        "view_only": decision.view_only,
    }


@router.post("/redeem")
async def redeem(redemption: Redemption, services: Wiring) -> JSONResponse:
    """Spend a code; 403 when it is unknown, spent, late, or another's."""
    try:
        entry = await services.access.redeem(
            redemption.code, nonce=redemption.nonce, task=redemption.task, interface=redemption.interface
        )
    except UnauthenticatedError as error:
        refusal = {"code": error.code, "sentence": error.sentence, "hint": error.hint}
        return JSONResponse(refusal, status_code=403)
    return JSONResponse({"cookie": entry.cookie, "seconds": entry.seconds, "path": entry.path})


@router.post("/traffic", status_code=204)
async def traffic(carried: Annotated[list[Carried], Body(max_length=MOST_TRAFFIC)], services: Wiring) -> None:
    """Add what a gateway carried to the tasks' counters."""
    await services.access.note_traffic([Traffic(**one.model_dump()) for one in carried])
