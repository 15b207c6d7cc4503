"""What every failure a person can meet has: a stable code, a kind, one sentence and one hint."""

from enum import Enum
from typing import ClassVar

__all__ = [
    "Kind",
    "SpecolaError",
]


class Kind(Enum):
    """How a caller should react; the doors map it to a status or an exit code, each in one table."""

    INVALID = "change the request"
    UNAUTHENTICATED = "sign in"
    DENIED = "ask for permission"
    MISSING = "check the name"
    CONFLICT = "change something else first"
    LIMITED = "wait, or use less"
    UNAVAILABLE = "try again later"


class SpecolaError(Exception):
    """A failure that a person can meet, in one sentence and one hint."""

    code: ClassVar[str] = "error"
    kind: ClassVar[Kind] = Kind.INVALID

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
