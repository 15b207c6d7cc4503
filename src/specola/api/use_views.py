"""Use as JSON."""

from datetime import datetime

from pydantic import BaseModel, Field

from specola.domain.use import Carried, Use, UseSign

__all__ = ["UseView"]


class UsePartView(BaseModel):
    """What one person carried through one interface."""

    interface: str
    person: str = Field(description="id of the person")
    name: str | None = Field(description="how the person is called; null: the account is gone")
    received: int = Field(description="bytes to the task since its start")
    sent: int = Field(description="bytes from the task since its start")
    last_used: datetime | None = Field(description="null: connected, but never used")

    @classmethod
    def of(cls, part: Carried) -> "UsePartView":
        """Return it as JSON shows it."""
        return cls(
            interface=part.interface,
            person=part.person,
            name=part.name or None,
            received=part.received,
            sent=part.sent,
            last_used=part.last_used,
        )


class UseView(BaseModel):
    """Whether a task is in use, and why."""

    in_use: bool
    sign: UseSign = Field(description="what shows it: a person, a computation, its start; or that it is idle or ended")
    sentence: str
    last_used: datetime | None = Field(description="the last use by a person")
    last_computed: datetime | None = Field(description="when it was last seen computing")
    idle_since: datetime | None = Field(description="null while it is in use")
    cpus: float | None = Field(description="cores on average over the last 10 minutes; null: not measured")
    parts: list[UsePartView] = Field(description="by interface and person")

    @classmethod
    def of(cls, use: Use) -> "UseView":
        """Return it as JSON shows it."""
        return cls(
            in_use=use.in_use,
            sign=use.sign,
            sentence=use.sentence,
            last_used=use.last_used,
            last_computed=use.last_computed,
            idle_since=use.idle_since,
            cpus=use.cpus,
            parts=[UsePartView.of(one) for one in use.parts],
        )
