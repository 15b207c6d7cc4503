"""The tables. Importing this package fills `Base.metadata`, which the migrations are compared with."""

from specola.storage.schema import (
    access,
    account_links,
    certificates,
    change,
    computings,
    connections,
    found,
    groups,
    keys,
    links,
    people,
    software,
    tasks,
)
from specola.storage.schema.base import Base

__all__ = [
    "Base",
    "access",
    "account_links",
    "certificates",
    "change",
    "computings",
    "connections",
    "found",
    "groups",
    "keys",
    "links",
    "people",
    "software",
    "tasks",
]
