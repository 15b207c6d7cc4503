"""Asks `web` who comes to the front door, and what they may enter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from specola.domain.errors import DeniedError, MissingError, TaskClosedError, UnauthenticatedError, WebUnreachableError
from specola.local_http import over_socket

__all__ = ["Admitted", "Asking", "Entered"]

PATIENCE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Somebody who was let in; `by` is what they came with (`key:…`, `certificate:…`, `token:…`)."""

    by: str
    person: str
    name: str
    marks: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A task that may be entered now, and the ports of its interfaces."""

    task: str
    name: str
    person: str
    marks: frozenset[str]
    ports: Mapping[str, int] = field(default_factory=dict)


class Asking:
    """The two questions of the front door, over the internal socket; see `docs/developer/internal-protocol.md`."""

    def __init__(self, socket: Path) -> None:
        self._client = httpx.AsyncClient(
            transport=over_socket(socket), base_url="http://internal", timeout=httpx.Timeout(PATIENCE)
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def admit(self, comer: Mapping[str, Any]) -> Admitted:
        """Ask who comes with a key, a certificate or a token.

        Raises
        ------
        UnauthenticatedError
            Nobody known, or nobody who may come in.
        WebUnreachableError
            There was no answer.
        """
        answer = await self._ask("/ssh/admit", comer)
        if not answer["admitted"]:
            raise UnauthenticatedError(answer["sentence"], hint=answer["hint"])
        return Admitted(by=answer["by"], person=answer["person"], name=answer["name"], marks=frozenset(answer["marks"]))

    async def enter(self, by: str, task: str, *, live: bool = False) -> Entered:
        """Ask whether somebody may enter a task now.

        Raises
        ------
        MissingError, UnauthenticatedError, DeniedError
            They may not.
        TaskClosedError
            They may, and the task is not there to be entered.
        WebUnreachableError
            There was no answer.
        """
        answer = await self._ask("/ssh/enter", {"by": by, "task": task, "live": live})
        match answer["outcome"]:
            case "pass":
                return Entered(
                    task=answer["task"],
                    name=answer["name"],
                    person=answer["person"],
                    marks=frozenset(answer["marks"]),
                    ports=dict(answer["ports"]),
                )
            case "not_ready":
                raise TaskClosedError(answer["name"], answer["sentence"], hint=answer["hint"])
            case "missing":
                raise MissingError("task", task)
            case "sign_in":
                raise UnauthenticatedError(answer["sentence"], hint=answer["hint"])
            case _:
                raise DeniedError("You may not enter this task.")

    async def _ask(self, path: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer = await self._client.post(path, json=question)
            answer.raise_for_status()
            told: Mapping[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise WebUnreachableError from error
        return told
