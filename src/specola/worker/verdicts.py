"""What a decision about one task comes to: its record, the events to write with it, the step to take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from specola.domain.task import Task

__all__ = ["Note", "Step", "Verdict"]


class Step(Enum):
    """What is done next for a task; each is safe to repeat and to give up half-way."""

    NOTHING = "wait for the next look"
    LAUNCH = "start it, or find it started"
    FIND = "look whether a launch that was given up left something"
    TRY = "try the interfaces that are not ready"
    STOP = "stop it"
    SETTLE = "read how it ended and write that down"
    CLEAN = "keep its log and remove what is left of it"
    ERASE = "remove its record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An event to be written with the record; `at` is None for what happens as it is written."""

    code: str
    sentence: str
    data: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The record as it should be, the events to write with it, and the step to take once it is written.

    `tell` is what those who work in the task are to be shown beside that; empty: nothing.
    """

    task: Task
    step: Step = Step.NOTHING
    notes: tuple[Note, ...] = ()
    tell: str = ""
