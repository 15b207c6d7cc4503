"""Links: a desktop shown to whoever has the address, to be looked at only."""

from dataclasses import dataclass
from datetime import datetime

from specola.domain.task import TaskId

__all__ = ["GUEST", "Link", "LinkId"]

LinkId = str

GUEST = "link:"
"""With a link's id behind it: who a guest is, where a person would be named; and the mark that takes the link back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An address that lets guests look at one interface of one task; its secret is shown once.

    It lasts no longer than what it was made with: `token` is that of a program, None: a signed-in person's.
    """

    id: LinkId
    task: TaskId
    interface: str
    person: str
    token: str | None
    created: datetime
    expires: datetime

    @property
    def mark(self) -> str:
        """Return under what it is taken back, and what counts its guests' traffic."""
        return GUEST + self.id
