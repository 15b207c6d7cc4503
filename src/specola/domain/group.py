"""Groups: people who may use the same things."""

from dataclasses import dataclass
from datetime import datetime

from specola.domain.person import PersonId

__all__ = ["Group", "GroupId"]

GroupId = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Some people under one name, which never changes; `managers` are members who say who else is."""

    id: GroupId
    name: str
    title: str
    created: datetime
    members: frozenset[PersonId] = frozenset()
    managers: frozenset[PersonId] = frozenset()
