"""What a page and its terminal say to each other beside the bytes: `docs/developer/internal-protocol.md`."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from specola.connector.terminal.session import Session, View
from specola.domain.computing import WindowSize
from specola.domain.errors import SpecolaError

__all__ = ["Attach", "End", "List", "Resize", "Shown", "attached", "ended", "failed", "listed", "read", "resized"]

Side = Annotated[int, Field(ge=1, le=1000)]
Offset = Annotated[int, Field(ge=0)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sized(_Message):
    columns: Side = 80
    rows: Side = 24

    @property
    def size(self) -> WindowSize:
        """The size of the window."""
        return WindowSize(self.columns, self.rows)


class Attach(_Sized):
    """Show this session, from an offset on; without a session, a new one."""

    type: Literal["attach"]
    session: str | None = None
    offset: Offset | None = None


class List(_Message):
    """Tell which sessions there are."""

    type: Literal["list"]


class Resize(_Sized):
    """The window has another size."""

    type: Literal["resize"]


class Shown(_Message):
    """The window has shown all up to an offset."""

    type: Literal["shown"]
    offset: Offset


class End(_Message):
    """End the session."""

    type: Literal["end"]


Asked = Attach | List | Resize | Shown | End
ASKED: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="type")])


def read(text: bytes) -> Asked:
    """Read what a page says; raises ValueError."""
    return ASKED.validate_json(text)


def listed(sessions: Sequence[Session]) -> bytes:
    """Answer which sessions there are."""
    told = [{"session": one.name, "began": one.began.isoformat(), "windows": one.windows} for one in sessions]
    return _written("sessions", sessions=told)


def attached(session: Session, view: View) -> bytes:
    """Say what comes next: bytes from `offset` on, those before `until` a repetition that is not to be answered."""
    return _written(
        "attached",
        session=session.name,
        offset=view.sent,
        until=view.until,
        fresh=view.fresh,
        columns=session.size.columns,
        rows=session.size.rows,
    )


def resized(size: WindowSize) -> bytes:
    """Say that another window of the session has given the terminal this size."""
    return _written("resized", columns=size.columns, rows=size.rows)


def ended(code: int) -> bytes:
    """Say that the shell has ended."""
    return _written("ended", code=code)


def failed(error: SpecolaError) -> bytes:
    """Say why what was asked for cannot be."""
    return _written("failed", code=error.code, sentence=error.sentence, hint=error.hint)


def _written(kind: str, **told: Any) -> bytes:
    return json.dumps({"type": kind, **told}).encode()
